package devcontainer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

// vars have a value for everything; EVIL and TRAP have variables in theirs.
func vars() Vars {
	return Vars{
		Env: env(map[string]string{
			"HOME": "/home/me", "EMPTY": "", "EVIL": "${localEnv:HOME} ${devcontainerId}", "A:B": "never",
		}),
		LocalFolder: "/src/app", ContainerFolder: "/workspaces/${localWorkspaceFolderBasename}", ID: "the-id",
	}
}

func TestSubstituteFollowsTheReference(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"${localEnv:HOME} ${env:HOME}", "/home/me /home/me"},
		{"${localEnv:NOPE}|", "|"},
		{"${localEnv:NOPE:}|", "|"},
		{"${localEnv:NOPE:default}", "default"},
		{"${localEnv:NOPE:up to:the next colon}", "up to"},
		{"${localEnv:NOPE:a}b}", "ab}"},
		{"${localEnv:EMPTY:default}|", "|"},
		{"${localEnv:HOME:default}", "/home/me"},
		{"${localEnv:A:B}", "B"},
		{"${localEnv:}|", "|"},
		{"${localEnv: HOME}|", "|"},
		{"${localWorkspaceFolder} ${localWorkspaceFolderBasename}", "/src/app app"},
		{"${localWorkspaceFolder:ignored}", "/src/app"},
		{"${containerWorkspaceFolder} ${containerWorkspaceFolderBasename}", "/workspaces/app app"},
		{"${devcontainerId}", "the-id"},
		{"${containerEnv:PATH}:/x", "${containerEnv:PATH}:/x"},
		{"${unknown} ${unknown:a} ${} ${", "${unknown} ${unknown:a} ${} ${"},
		{"$${localEnv:HOME} \\${localEnv:HOME} $HOME", "$/home/me \\/home/me $HOME"},
		{"${ ${localEnv:HOME}}", "${ ${localEnv:HOME}}"},
		{"${local\nEnv:HOME}", "${local\nEnv:HOME}"},
		{"${LocalEnv:HOME}", "${LocalEnv:HOME}"},
		{"${localEnv:EVIL}", "${localEnv:HOME} the-id"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			t.Parallel()
			c, err := config(t, `{"image":"x","name":`+jsonc.Quote(tc.in)+`}`).Substitute(vars())
			assert.NilError(t, err)
			assert.Equal(t, c.Name, tc.want)
		})
	}
}

func TestSubstituteReachesAllValuesAndNoKeys(t *testing.T) {
	t.Parallel()
	c := config(t, `{"image":"x","${localEnv:HOME}":[{"${localEnv:HOME}":["${localEnv:HOME}",1,true,null]}],
		"customizations":{"a":{"b":"${localEnv:HOME}"}},"features":{"./${devcontainerId}":{"o":"${devcontainerId}"}},
		"postCreateCommand":{"${devcontainerId}":["${devcontainerId}"]},"remoteEnv":{"A":null,"B":"${localEnv:HOME}"}}`)
	s, err := c.Substitute(vars())
	assert.NilError(t, err)
	assert.Equal(t, string(s.Raw), `{"image":"x","${localEnv:HOME}":[{"${localEnv:HOME}":["/home/me",1,true,null]}],`+
		`"customizations":{"a":{"b":"/home/me"}},"features":{"./${devcontainerId}":{"o":"the-id"}},`+
		`"postCreateCommand":{"${devcontainerId}":["the-id"]},"remoteEnv":{"A":null,"B":"/home/me"}}`)
	assert.Equal(t, s.PostCreateCommand.Parallel[0].Exec[0], "the-id")
	assert.Equal(t, *s.RemoteEnv["B"], "/home/me")
	assert.Assert(t, strings.Contains(string(c.Raw), `"B":"${localEnv:HOME}"`), "the original is as it was")
}

func TestSubstituteLeavesWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	in := "${localWorkspaceFolder} ${containerWorkspaceFolderBasename} ${devcontainerId}"
	c, err := config(t, `{"image":"x","name":`+jsonc.Quote(in)+`}`).Substitute(Vars{})
	assert.NilError(t, err)
	assert.Equal(t, c.Name, in)

	c, err = c.Substitute(vars())
	assert.NilError(t, err)
	assert.Equal(t, c.Name, "/src/app app the-id")
}

