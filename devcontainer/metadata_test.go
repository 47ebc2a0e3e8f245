package devcontainer

import (
	"encoding/json"
	"errors"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

func TestLabelHasTheReferencesOrderAndTheRawValues(t *testing.T) {
	t.Parallel()
	c := config(t, `{
		"hostRequirements": {"memory": "8gb"}, "updateRemoteUserUID": false, "shutdownAction": "none",
		"forwardPorts": [3000, "localhost:1", "db:2"], "otherPortsAttributes": {"label": "o"},
		"portsAttributes": {"9": {"label": "b", "unheardOf": 1}, "1": {}}, "overrideCommand": true,
		"remoteEnv": {"Z": "${containerEnv:PATH}", "A": null}, "userEnvProbe": "none", "remoteUser": "${localEnv:USER}",
		"securityOpt": ["b"], "capAdd": [], "privileged": false, "init": true, "containerUser": "u",
		"containerEnv": {"Z": "${devcontainerId}", "A": "<&>", "N": 1},
		"mounts": ["src=v-${devcontainerId},dst=/v", {"target": "/x", "type": "volume"}],
		"customizations": {"z": 1, "a": {"c": 1, "b": 2}}, "waitFor": "onCreateCommand",
		"postAttachCommand": "", "postStartCommand": [], "postCreateCommand": {"z": "s", "a": ["x"]},
		"updateContentCommand": ["a", "b"], "onCreateCommand": "s",
		"image": "x", "name": "not recorded", "id": "not recorded", "entrypoint": "not recorded", "appPort": 1, "features": {}
	}`)
	want := `[{"onCreateCommand":"s","updateContentCommand":["a","b"],"postCreateCommand":{"z":"s","a":["x"]},"postStartCommand":[],"postAttachCommand":"","waitFor":"onCreateCommand",` +
		`"customizations":{"z":1,"a":{"c":1,"b":2}},"mounts":["src=v-${devcontainerId},dst=/v",{"target":"/x","type":"volume"}],` +
		`"containerEnv":{"Z":"${devcontainerId}","A":"<&>","N":1},"containerUser":"u","init":true,"privileged":false,"capAdd":[],"securityOpt":["b"],` +
		`"remoteUser":"${localEnv:USER}","userEnvProbe":"none","remoteEnv":{"Z":"${containerEnv:PATH}","A":null},"overrideCommand":true,` +
		`"portsAttributes":{"9":{"label":"b","unheardOf":1},"1":{}},"otherPortsAttributes":{"label":"o"},"forwardPorts":[3000,"localhost:1","db:2"],` +
		`"shutdownAction":"none","updateRemoteUserUID":false,"hostRequirements":{"memory":"8gb"}}]`
	assert.Equal(t, Label([]Metadata{c.picked()}), want)

	s, err := c.Substitute(Vars{ID: "id", Env: env(map[string]string{"USER": "me"})})
	assert.NilError(t, err)
	assert.Equal(t, Label([]Metadata{s.picked()}), want, "also where variables are replaced")
	assert.Equal(t, s.RemoteUser, "me")
}

func TestLabelLeavesOutWhatSaysNothing(t *testing.T) {
	t.Parallel()
	c := config(t, `{"image":"x"}`)
	assert.Equal(t, Label(nil), "[]")
	assert.Equal(t, Label([]Metadata{c.picked(), {}}), "[]")
	assert.Equal(t, Label([]Metadata{{}, {RemoteUser: "me"}, c.picked()}), `[{"remoteUser":"me"}]`)
}

func TestMetadataIsKeptAsItWasWritten(t *testing.T) {
	t.Parallel()
	label := `[{"unheardOf":[1.0],"remoteUser":"a","id":"./f","onCreateCommand":null},{"init":false}]`
	entries, err := ParseMetadata(label)
	assert.NilError(t, err)
	assert.Equal(t, Label(entries), `[{"id":"./f","unheardOf":[1.0],"remoteUser":"a","onCreateCommand":null},{"init":false}]`)

	yes := true
	entries[0].ID, entries[0].RemoteUser, entries[1].Init = "f2", "", &yes
	entries[1].Mounts = []Mount{{Type: "bind", Source: "/a,b", Target: "/c", ReadOnly: true, Options: []string{"consistency=cached"}}}
	assert.Equal(t, Label(entries), `[{"id":"f2","unheardOf":[1.0],"onCreateCommand":null},{"init":true,"mounts":["type=bind,\"source=/a,b\",target=/c,readonly,consistency=cached"]}]`)
}

func TestParseMetadataTakesBothForms(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]int{"": 0, " ": 0, "[]": 0, "{}": 1, `[{},{"a":1}]`: 2, `[{"waitFor":"of another time"}]`: 1} {
		entries, err := ParseMetadata(label)
		assert.NilError(t, err)
		assert.Equal(t, len(entries), want, label)
	}
	for label, want := range map[string]string{
		`"x"`:            `devcontainer.metadata:1:1: "x" is not an object`,
		`[{},1]`:         `devcontainer.metadata:1:5: [1]: 1 is not an object`,
		`[{"init":"a"}]`: `devcontainer.metadata:1:10: [0].init: "a" is neither true nor false`,
		`[{`:             `devcontainer.metadata:1:3:`,
	} {
		_, err := ParseMetadata(label)
		var e *Error
		assert.Assert(t, errors.As(err, &e), label)
		assert.ErrorContains(t, err, want)
	}
}

func TestJSONFormsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"s"`, `["a","b<"]`, `[]`, `{"z":"s","a":["x"],"e":""}`, `{}`} {
		var c Command
		assert.NilError(t, json.Unmarshal([]byte(text), &c))
		data, err := c.MarshalJSON()
		assert.NilError(t, err)
		assert.Equal(t, string(data), text)
	}
	for _, text := range []string{`"source=a,dst=/b,ro"`, `{"target":"/b","type":"volume"}`, `"type=tmpfs,destination=/t,tmpfs-size=1"`} {
		var m Mount
		assert.NilError(t, json.Unmarshal([]byte(text), &m))
		data, err := m.MarshalJSON()
		assert.NilError(t, err)
		assert.Equal(t, string(data), text)

		again, err := ParseMount(m.String())
		assert.NilError(t, err)
		assert.DeepEqual(t, again, m)

		m.Source = "changed"
		data, err = m.MarshalJSON()
		assert.NilError(t, err)
		assert.Equal(t, string(data), jsonc.Quote(m.String()))
	}
	var m Metadata
	assert.NilError(t, json.Unmarshal([]byte(`{"id":"f","postCreateCommand":["a"]}`), &m))
	assert.Equal(t, m.ID, "f")
	for _, bad := range []any{&Command{}, &Mount{}, &Metadata{}} {
		assert.Assert(t, json.Unmarshal([]byte(`1`), bad) != nil, "%T", bad)
	}
}
