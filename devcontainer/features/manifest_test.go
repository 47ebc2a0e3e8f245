package features

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// What a feature says of containers becomes part of the dev container's service, which is judged; or it is used inside
// of the image's build; or it is only shown. A property that is in no list changes nothing.
func TestAFeatureAddsOnlyWhatIsJudged(t *testing.T) {
	t.Parallel()
	inService := map[string]string{
		"onCreateCommand": `"a"`, "updateContentCommand": `"b"`, "postCreateCommand": `"c"`, "postStartCommand": `"d"`,
		"postAttachCommand": `"e"`, "init": `true`, "privileged": `true`, "capAdd": `["SYS_PTRACE"]`,
		"securityOpt": `["seccomp=unconfined"]`, "entrypoint": `"/x.sh"`, "customizations": `{"vscode":{}}`,
		"mounts": `[{"type":"bind","source":"/a","target":"/b"}]`,
	}
	// The properties of schemas/devContainerFeature.schema.json of the repository devcontainers/spec, at commit
	// 15f30fd007af77a9615c6e5e6a765c682a425b88, and those that it lacks.
	inBuild := map[string]string{
		"containerEnv": `{"A":"1"}`, "options": `{"version":{"type":"string","default":"1"}}`, "installsAfter": `["b"]`,
		"legacyIds": `["c"]`, "version": `"1"`, "dependsOn": `{"d":{}}`,
	}
	shown := map[string]string{
		"name": `"x"`, "description": `"x"`, "documentationURL": `"x"`, "licenseURL": `"x"`, "deprecated": `true`,
		"keywords": `["x"]`,
	}
	// Those of a devcontainer.json are not a feature's.
	unknown := map[string]string{
		"invented": `{"a":1}`, "runArgs": `["--privileged"]`, "initializeCommand": `"touch x"`, "workspaceMount": `"x"`,
		"remoteUser": `"root"`, "containerUser": `"root"`, "remoteEnv": `{"A":"b"}`, "hostRequirements": `{"gpu":true}`,
		"appPort": `[80]`, "forwardPorts": `[80]`, "portsAttributes": `{}`, "updateRemoteUserUID": `false`,
	}
	document := map[string]json.RawMessage{"id": json.RawMessage(`"a"`)}
	for _, part := range []map[string]string{inService, inBuild, shown, unknown} {
		for name, value := range part {
			document[name] = json.RawMessage(value)
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	f := Feature{Manifest: m}
	var entries []map[string]json.RawMessage
	label := devcontainer.Label([]devcontainer.Metadata{f.Metadata()})
	if err := json.Unmarshal([]byte(label), &entries); err != nil || len(entries) != 1 {
		t.Fatal(label, err)
	}
	delete(entries[0], "id")
	for name, value := range entries[0] {
		if string(value) != inService[name] {
			t.Errorf("%s: %s", name, value)
		}
	}
	if len(entries[0]) != len(inService) {
		t.Errorf("not all is taken over: %s", label)
	}
}

// The fixtures of features older than customizations have extensions and settings of VS Code at their top.
func TestOldKeysOfVSCodeBecomeItsCustomizations(t *testing.T) {
	t.Parallel()
	m, err := parseManifest([]byte(`{"id": "old", "extensions": ["a.b"], "settings": {"x": 1, "y": 2},
		"customizations": {"vscode": {"extensions": ["c.d"], "settings": {"y": 3}}, "jetbrains": {}}}`))
	if err != nil {
		t.Fatal(err)
	}
	f := Feature{Manifest: m}
	const want = `[{"customizations":{"jetbrains":{},"vscode":{"extensions":["c.d","a.b"],"settings":{"x":1,"y":3}}}}]`
	if got := devcontainer.Label([]devcontainer.Metadata{f.Metadata()}); got != want {
		t.Errorf("%s\nnot %s", got, want)
	}
}

func TestContainerEnvKeepsTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	m, err := parseManifest([]byte(`{"id": "f", "containerEnv": {"Z": "1", "A": "${Z}/2", "M": "${A}/3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []EnvVariable{{"Z", "1"}, {"A", "${Z}/2"}, {"M", "${A}/3"}}
	if !slices.Equal(m.ContainerEnv, want) {
		t.Errorf("%v", m.ContainerEnv)
	}
}
