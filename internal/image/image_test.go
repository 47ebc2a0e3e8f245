package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

func TestTheFirstImageThatIsSetIsTheAgents(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"ILOOM_AGENT_IMAGE": "variable", "AGENT_DEFAULT_IMAGE": "alias"}
	all := Choice{Flag: "flag", Agent: "agent", Project: "project"}
	for _, c := range []struct {
		name        string
		set         Choice
		without     []string
		dev         string
		ref, source string
	}{
		{"everything", all, nil, "dev", "flag", "--image"},
		{"no flag", Choice{Agent: "agent", Project: "project"}, nil, "dev", "agent", "container.agents"},
		{"the project's", Choice{Project: "project"}, nil, "dev", "project", "container.agent.image"},
		{"the variable", Choice{}, nil, "dev", "variable", "ILOOM_AGENT_IMAGE"},
		{"its alias", Choice{}, []string{"ILOOM_AGENT_IMAGE"}, "dev", "alias", "AGENT_DEFAULT_IMAGE"},
		{"the dev container", Choice{}, []string{"ILOOM_AGENT_IMAGE", "AGENT_DEFAULT_IMAGE"}, "dev", "dev", devContainerSource},
		{"nothing", Choice{}, []string{"ILOOM_AGENT_IMAGE", "AGENT_DEFAULT_IMAGE"}, "", "", ""},
	} {
		env := func(name string) string {
			if slices.Contains(c.without, name) {
				return ""
			}
			return variables[name]
		}
		ref, source := c.set.choose(env, c.dev)
		assert.Check(t, ref == c.ref && source == c.source, "%s: %s of %s", c.name, ref, source)
	}
}

func TestAShortNameMeansTheUsersOwnImageFirst(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, candidates("web"), []string{"docker-loom-agent/web:latest", "web"})
	assert.DeepEqual(t, candidates("team/web"), []string{"team/web"})
	assert.DeepEqual(t, candidates("web:1"), []string{"web:1"})
}

func TestABuildersErrorSaysHowTheCommandEnded(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		`failed to solve: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7` + "\nmore": "ended with exit code: 7",
		`failed to solve: executor failed running [/bin/sh -c [ "exit code: 1" ]]: exit code: 3`:              "ended with exit code: 3",
		`failed to solve: process "/bin/sh -c x" did not complete successfully: cannot allocate memory`:       "ended with cannot allocate memory",
		"failed to solve: nosuch: not found": "failed",
	} {
		assert.Check(t, HowItEnded(errors.New(says)) == want, "%s: %s", says, HowItEnded(errors.New(says)))
	}
}

func TestOnlyOldImagesOfOtherBinariesAreTakenAway(t *testing.T) {
	t.Parallel()
	now := time.Now()
	images := []engine.Image{
		{Tags: []string{"docker-loom-egress:now"}, Created: now.Add(-48 * time.Hour)},
		{Tags: []string{"docker-loom-egress:old"}, Created: now.Add(-2 * time.Hour)},
		{Tags: []string{"docker-loom-egress:young"}, Created: now.Add(-time.Minute)},
	}
	assert.DeepEqual(t, earlier(images, "docker-loom-egress:now", now), []string{"docker-loom-egress:old"})
}

func TestABinaryIsHashedOnceAndAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	l := &Store{Cache: filepath.Join(t.TempDir(), "cache"), Teller: tell.Nowhere()}
	path := filepath.Join(t.TempDir(), "binary")
	write := func(text string, at time.Time) string {
		t.Helper()
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o755))
		assert.NilError(t, os.Chtimes(path, at, at))
		hash, err := l.hashOfFile(path)
		assert.NilError(t, err)
		return hash
	}
	first := write("one", time.Unix(1000, 0))
	// The same size and time: the file is not read.
	assert.Equal(t, write("two", time.Unix(1000, 0)), first)
	second := write("two", time.Unix(1001, 0))
	assert.Assert(t, second != first)
	assert.NilError(t, os.WriteFile(filepath.Join(l.Cache, "binary.json"), []byte(`{"hash": "x`), 0o644))
	assert.Equal(t, write("two", time.Unix(1001, 0)), second)
	l.Cache = ""
	assert.Equal(t, write("two", time.Unix(1001, 0)), second)
}

func TestAProgramThatNeedsMoreThanItselfIsRefused(t *testing.T) {
	t.Parallel()
	assert.ErrorContains(t, checkStatic(strings.NewReader("#!/bin/sh\n")), "no Linux program")
	assert.ErrorContains(t, checkStatic(bytes.NewReader(program(t, elf.PT_INTERP))), "dynamically linked")
	assert.NilError(t, checkStatic(bytes.NewReader(program(t, elf.PT_LOAD))))
}

// program is the beginning of an ELF file with one segment.
func program(t *testing.T, segment elf.ProgType) []byte {
	t.Helper()
	var b bytes.Buffer
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}
	copy(h.Ident[:], []byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)})
	assert.NilError(t, binary.Write(&b, binary.LittleEndian, h))
	assert.NilError(t, binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(segment)}))
	return b.Bytes()
}

func TestAToolchainFileIsAPlainOneOfTheWorkTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := readToolchain(dir)
	assert.NilError(t, err)
	assert.Equal(t, len(files), 0)
	files, err = readToolchain(filepath.Join(dir, "gone"))
	assert.NilError(t, err)
	assert.Equal(t, len(files), 0)
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "mise.toml"), []byte("[tools]"), 0o644))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".tool-versions"), []byte("node 22"), 0o644))
	files, err = readToolchain(dir)
	assert.NilError(t, err)
	assert.DeepEqual(t, files, map[string][]byte{"mise.toml": []byte("[tools]"), ".tool-versions": []byte("node 22")})

	secret := filepath.Join(t.TempDir(), "secret")
	assert.NilError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for name, make := range map[string]func(path string) error{
		"a link out":       func(path string) error { return os.Symlink(secret, path) },
		"a link inside":    func(path string) error { return os.Symlink("mise.toml", path) },
		"a link to itself": func(path string) error { return os.Symlink(path, path) },
		"a folder":         func(path string) error { return os.Mkdir(path, 0o755) },
		"a huge one":       func(path string) error { return os.WriteFile(path, make1M(), 0o644) },
	} {
		path := filepath.Join(dir, ".mise.toml")
		assert.NilError(t, make(path))
		_, err = readToolchain(dir)
		assert.ErrorContains(t, err, ".mise.toml: it ", name)
		assert.NilError(t, os.Remove(path))
	}
}

func make1M() []byte { return make([]byte, maxToolchain+1) }

func TestAMissingImageIsToldWithWhatThereIs(t *testing.T) {
	t.Parallel()
	err := &NoImageError{Ref: "nope", Source: "--image", There: []string{sandbox.BaseName, "web"}}
	assert.Error(t, err, "there is no image nope, which --image names; there are: base, web")
}
