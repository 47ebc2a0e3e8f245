package main

import (
	"os"
	"os/exec"
	"testing"

	"gotest.tools/v3/assert"
)

const throughLibrary = "DOCKER_LOOM_TEST_THROUGH_LIBRARY"

// TestMain lets the test run this binary as docker-loom: with Docker's question as its argument the early answer ends
// it, with throughLibrary the question is asked after all packages are initialised.
func TestMain(m *testing.M) {
	if os.Getenv(throughLibrary) != "" {
		os.Args = []string{os.Args[0], "docker-cli-plugin-metadata"}
		main()
	}
	os.Exit(m.Run())
}

func TestTheEarlyAnswerIsThatOfDockersLibrary(t *testing.T) {
	t.Parallel()
	early, err := exec.Command(os.Args[0], "docker-cli-plugin-metadata").Output()
	assert.NilError(t, err)
	library := exec.Command(os.Args[0])
	library.Env = append(os.Environ(), throughLibrary+"=1")
	late, err := library.Output()
	assert.NilError(t, err)
	assert.Equal(t, string(early), string(late))
	assert.Assert(t, len(early) > 0)
}
