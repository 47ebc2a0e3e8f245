package sandbox

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAnImageRequestThatCouldLeaveItsPlaceIsRefused(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]ImageRequest{
		"no name":                  {},
		"capitals":                 {Name: "Web"},
		"a path":                   {Name: "a/b"},
		"a tag":                    {Name: "a:b"},
		"dots at the end":          {Name: "a.."},
		"too long":                 {Name: strings.Repeat("a", 65)},
		"the built-in one changed": {Name: "base", Apt: []string{"jq"}},
		"from a flag":              {Name: "a", From: "--platform=x"},
		"from two words":           {Name: "a", From: "x AS y"},
		"from two lines":           {Name: "a", From: "x\nRUN y"},
		"apt of a flag":            {Name: "a", Apt: []string{"--yes"}},
		"apt of a command":         {Name: "a", Apt: []string{"jq; true"}},
		"apt of two lines":         {Name: "a", Apt: []string{"jq\nRUN"}},
		"apt that removes":         {Name: "a", Apt: []string{"apt-"}},
		"apt without a name":       {Name: "a", Apt: []string{""}},
		"apt of a variable":        {Name: "a", Apt: []string{"$HOME"}},
		"npm of a flag":            {Name: "a", NPM: []string{"-g"}},
		"npm of a command":         {Name: "a", NPM: []string{"x&&y"}},
		"npm of a folder":          {Name: "a", NPM: []string{"../x"}},
		"npm of a URL":             {Name: "a", NPM: []string{"git+https://x/y"}},
		"npm of a version range":   {Name: "a", NPM: []string{"x@>1"}},
		"run of nothing":           {Name: "a", Run: []string{" "}},
		"run of a zero byte":       {Name: "a", Run: []string{"a\x00b"}},
	} {
		_, err := Named(r)
		assert.Check(t, err != nil, name)
	}
}

func TestPackagesThatThereAreAreTaken(t *testing.T) {
	t.Parallel()
	r := ImageRequest{
		Name: "web.tools-2", From: "registry.test:5000/team/x@sha256:0123",
		Apt: []string{"g++", "libc6:arm64", "python3=3.11.2-1+b1", "jq", "git/bookworm-backports"},
		NPM: []string{"pnpm", "@scope/tool@1.2.3-rc.1", "typescript@latest", "x@^1.2", "JSONStream"},
	}
	assert.NilError(t, r.Check())
}

