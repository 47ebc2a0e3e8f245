package devcontainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// write makes a devcontainer.json of text in a folder of its own.
func write(t *testing.T, text string) Place {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, ".devcontainer.json")
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
	return Place{Path: path, Workspace: dir}
}

// config reads text.
func config(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Read(write(t, text))
	assert.NilError(t, err)
	return c
}

func TestConfigurationHasTheReferencesShape(t *testing.T) {
	t.Parallel()
	c := config(t, `{
	// an image and little else
	"image": "debian",
	"forwardPorts": [3000, "db:5432"],
} // end`)
	s, err := c.Substitute(Vars{LocalFolder: c.Workspace, ID: ID(c.IDLabels())})
	assert.NilError(t, err)
	got, err := json.Marshal(ReadConfiguration(s, s.ContainerFolder(""), Merge(nil, nil, s)))
	assert.NilError(t, err)
	file := `"configFilePath":{"$mid":1,"fsPath":"` + c.Path + `","path":"` + c.Path + `","scheme":"vscode-fileHost"}`
	base := filepath.Base(c.Workspace)
	assert.Equal(t, string(got), `{"configuration":{"image":"debian","forwardPorts":[3000,"db:5432"],`+file+`},`+
		`"workspace":{"workspaceFolder":"/workspaces/`+base+`","workspaceMount":"type=bind,source=`+c.Workspace+`,target=/workspaces/`+base+`"},`+
		`"mergedConfiguration":{"image":"debian","forwardPorts":[3000,"db:5432"],`+file+`,"init":false,"privileged":false,`+
		`"onCreateCommands":[],"updateContentCommands":[],"postCreateCommands":[],"postStartCommands":[],"postAttachCommands":[],`+
		`"remoteEnv":{},"containerEnv":{},"portsAttributes":{}}}`)
}

func TestReadTakesWhatTheReferenceTakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"comments and trailing commas", "{/* a */\"image\": \"x\", // b\n\"runArgs\": [\"--rm\",],}", `{"image":"x","runArgs":["--rm"]}`},
		{"a byte order mark", "\ufeff{\"image\":\"x\"}", `{"image":"x"}`},
		{"a comment without a line end", "{\"image\":\"x\"} // end", `{"image":"x"}`},
		{"tabs in strings", "{\t\"image\":\"x\", // \"\t\n\"name\":\"a\tb\\\"\tc\\\\\" /* \"\t\" */, \"k\ty\": [\"\t\"]}", `{"image":"x","name":"a\tb\"\tc\\","k\ty":["\t"]}`},
		{"of duplicates the last, at the place of the first", `{"image":"x","name":"a","image":"y"}`, `{"image":"y","name":"a"}`},
		{"unknown keys", `{"image":"x","unheardOf":{"a":[1.50,1e3,null]}}`, `{"image":"x","unheardOf":{"a":[1.50,1e3,null]}}`},
		{"null says nothing", `{"image":"x","mounts":null,"init":null,"forwardPorts":null,"remoteUser":null}`, `{"image":"x","mounts":null,"init":null,"forwardPorts":null,"remoteUser":null}`},
		{"carriage returns", "{\r\n\"image\":\"x\"\r\n}\r\n", `{"image":"x"}`},
		{"escapes", `{"image":"\u0078","name":"<&> \ud83d\ude00 \u2028"}`, "{\"image\":\"x\",\"name\":\"<&> \U0001f600 \u2028\"}"},
		{
			"old keys", `{"image":"x","extensions":["a"],"settings":{"x":1,"y":2},"devPort":9,"customizations":{"vscode":{"extensions":["z"],"settings":{"x":5}},"k":1}}`,
			`{"image":"x","customizations":{"vscode":{"extensions":["z","a"],"settings":{"x":5,"y":2},"devPort":9},"k":1}}`,
		},
		{"old keys alone", `{"image":"x","devPort":0}`, `{"image":"x","customizations":{"vscode":{"devPort":0}}}`},
		{
			"variables where there will be ports and sizes", `{"image":"x","forwardPorts":["${localEnv:P}"],"mounts":["${localEnv:M}"],"hostRequirements":{"memory":"${localEnv:S}"}}`,
			`{"image":"x","forwardPorts":["${localEnv:P}"],"mounts":["${localEnv:M}"],"hostRequirements":{"memory":"${localEnv:S}"}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, string(config(t, tc.text).Raw), tc.want)
		})
	}
}

func TestReadNamesThePlaceOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"", ": empty, not even {}"},
		{" \ufeff ", ":1:2: invalid character"},
		{"[]", ":1:1: an array is not an object"},
		{"{\n \"image\": \"x\"\n \"name\": \"y\"}", `:3:2: invalid character`},
		{"{\"image\": \"x\"} x", ":1:16: invalid character"},
		{"{\"name\": \"\t\t\", x}", ":1:16: invalid literal: x"},
		{"{\"image\": \"x", ":1:13: parsing string: unexpected EOF"},
		{"{\"image\": \"\x01\"}", ":1:11: invalid"},
		{"{\"image\": \"x\",\n\"forwardPorts\": [1, {}]}", ":2:21: forwardPorts[1]: an object is neither a port nor a host:port"},
		{"{\"image\": \"x\", \"forwardPorts\": [70000]}", ":1:33: forwardPorts[0]: 70000 is not a port (0–65535)"},
		{"{\"image\": \"x\", \"forwardPorts\": [\"db:x\"]}", `:1:33: forwardPorts[0]: "db:x" is neither a port nor a host:port`},
		{"{\"image\": \"x\", \"forwardPorts\": [\"db:99999\"]}", `forwardPorts[0]: "db:99999" has no port (0–65535)`},
		{"{\"image\": \"x\", \"forwardPorts\": 3000}", "forwardPorts: 3000 is not an array of ports"},
		{"{\"image\": \"x\", \"name\": \"\t\", \"init\": \"yes\"}", `:1:37: init: "yes" is neither true nor false`},
		{"{\"image\": 1}", ":1:11: image: 1 is not a string"},
		{"{\"image\": \"é\", \"runArgs\": \"-v\"}", `:1:27: runArgs: "-v" is not an array of strings`},
		{`{"image": "x", "runArgs": [1]}`, `runArgs[0]: 1 is not a string`},
		{`{"image": "x", "remoteEnv": {"A": []}}`, `remoteEnv.A: an array is not a string`},
		{`{"image": "x", "containerEnv": {"A.B": null}}`, `containerEnv."A.B": null is not a string`},
		{`{"image": "x", "postCreateCommand": 1}`, `postCreateCommand: 1 is not a command`},
		{`{"image": "x", "postCreateCommand": ["a", 1]}`, `postCreateCommand[1]: 1 is not a string`},
		{`{"image": "x", "postCreateCommand": {"a": {}}}`, `postCreateCommand.a: an object is neither a string nor an array of strings`},
		{`{"image": "x", "waitFor": "lunch"}`, `waitFor: must be one of initializeCommand, onCreateCommand, updateContentCommand, postCreateCommand, postStartCommand, postAttachCommand, not "lunch"`},
		{`{"image": "x", "mounts": ["type=bind,source=/a"]}`, `mounts[0]: a mount needs a target`},
		{`{"image": "x", "mounts": [{"type": "bind"}]}`, `mounts[0]: a mount needs a target`},
		{`{"image": "x", "mounts": [1]}`, `mounts[0]: 1 is not a mount`},
		{`{"image": "x", "appPort": {}}`, `appPort: an object is neither a port nor a string`},
		{`{"image": "x", "features": {"a": 1}}`, `features.a: must be a version, true, false or an object of options, not 1`},
		{`{"image": "x", "hostRequirements": {"memory": "8 gigs"}}`, `hostRequirements.memory: "8 gigs" is not a size`},
		{`{"image": "x", "hostRequirements": {"memory": "9223372036854775807tb"}}`, `is too large a size`},
		{`{"image": "x", "hostRequirements": {"cpus": 1.5}}`, `hostRequirements.cpus: 1.5 is not a number of CPUs`},
		{`{"image": "x", "hostRequirements": {"gpu": "yes"}}`, `hostRequirements.gpu: must be true, false, "optional" or an object, not "yes"`},
		{`{"image": "x", "portsAttributes": {"3000": "web"}}`, `portsAttributes.3000: "web" is not an object`},
		{`{"image": "x", "settings": []}`, `settings: an array is not an object`},
		{`{}`, `:1:1: nothing to make a container from`},
		{`{"build": {"context": "."}}`, `nothing to make a container from`},
		{`{"build": "."}`, `build: "." is not an object`},
		{`{"dockerComposeFile": "c.yml"}`, `no service`},
		{`{"dockerComposeFile": 1, "service": "a"}`, `dockerComposeFile: 1 is neither a string nor an array of strings`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			p := write(t, tc.text)
			_, err := Read(p)
			var e *Error
			assert.Assert(t, errors.As(err, &e), "%v", err)
			assert.Assert(t, strings.HasPrefix(err.Error(), p.Path), "%v", err)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

func TestReadRefusesWhatWouldBreakTheParser(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		strings.Repeat("[", 50_000):                      "more than 10000 objects and arrays",
		`{"image":"` + strings.Repeat("x", 1<<20) + `"}`: "more than 1048576 bytes",
	} {
		_, err := Read(write(t, text))
		assert.ErrorContains(t, err, want)
	}
	_, err := Read(Place{Path: filepath.Join(t.TempDir(), "devcontainer.json")})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Read(Place{Path: t.TempDir()})
	assert.ErrorContains(t, err, "no regular file")
}

func TestReadTellsTheKind(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		`{"image":"x","dockerFile":"D","dockerComposeFile":"c","service":"s"}`:              KindDockerfile,
		`{"image":"x","build":{"dockerfile":"D"}}`:                                          KindDockerfile,
		`{"image":"x","build":{"context":"."},"dockerComposeFile":"c.yml","service":"app"}`: KindImage,
		`{"dockerComposeFile":[],"service":"app"}`:                                          KindCompose,
	} {
		assert.Equal(t, config(t, text).Kind, want, text)
	}
}

func TestReadFindsTheDockerfileAndItsContext(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		`{"build":{"dockerfile":"Dockerfile"}}`:                                {"Dockerfile", "."},
		`{"build":{"dockerfile":"docker/Dockerfile"}}`:                         {"docker/Dockerfile", "docker"},
		`{"build":{"dockerfile":"../Dockerfile","context":".."}}`:              {"../Dockerfile", ".."},
		`{"dockerFile":"D","context":"..","build":{"context":"not this one"}}`: {"D", ".."},
	} {
		c := config(t, text)
		dir := filepath.Dir(c.Path)
		assert.Equal(t, c.DockerfilePath(), filepath.Join(dir, want[0]), text)
		assert.Equal(t, c.BuildContext(), filepath.Join(dir, want[1]), text)
	}
}

func TestReadDecodesAllForms(t *testing.T) {
	t.Parallel()
	c := config(t, `{"build": {"dockerfile": "D", "cacheFrom": "a", "args": {"N": 1, "B": true}, "target": "t", "options": ["--x"]},
		"appPort": [3000, "8080:80"], "runArgs": ["--rm"],
		"forwardPorts": [1, "2", "localhost:3", "db:4", 5.0],
		"mounts": ["source=a,dst=/b,ro,consistency=cached", {"type": "bind", "source": "/c", "target": "/d"}, "\"source=a,b\",target=/e", "type=volume,src=vscode,destination=/f,external=true", "target=/g,readonly=false"],
		"features": {"b": "1", "a": {}, "c": true}, "overrideFeatureInstallOrder": ["a"],
		"secrets": {"K": {"description": "d", "documentationUrl": "u"}},
		"postCreateCommand": {"z": "x", "a": ["y"], "e": ""}, "postStartCommand": ["a"], "postAttachCommand": "", "onCreateCommand": "s",
		"hostRequirements": {"cpus": 2, "memory": "8gb", "storage": "1024", "gpu": {"cores": 1, "memory": "1kb"}}}`)
	assert.DeepEqual(t, c.Build, &Build{Dockerfile: "D", CacheFrom: []string{"a"}, Args: map[string]string{"N": "1", "B": "true"}, Target: "t", Options: []string{"--x"}})
	assert.DeepEqual(t, c.AppPort, []string{"127.0.0.1:3000:3000", "8080:80"})
	assert.DeepEqual(t, fmt.Sprint(c.ForwardPorts), "[1 2 3 db:4 5]")
	assert.DeepEqual(t, c.Mounts, []Mount{
		{Type: "volume", Source: "a", Target: "/b", ReadOnly: true, Options: []string{"consistency=cached"}},
		{Type: "bind", Source: "/c", Target: "/d"},
		{Type: "volume", Source: "a,b", Target: "/e"},
		{Type: "volume", Source: "vscode", Target: "/f", External: true},
		{Type: "volume", Target: "/g"},
	})
	assert.DeepEqual(t, c.Features, []FeatureRef{{"b", json.RawMessage(`"1"`)}, {"a", json.RawMessage(`{}`)}, {"c", json.RawMessage(`true`)}})
	assert.DeepEqual(t, c.Secrets, map[string]Secret{"K": {"d", "u"}})
	assert.DeepEqual(t, c.PostCreateCommand, &Command{Parallel: []NamedCommand{{"z", Command{Shell: "x"}}, {"a", Command{Exec: []string{"y"}}}, {"e", Command{}}}})
	assert.DeepEqual(t, c.PostStartCommand, &Command{Exec: []string{"a"}})
	assert.Assert(t, c.PostAttachCommand == nil)
	assert.DeepEqual(t, c.OnCreateCommand, &Command{Shell: "s"})
	r := c.HostRequirements
	assert.Equal(t, fmt.Sprint(r.CPUs, r.Memory, r.Storage, r.GPU.Cores, r.GPU.Memory, r.GPU.Optional), "2 8589934592 1024 1 1024 false")
}

func FuzzRead(f *testing.F) {
	for _, seed := range corpus(f) {
		data, err := os.ReadFile(filepath.Join(seed, ".devcontainer", "devcontainer.json"))
		assert.NilError(f, err)
		f.Add(string(data))
	}
	f.Add(`{"image":"x","forwardPorts":["db:1"],"mounts":["a=b",{}],"hostRequirements":{"gpu":{}}} //`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := jsonc.Parse("f", []byte(text))
		if err != nil {
			if json.Valid([]byte(text)) && utf8.ValidString(text) {
				t.Fatalf("JSON is not taken: %v", err)
			}
			return
		}
		c, err := fromDocument(Place{Path: "/w/.devcontainer.json", Workspace: "/w"}, n)
		standard := n.JSON()
		if !json.Valid(standard) {
			t.Fatalf("not JSON: %s", standard)
		}
		again, parseErr := jsonc.Parse("f", standard)
		if parseErr != nil || string(again.JSON()) != string(standard) {
			t.Fatalf("not the same when read again: %s: %v", standard, parseErr)
		}
		if err != nil {
			return
		}
		if _, err := ParseMetadata(Label([]Metadata{c.picked()})); err != nil {
			t.Fatal(err)
		}
		m := Merge([]Metadata{c.picked()}, nil, c)
		if _, err := json.Marshal(ReadConfiguration(c, c.ContainerFolder(""), m)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Substitute(Vars{LocalFolder: "/w", ContainerFolder: "/x", ID: "id"}); err != nil {
			var e *Error
			assert.Assert(t, errors.As(err, &e))
		}
	})
}

// corpus are the folders of the projects.
func corpus(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", "corpus", "*"))
	assert.NilError(t, err)
	assert.Assert(t, len(dirs) >= 20, "%d projects", len(dirs))
	return dirs
}
