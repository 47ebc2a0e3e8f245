package plan

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// What confinement mounts is not what the files ask for.
func TestAccessDoesNotChangeWithConfinement(t *testing.T) {
	t.Parallel()
	own := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r", Target: "/src"}
	added := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r/conf", Target: "/src/conf"}
	p := &types.Project{Services: types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own, added}}, EgressService: {}}}
	edits := []overrides.Edit{overrides.ProtectMounts{Service: "web", Mounts: []types.ServiceVolumeConfig{added}, Added: []types.ServiceVolumeConfig{added}}}
	closed := types.NetworkConfig{Internal: true, DriverOpts: types.Options{"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}}
	p.Networks = types.Networks{"default": closed, EgressOuter: {}}
	edits = append(edits, overrides.Isolated{Network: "default", Is: closed})
	assert.DeepEqual(t, withoutGuards(p, edits).Networks, types.Networks{"default": {}})
	assert.DeepEqual(t, withoutGuards(p, edits).Services, types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own}}})
	assert.Equal(t, len(p.Services["web"].Volumes), 2)
}

// lines is the access of a loom of these files.
func lines(t *testing.T, id string, files map[string]string) []string {
	t.Helper()
	_, p := situation{id: id, files: files}.planned(t)
	return p.Access
}

//nolint:paralleltest // It sets a variable of the process.
func TestOnlyAVariableOfTheUsersOwnIsRecordedByName(t *testing.T) {
	t.Setenv("LOOM_TEST_SECRET", "hunter2hunter2")
	const compose = "services: {web: {image: x, annotations: {key: \"${LOOM_TEST_SECRET}\"}}}\n"
	reads := trust.ReadsVariable + "LOOM_TEST_SECRET"
	byName := "service web has the annotation key=${LOOM_TEST_SECRET}"
	byValue := "service web has the annotation key=hunter2hunter2"
	assert.DeepEqual(t, lines(t, "5", map[string]string{"compose.yaml": compose}), []string{byName, reads})
	for _, dotEnv := range []string{"LOOM_TEST_SECRET=x\n", "A=1\nexport LOOM_TEST_SECRET = x\n", "LOOM_TEST_SECRET: x"} {
		got := lines(t, "5", map[string]string{"compose.yaml": compose, ".env": dotEnv})
		assert.DeepEqual(t, got, []string{byValue, reads})
	}
	dev := `{"image": "x", "runArgs": ["--annotation", "a=${localEnv:LOOM_TEST_SECRET}"], "initializeCommand": "echo ${localEnv:LOOM_TEST_SECRET}",
		"mounts": ["type=bind,source=/srv/${localEnv:LOOM_TEST_SECRET},target=/x"]}`
	assert.DeepEqual(t, lines(t, "5", map[string]string{".devcontainer.json": dev}), []string{
		`devcontainer.json has runArgs: ["--annotation","a=${localEnv:LOOM_TEST_SECRET}"]`,
		`initializeCommand runs on this machine: "echo ${localEnv:LOOM_TEST_SECRET}"`,
		"service devcontainer has the annotation a=${LOOM_TEST_SECRET}",
		"service devcontainer writes to /srv/${LOOM_TEST_SECRET}", reads,
	})
}

// In main an image has the name that the files give it; other looms have names of their own.
func TestABuildOfMainTakesTheNameThatTheFilesGive(t *testing.T) {
	t.Parallel()
	files := map[string]string{"Dockerfile": "FROM x", "compose.yaml": "services: {db: {image: postgres, build: {context: ., tags: [redis]}}}\n"}
	assert.DeepEqual(t, lines(t, "main", files), []string{"service db is built as the image postgres", "service db is built as the image redis"})
	assert.DeepEqual(t, lines(t, "5", files), []string(nil))
	dev := map[string]string{"Dockerfile": "FROM x", ".devcontainer.json": `{"build": {"dockerfile": "Dockerfile"}, "remoteUser": "dev"}`}
	assert.DeepEqual(t, lines(t, "main", dev), []string(nil))
	assert.DeepEqual(t, lines(t, "5", dev), []string(nil))
}

// What the image of a dev container says is merged into its service.
func TestMetadataOfAnImageIsJudgedByWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Remote)
	dir := w.Path("shop")
	w.Write(`{"image": "x"}`, "shop", ".devcontainer.json")
	f := factsOf(w, dir, "5", Choices{})
	assert.DeepEqual(t, complete(w, f, Choices{}).Access, []string(nil))
	f.Dev.Base.Info = devcontainer.ImageInfo{ID: "1", Labels: map[string]string{devcontainer.LabelMetadata: `[{"privileged": true, "init": true},
		{"capAdd": ["SYS_PTRACE"], "securityOpt": ["seccomp=unconfined"], "mounts": [{"type": "bind", "source": "/a", "target": "/b"}, "type=bind,source=/c,target=/d,readonly"]}]`}}
	assert.DeepEqual(t, complete(w, f, Choices{}).Access, []string{
		"service devcontainer has the capability SYS_PTRACE", "service devcontainer has the security option seccomp=unconfined",
		"service devcontainer is privileged", "service devcontainer reads /c", "service devcontainer writes to /a",
	})
}

func TestNamesOfOurOwnAreReserved(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, Reserved, trust.Reserved{
		Sidecar: "loom-egress", Outer: "loom-egress-out", Sandbox: "loom-agent",
		Labels: []string{"ai.iloom.loom", "ai.iloom.repo", "ai.iloom.build"},
	})
}