func TestShellLinesAreHandedOverAsTheyAre(t *testing.T) {
	t.Parallel()
	commands := []string{"echo a \\\nUSER 0\nFROM x", `echo "$X" '<&>' \`, "cat <<EOF\nx\nEOF", "é\u2028"}
	b, err := Named(ImageRequest{Name: "a", From: "debian", Run: commands})
	assert.NilError(t, err)
	lines := strings.Split(strings.TrimSuffix(b.Dockerfile, "\n"), "\n")
	assert.Equal(t, len(lines), 3+len(commands), b.Dockerfile)
	for i, command := range commands {
		text, ok := strings.CutPrefix(lines[3+i], "RUN ")
		assert.Assert(t, ok)
		var words []string
		assert.NilError(t, json.Unmarshal([]byte(text), &words))
		assert.DeepEqual(t, words, []string{"/bin/sh", "-c", command})
	}
}

func TestAnImageBeginsWithTheBuiltInOneUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{"": Base().Tag, "base": Base().Tag, "debian:bookworm-slim": "debian:bookworm-slim"} {
		b, err := Named(ImageRequest{Name: "a", From: from, Apt: []string{"jq"}})
		assert.NilError(t, err)
		assert.Equal(t, b.From, want)
		assert.Equal(t, b.Args["BASE_IMAGE"], want)
		assert.Equal(t, b.Tag, "docker-loom-agent/a:latest")
	}
}

func TestABuildErrorNamesItsStep(t *testing.T) {
	t.Parallel()
	named, err := Named(ImageRequest{Name: "a", Apt: []string{"jq"}, NPM: []string{"pnpm"}, Run: []string{"make", "make \"all\"\n", "true"}})
	assert.NilError(t, err)
	tools := Toolchain("debian", "sha256:1", "", map[string][]byte{"mise.toml": nil})
	for _, c := range []struct {
		build        *Build
		failed, want string
	}{
		{Base(), "RUN apt-get update  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates nodejs npm", "npm, to install the rest with (apt-get install)"},
		{Base(), "RUN npm install -g --prefix /out --no-fund", "node and Claude Code (npm install)"},
		{Base(), "apt-get install -y --no-install-recommends ca-certificates curl", "Debian's packages (apt-get install)"},
		{named, "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends jq && rm -rf /var/lib/apt/lists/*", "--apt jq"},
		{named, "npm install -g --no-fund --no-audit pnpm && rm -rf /root/.npm", "--npm pnpm"},
		{named, "make", "--run 'make'"},
		{named, "make \"all\"\n", "--run 'make \"all\"\n'"},
		{named, "true", "--run 'true'"},
		{tools, getMise, "getting mise"},
		{tools, installTools, "mise install"},
		{tools, "ls", ""},
	} {
		for _, message := range []string{
			"it is true: failed to solve: process " + strconv.Quote("/bin/sh -c "+c.failed) + " did not complete successfully: exit code: 1",
			"executor failed running [/bin/sh -c " + c.failed + "]: exit code: 1",
		} {
			step, ok := c.build.FailedStep(message)
			assert.Check(t, step == c.want && ok == (c.want != ""), "%s: %s", message, step)
		}
	}
	_, ok := named.FailedStep("pull access denied for true")
	assert.Assert(t, !ok)
	for _, s := range append(Base().Steps, tools.Steps...) {
		found := strings.Contains(Base().Dockerfile, s.Command) || strings.Contains(tools.Dockerfile, s.Command)
		assert.Check(t, found, "no step runs %s", s.Command)
	}
}

func TestNamesOfImagesAreReadBack(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		NamedTag("web"):                "web",
		Base().Tag:                     "base",
		"docker-loom-agent:base-other": "docker-loom-agent:base-other",
		"docker-loom-agent:tools-1":    "docker-loom-agent:tools-1",
		"docker-loom-agent/web:old":    "",
		"docker-loom-agent/a/b:latest": "",
		"debian:bookworm-slim":         "",
		"docker-loom-agents:latest":    "",
	} {
		name, ok := ImageName(ref)
		assert.Check(t, ok == (want != ""), ref)
		if ok {
			assert.Equal(t, name, want)
		}
	}
	assert.Equal(t, Base().From, "debian:bookworm-slim")
}

func TestAToolchainImageIsNamedByAllThatMakesIt(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"mise.toml": []byte("[tools]\n")}
	first := Toolchain("debian", "sha256:1", "dev", files)
	assert.Equal(t, Toolchain("debian", "sha256:1", "dev", files).Tag, first.Tag)
	for name, other := range map[string]*Build{
		"another base":   Toolchain("debian", "sha256:2", "dev", files),
		"another user":   Toolchain("debian", "sha256:1", "root", files),
		"other content":  Toolchain("debian", "sha256:1", "dev", map[string][]byte{"mise.toml": []byte("[tools]\n\n")}),
		"another file":   Toolchain("debian", "sha256:1", "dev", map[string][]byte{".mise.toml": []byte("[tools]\n")}),
		"one more file":  Toolchain("debian", "sha256:1", "dev", map[string][]byte{"mise.toml": []byte("[tools]\n"), ".tool-versions": nil}),
		"moved contents": Toolchain("debian", "sha256:1", "dev", map[string][]byte{"mise.toml": nil, ".tool-versions": []byte("[tools]\n")}),
	} {
		assert.Check(t, other.Tag != first.Tag, name)
	}
	assert.Assert(t, strings.HasSuffix(first.Dockerfile, "\nUSER dev\n"))
	assert.Assert(t, !strings.Contains(Toolchain("debian", "sha256:1", "x\nRUN y", files).Dockerfile, "RUN y"))
	assert.Assert(t, !strings.Contains(Toolchain("debian", "sha256:1", "dev", map[string][]byte{"mise.toml": []byte("RUN evil")}).Dockerfile, "evil"))
}
