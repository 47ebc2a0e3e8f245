package setup

import (
	"context"
	"io"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/setup"
)

func newSetup() *setup.Setup {
	return &setup.Setup{Settings: "settings.json", Ports: []setup.Base{
		{Variable: "ILOOM_PORT_DB", Service: "db", Target: 5432, Base: 5432, State: setup.New},
		{Variable: "ILOOM_PORT_API", Base: 4000, State: setup.Set},
		{Variable: "ILOOM_PORT_WEB", Where: "services.web.environment", Base: 3000, State: setup.New},
		{Variable: "ILOOM_PORT_MAIL", Base: 25, State: setup.New},
	}}
}

func TestInitAsksUntilTheAnswerIsAPort(t *testing.T) {
	t.Parallel()
	s := newSetup()
	var said strings.Builder
	err := askBases(t.Context(), strings.NewReader("x\n99999\n 5555 \n\n"), &said, s, map[string]bool{"MAIL": true})
	assert.NilError(t, err)
	assert.Equal(t, said.String(), `Base ports (Enter takes the one in brackets, Ctrl-C ends without writing):
  DB (db, container port 5432) [5432]:   "x" is not a port (1–65535)
  DB (db, container port 5432) [5432]:   DB: 99999 is not a port (1–65535)
  DB (db, container port 5432) [5432]:   WEB (used in services.web.environment) [3000]: 
`)
	content, changed, err := s.Content()
	assert.NilError(t, err)
	assert.Assert(t, changed)
	assert.Equal(t, string(content), "{\n  \"container\": {\n    \"ports\": {\n      \"DB\": 5555,\n      \"WEB\": 3000,\n      \"MAIL\": 25\n    }\n  }\n}\n")
}

func TestInitEndsWithItsInput(t *testing.T) {
	t.Parallel()
	err := askBases(t.Context(), strings.NewReader("5555\n"), io.Discard, newSetup(), map[string]bool{})
	assert.Error(t, err, "nothing was written: the input ended")
}

func TestInitEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	silent, _ := io.Pipe()
	cancel()
	err := askBases(ctx, silent, io.Discard, newSetup(), map[string]bool{})
	assert.ErrorIs(t, err, context.Canceled)
}