func TestSubstituteChecksWhatReadCouldNot(t *testing.T) {
	t.Parallel()
	c := config(t, `{"image":"x","forwardPorts":["${localEnv:PORT:3000}","${localEnv:HOST:db}:5432"],"mounts":["${localEnv:MOUNT:target=/x}"],"hostRequirements":{"memory":"${localEnv:MEM:1kb}"}}`)
	label := Label([]Metadata{c.picked()})
	s, err := c.Substitute(vars())
	assert.NilError(t, err)
	assert.DeepEqual(t, s.ForwardPorts[0].String()+" "+s.ForwardPorts[1].String(), "3000 db:5432")
	assert.Equal(t, s.Mounts[0].Target, "/x")
	assert.Equal(t, s.HostRequirements.Memory, int64(1024))
	assert.Equal(t, Label([]Metadata{s.picked()}), label, "the label has what the file says")

	for text, want := range map[string]string{
		`{"image":"x","forwardPorts":[1,"${localEnv:HOME}"]}`:             `.devcontainer.json:1:32: forwardPorts[1]: "/home/me" is neither a port nor a host:port`,
		`{"image":"x","mounts":["${localEnv:NOPE:x}"]}`:                   `mounts[0]: a mount needs a target`,
		`{"image":"x","hostRequirements":{"storage":"${localEnv:HOME}"}}`: `hostRequirements.storage: "/home/me" is not a size`,
		`{"image":"x","waitFor":"${localEnv:HOME}"}`:                      `waitFor: must be one of initializeCommand, onCreateCommand, updateContentCommand, postCreateCommand, postStartCommand, postAttachCommand, not "/home/me"`,
		`{"image":"x","remoteEnv":{"A":"${localEnv}"}}`:                   `.devcontainer.json:1:31: remoteEnv.A: ${localEnv} names no variable`,
		`{"image":"x","name":"${env}"}`:                                   `name: ${env} names no variable`,
	} {
		_, err := config(t, text).Substitute(vars())
		var e *Error
		assert.Assert(t, errors.As(err, &e), text)
		assert.ErrorContains(t, err, want)
	}
}

func TestSubstituteContainerEnv(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"PATH": "/bin", "EMPTY": ""}
	for in, want := range map[string]string{
		"${containerEnv:PATH}:/x":        "/bin:/x",
		"${containerEnv:NOPE}|":          "|",
		"${containerEnv:NOPE:d:x}":       "d",
		"${containerEnv:EMPTY:d}|":       "|",
		"${containerEnv}":                "${containerEnv}",
		"${localEnv:PATH} ${unknown}":    "${localEnv:PATH} ${unknown}",
		"${containerEnv:PATH:${a}} $PWD": "/bin} $PWD",
	} {
		assert.Equal(t, SubstituteContainerEnv(in, vars), want)
	}

	c := config(t, `{"image":"x","remoteEnv":{"P":"${containerEnv:PATH}:x","N":null},"postCreateCommand":["${containerEnv:PATH}"],"name":"${containerEnv:PATH}","customizations":{"k":{"v":"${containerEnv:PATH}"}}}`)
	image, err := ParseMetadata(`{"remoteUser":"${containerEnv:USER:vscode}"}`)
	assert.NilError(t, err)
	m, err := Merge(image, nil, c).SubstituteContainerEnv(vars)
	assert.NilError(t, err)
	assert.Equal(t, *m.RemoteEnv["P"], "/bin:x")
	assert.Assert(t, m.RemoteEnv["N"] == nil)
	assert.Equal(t, m.RemoteUser, "vscode")
	assert.DeepEqual(t, m.PostCreateCommands, []Origin{{"devcontainer.json", Command{Exec: []string{"/bin"}}}})
	data, err := json.Marshal(m)
	assert.NilError(t, err)
	assert.Assert(t, strings.Contains(string(data), `"name":"/bin"`) && strings.Contains(string(data), `"k":[{"v":"/bin"}]`), "%s", data)
}

func FuzzSubstitute(f *testing.F) {
	f.Add("${localEnv:HOME:x} ${localWorkspaceFolder}${devcontainerId}", "/src", "/w/${containerWorkspaceFolder}", "id")
	f.Add("${ ${env}}", "", "", "")
	f.Add("${localWorkspaceFolderBasename}", "/", "//", "${devcontainerId}")
	f.Fuzz(func(t *testing.T, text, local, container, id string) {
		top := jsonc.NewObject("f")
		c := &Config{document: top.With("image", top.String("x")).With("name", top.String(text))}
		c.read = c.document
		s, err := c.Substitute(Vars{Env: env(map[string]string{"HOME": "/h"}), LocalFolder: local, ContainerFolder: container, ID: id})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			return
		}
		if !strings.Contains(text, "${") && s.Name != text {
			t.Fatalf("%q became %q", text, s.Name)
		}
		SubstituteContainerEnv(text, map[string]string{"HOME": "/h"})
	})
}
