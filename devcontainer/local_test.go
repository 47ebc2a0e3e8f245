package devcontainer

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestAUsersOwnFileIsMergedLast(t *testing.T) {
	t.Parallel()
	place := Place{Path: "/w/.devcontainer/devcontainer.json", Workspace: "/w"}
	c, err := ReadText(place, []byte(`{
		"image": "a", "name": "team", "forwardPorts": [3000], "mounts": ["source=x,target=/x,type=volume"],
		"containerEnv": {"A": "1", "B": "2"}, "runArgs": ["--init"], "initializeCommand": ["touch", "a"],
		"features": {"./f": {"version": "1", "x": "y"}}, "remoteUser": "dev",
		"postCreateCommand": "team", "customizations": {"vscode": {"extensions": ["a.b"]}}
	}`))
	assert.NilError(t, err)
	local := LocalPath(place.Path)
	assert.Equal(t, local, "/w/.devcontainer/devcontainer.local.json")
	assert.Equal(t, LocalPath("/w/.devcontainer.json"), "/w/.devcontainer.local.json")
	c, err = c.With(local, []byte(`{
		// mine
		"forwardPorts": [3000, 4000], "mounts": ["source=${localEnv:HOME}/.ssh,target=/ssh,type=bind"],
		"containerEnv": {"B": "3", "C": "${localEnv:C}"}, "initializeCommand": ["touch", "b"], "remoteUser": null,
		"features": {"./f": {"version": "2"}, "./g": {}}, "postCreateCommand": "mine ${localEnv:C}",
		"postStartCommand": ["also", "mine"], "extensions": ["c.d"],
	}`))
	assert.NilError(t, err)
	env := func(name string) (string, bool) { return map[string]string{"HOME": "/home/me", "C": "c"}[name], true }
	replaced, err := c.Substitute(Vars{Env: env, LocalFolder: "/w"})
	assert.NilError(t, err)
	assert.Equal(t, Label(c.Entries()), Label(replaced.Entries()), "the label has what the files say")
	assert.Equal(t, Label(c.Entries()), `[{"postCreateCommand":"team","customizations":{"vscode":{"extensions":["a.b","c.d"]}},`+
		`"mounts":["source=x,target=/x,type=volume","source=${localEnv:HOME}/.ssh,target=/ssh,type=bind"],`+
		`"containerEnv":{"A":"1","B":"3","C":"${localEnv:C}"},"remoteUser":null,"forwardPorts":[3000,4000]},`+
		`{"id":"devcontainer.local.json","postCreateCommand":"mine ${localEnv:C}","postStartCommand":["also","mine"]}]`)
	assert.Equal(t, len(replaced.Features), 2)
	assert.Equal(t, string(replaced.Features[0].Options), `{"version":"2","x":"y"}`)
	assert.DeepEqual(t, replaced.InitializeCommand.Exec, []string{"touch", "b"})
	assert.Equal(t, replaced.RemoteUser, "")
	for _, m := range []*Merged{Merge(nil, nil, replaced), MergeLabel(append(replaced.Entries()[:1:1], replaced.later...))} {
		assert.Equal(t, len(m.PostCreateCommands), 2)
		assert.Equal(t, m.PostCreateCommands[1].From+": "+m.PostCreateCommands[1].Shell, "devcontainer.local.json: mine c")
		assert.Equal(t, m.PostStartCommands[0].From, "devcontainer.local.json")
		assert.Equal(t, m.ContainerEnv["B"], "3")
	}
	_, err = c.With(local, []byte(`{"forwardPorts": {}}`))
	assert.ErrorContains(t, err, "devcontainer.local.json:1:")
}
