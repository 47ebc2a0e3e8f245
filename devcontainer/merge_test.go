package devcontainer

import (
	"encoding/json"
	"testing"

	"gotest.tools/v3/assert"
)

// TestMergeFollowsTheTable has one case for each line of the specification's table. The first entries are those of the
// image, the one before the last is a feature's, the last is devcontainer.json's.
func TestMergeFollowsTheTable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		image   string
		feature string
		file    string // without image
		want    string // what is not as in an empty configuration
	}{
		{"nothing", `[]`, `{}`, `{}`, `{}`},
		{"any true", `[{"init":true,"privileged":false}]`, `{"privileged":true}`, `{"init":false}`, `{"init":true,"privileged":true}`},
		{"none true", `[{"init":false}]`, `{"id":"f"}`, `{"init":false}`, `{}`},
		{"unions", `[{"capAdd":["A","B"],"securityOpt":["x"]}]`, `{"capAdd":["B","C"]}`, `{"capAdd":["A","D"],"securityOpt":["x","y"]}`, `{"capAdd":["A","B","C","D"],"securityOpt":["x","y"]}`},
		{"entrypoints", `[{"entrypoint":"/i"},{"entrypoint":"/i2"}]`, `{"entrypoint":"/f"}`, `{"entrypoint":"/never"}`, `{"entrypoints":["/i","/i2","/f"]}`},
		{
			"hooks", `[{"onCreateCommand":"i","postStartCommand":""}]`, `{"onCreateCommand":["f"],"postAttachCommand":"f"}`, `{"onCreateCommand":{"a":"c"},"updateContentCommand":[],"postCreateCommand":"c"}`,
			`{"onCreateCommands":["i",["f"],{"a":"c"}],"updateContentCommands":[[]],"postCreateCommands":["c"],"postAttachCommands":["f"]}`,
		},
		{
			"mounts, last of a target", `[{"mounts":["source=a,target=/1","source=b,dst=/2"]}]`, `{"mounts":[{"type":"volume","source":"c","target":"/3"}]}`, `{"mounts":["source=d,destination=/1,readonly"]}`,
			`{"mounts":["source=b,dst=/2",{"type":"volume","source":"c","target":"/3"},"source=d,destination=/1,readonly"]}`,
		},
		{
			"last set", `[{"waitFor":"onCreateCommand","remoteUser":"i","containerUser":"i","userEnvProbe":"none","shutdownAction":"none"}]`, `{}`, `{"remoteUser":"c","waitFor":"postCreateCommand"}`,
			`{"waitFor":"postCreateCommand","remoteUser":"c","containerUser":"i","userEnvProbe":"none","shutdownAction":"none"}`,
		},
		{"last set, false too", `[{"overrideCommand":true,"updateRemoteUserUID":true}]`, `{}`, `{"overrideCommand":false,"updateRemoteUserUID":false}`, `{"overrideCommand":false,"updateRemoteUserUID":false}`},
		{"last of each variable", `[{"remoteEnv":{"A":"i","B":"i"},"containerEnv":{"A":"i"}}]`, `{}`, `{"remoteEnv":{"A":null,"C":"c"},"containerEnv":{"B":"c"}}`, `{"remoteEnv":{"A":null,"B":"i","C":"c"},"containerEnv":{"A":"i","B":"c"}}`},
		{
			"last of each port", `[{"portsAttributes":{"1":{"label":"i","protocol":"https"},"2":{"x":1}},"otherPortsAttributes":{"label":"i"}}]`, `{}`, `{"portsAttributes":{"1":{"label":"c"}},"otherPortsAttributes":{"protocol":"http"}}`,
			`{"portsAttributes":{"1":{"label":"c"},"2":{"x":1}},"otherPortsAttributes":{"protocol":"http"}}`,
		},
		{"ports, once each", `[{"forwardPorts":[3000,"db:5432"]}]`, `{}`, `{"forwardPorts":["localhost:3000",4000,"db:5432",4000]}`, `{"forwardPorts":[3000,"db:5432",4000]}`},
		{"customizations", `[{"customizations":{"vscode":{"a":1},"x":1}}]`, `{"customizations":{"vscode":{"b":2}}}`, `{"customizations":{"vscode":{"c":3}}}`, `{"customizations":{"vscode":[{"a":1},{"b":2},{"c":3}],"x":[1]}}`},
		{"requirements", `[{"hostRequirements":{"cpus":8,"memory":"1gb","gpu":"optional"}}]`, `{}`, `{"hostRequirements":{"cpus":2,"memory":"2gb","gpu":true}}`, `{"hostRequirements":{"cpus":8,"memory":"2147483648","gpu":true}}`},
		{"other keys", `[{"name":"never"}]`, `{}`, `{"runArgs":["--rm"],"unheardOf":1,"hostRequirements":{"cpus":0},"mounts":[]}`, `{"runArgs":["--rm"],"unheardOf":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			image, err := ParseMetadata(tc.image)
			assert.NilError(t, err)
			features, err := ParseMetadata(tc.feature)
			assert.NilError(t, err)
			doc := map[string]json.RawMessage{"image": json.RawMessage(`"x"`)}
			assert.NilError(t, json.Unmarshal([]byte(tc.file), &doc))
			text, err := json.Marshal(doc)
			assert.NilError(t, err)
			data, err := json.Marshal(Merge(image, features, config(t, string(text))))
			assert.NilError(t, err)

			want := map[string]any{
				"init": false, "privileged": false, "onCreateCommands": []any{}, "updateContentCommands": []any{},
				"postCreateCommands": []any{}, "postStartCommands": []any{}, "postAttachCommands": []any{},
				"remoteEnv": map[string]any{}, "containerEnv": map[string]any{}, "portsAttributes": map[string]any{}, "image": "x",
			}
			for k, v := range decoded(t, tc.want) {
				want[k] = v
			}
			got := decoded(t, string(data))
			delete(got, "configFilePath")
			assert.DeepEqual(t, got, want)
		})
	}
}

func TestMergeTellsWhoseAHookIs(t *testing.T) {
	t.Parallel()
	image, err := ParseMetadata(`[{"onCreateCommand":"i"},{"id":"ghcr.io/x/f:1","onCreateCommand":"f"}]`)
	assert.NilError(t, err)
	m := Merge(image, []Metadata{{ID: "./g", OnCreateCommand: &Command{Shell: "g"}}}, config(t, `{"image":"x","onCreateCommand":"c"}`))
	assert.DeepEqual(t, m.OnCreateCommands, []Origin{
		{"image", Command{Shell: "i"}},
		{"ghcr.io/x/f:1", Command{Shell: "f"}},
		{"./g", Command{Shell: "g"}},
		{"devcontainer.json", Command{Shell: "c"}},
	})
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	assert.NilError(t, json.Unmarshal([]byte(text), &out))
	return out
}
