//go:build e2e

package devbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dockercontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// hooked is a container of debian with a user dev, and the Box to act on it.
type hooked struct {
	*testing.T
	*Box
	api *client.Client
	out bytes.Buffer
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	t.Parallel()
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		opts = append(opts, client.WithHost(host))
	}
	api, err := client.NewClientWithOpts(opts...)
	assert.NilError(t, err)
	h := &hooked{T: t, api: api, Box: &Box{Engine: engine.New(api, "default"), CacheDir: t.TempDir(), Teller: &tell.Writer{Out: io.Discard, Debug: t.Logf}, Process: host.Current()}}
	name := fmt.Sprintf("loom-hooks-%d-%d", os.Getpid(), time.Now().UnixNano())
	made, err := api.ContainerCreate(t.Context(), &dockercontainer.Config{
		Image: "debian:bookworm-slim", Cmd: []string{"sleep", "100000"}, StopSignal: "SIGKILL",
		Env: []string{"PATH=/opt/tool:/usr/local/bin:/usr/bin:/bin", "SAID=by the container"},
	}, nil, nil, nil, name)
	assert.NilError(t, err)
	h.ID = made.ID
	t.Cleanup(func() {
		assert.Check(t, api.ContainerRemove(context.Background(), h.ID, dockercontainer.RemoveOptions{Force: true, RemoveVolumes: true}))
	})
	assert.NilError(t, api.ContainerStart(t.Context(), h.ID, dockercontainer.StartOptions{}))
	h.in("root", "/usr/sbin/useradd -m -s /bin/bash -u 1500 dev; mkdir -p /work; chown dev /work; echo 'export PROFILE=yes' >>/home/dev/.profile")
	return h
}

// in runs a line in the container and returns what it wrote.
func (h *hooked) in(user, line string) string {
	h.Helper()
	out, errs, code, err := h.Engine.ExecOutput(h.Context(), h.ID, engine.Process{Cmd: []string{"sh", "-c", line}, User: user, Dir: "/"})
	assert.NilError(h, err)
	assert.Equal(h, code, 0, "%s: %s%s", line, out, errs)
	return strings.TrimSpace(string(out))
}

func (h *hooked) request(metadata string) HookRequest {
	h.Helper()
	var entries []devcontainer.Metadata
	assert.NilError(h, json.Unmarshal([]byte(metadata), &entries))
	// The last one is a file's, the others are an image's.
	last := len(entries) - 1
	text, err := json.Marshal(entries[last])
	assert.NilError(h, err)
	dir := h.TempDir()
	path := filepath.Join(dir, ".devcontainer.json")
	assert.NilError(h, os.WriteFile(path, []byte(`{"image": "x", `+strings.TrimPrefix(string(text), "{")), 0o600))
	c, err := devcontainer.Read(devcontainer.Place{Path: path, Workspace: dir})
	assert.NilError(h, err)
	m := devcontainer.Merge(entries[:last], nil, c)
	h.out.Reset()
	return HookRequest{Merged: m, RemoteUser: "dev", WorkspaceFolder: "/work", HookOptions: HookOptions{Output: &h.out}}
}

func (h *hooked) run(metadata string) {
	h.Helper()
	assert.NilError(h, h.RunHooks(h.Context(), h.request(metadata)), h.out.String())
}

const log = `>>/work/log`

func TestHooksRunOnceInOrderAsTheUserWithItsEnvironment(t *testing.T) {
	h := newHooked(t)
	metadata := `[
		{"id": "feature", "postCreateCommand": "echo feature $(id -un) $(pwd) ` + log + `"},
		{"onCreateCommand": ["sh", "-c", "echo on-create $PROFILE $FROM $SAID ` + log + `"],
		 "updateContentCommand": "echo update ` + log + `",
		 "postCreateCommand": "echo post-create ${PATH%%:*} ` + log + `",
		 "postStartCommand": "echo start ` + log + `",
		 "postAttachCommand": "echo attach ` + log + `",
		 "remoteEnv": {"FROM": "${containerEnv:SAID}!", "SAID": null}}]`
	h.run(metadata)
	once := "on-create yes by the container!\nupdate\nfeature dev /work\npost-create /opt/tool\n"
	assert.Equal(t, h.in("dev", "cat /work/log"), once+"start\nattach")
	h.run(metadata)
	assert.Equal(t, h.in("dev", "cat /work/log"), once+"start\nattach\nattach")

	// What other tools look at.
	c, err := h.api.ContainerInspect(t.Context(), h.ID)
	assert.NilError(t, err)
	assert.Equal(t, h.in("dev", "cat /home/dev/.devcontainer/.onCreateCommandMarker"), c.Created)
	assert.Equal(t, h.in("dev", "cat /home/dev/.devcontainer/.updateContentCommandMarker"), c.Created)
	assert.Equal(t, h.in("dev", "cat /home/dev/.devcontainer/.postCreateCommandMarker"), c.Created)
	assert.Equal(t, h.in("dev", "cat /home/dev/.devcontainer/.postStartCommandMarker"), c.State.StartedAt)
	assert.Equal(t, h.in("dev", "stat -c %U /home/dev/.devcontainer"), "dev")
	assert.Equal(t, h.in("root", "ls -A /var/devcontainer"), ".patchEtcEnvironmentMarker\n.patchEtcProfileMarker")
	assert.Equal(t, h.in("root", "grep -c 'SAID=\"by the container\"' /etc/environment"), "1")
	assert.Equal(t, h.in("root", "grep -c 'PATH=${PATH:-' /etc/profile"), "2")

	// A new start.
	zero := 0
	assert.NilError(t, h.api.ContainerRestart(t.Context(), h.ID, dockercontainer.StopOptions{Timeout: &zero}))
	h.run(metadata)
	assert.Equal(t, h.in("dev", "cat /work/log"), once+"start\nattach\nattach\nstart\nattach")
	assert.Equal(t, h.in("root", "grep -c 'SAID=' /etc/environment"), "1")
}

func TestHooksWithoutCommandsLeaveTheirMarkersToo(t *testing.T) {
	h := newHooked(t)
	h.run(`[{"remoteUser": "dev"}]`)
	assert.Equal(t, h.in("dev", "ls -A /home/dev/.devcontainer | wc -l"), "4")
	assert.Equal(t, h.out.String(), "")
}

func TestHookThatFailsIsToldAndRunsAgain(t *testing.T) {
	h := newHooked(t)
	metadata := `[{"onCreateCommand": "echo one ` + log + `", "postCreateCommand": "echo two ` + log + `; seq 20; echo broke >&2; test -e /work/mended || exit 9", "postStartCommand": "echo three ` + log + `"}]`
	err := h.RunHooks(t.Context(), h.request(metadata))
	var failed *HookError
	assert.Assert(t, errors.As(err, &failed), "%v", err)
	assert.Equal(t, failed.Hook, "postCreateCommand")
	assert.Equal(t, failed.From, "devcontainer.json")
	assert.Equal(t, failed.ExitCode, 9)
	assert.Equal(t, len(failed.Tail), tailLength)
	assert.Assert(t, slices.Contains(failed.Tail, "broke") && slices.Contains(failed.Tail, "20"), "%v", failed.Tail)
	assert.Equal(t, h.in("dev", "ls -A /home/dev/.devcontainer"), ".onCreateCommandMarker\n.updateContentCommandMarker")
	h.in("dev", "touch /work/mended")
	h.run(metadata)
	assert.Equal(t, h.in("dev", "cat /work/log"), "one\ntwo\ntwo\nthree")
}

func TestParallelHooksAllEndAndTheirOutputIsTold(t *testing.T) {
	h := newHooked(t)
	// Each waits for the other.
	metadata := `[{"postCreateCommand": {
		"left": "touch /work/left; until [ -e /work/right ]; do sleep 0.1; done; echo from left; exit 3",
		"right": ["sh", "-c", "touch /work/right; until [ -e /work/left ]; do sleep 0.1; done; echo from $SECRET right; exit 4"]}}]`
	req := h.request(metadata)
	req.Secrets = map[string]string{"SECRET": "hunter2"}
	err := h.RunHooks(t.Context(), req)
	var failed *HookError
	assert.Assert(t, errors.As(err, &failed), "%v", err)
	assert.Equal(t, failed.Hook, "postCreateCommand left")
	assert.Equal(t, failed.ExitCode, 3)
	lines := strings.Split(strings.TrimSpace(h.out.String()), "\n")
	assert.Assert(t, slices.Contains(lines, "postCreateCommand left | from left"), "%q", lines)
	assert.Assert(t, slices.Contains(lines, "postCreateCommand right | from ******** right"), "%q", lines)
	assert.Assert(t, !strings.Contains(h.out.String(), "hunter2"))
}

func TestHookIsInterruptedInsideTheContainer(t *testing.T) {
	h := newHooked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := h.request(`[{"onCreateCommand": "echo begun; sleep 5678"}]`)
	req.Output = writerFunc(func(b []byte) {
		if strings.Contains(string(b), "| begun") {
			cancel()
		}
	})
	assert.ErrorIs(t, h.RunHooks(ctx, req), context.Canceled)
	top, err := h.api.ContainerTop(t.Context(), h.ID, nil)
	assert.NilError(t, err)
	assert.Assert(t, !strings.Contains(fmt.Sprint(top.Processes), "5678"), "%v", top.Processes)
	assert.Equal(t, h.in("dev", "ls -A /home/dev/.devcontainer 2>/dev/null; true"), "")
}

func TestNoWaitLeavesTheHooksAfterWaitFor(t *testing.T) {
	h := newHooked(t)
	metadata := `[{"waitFor": "onCreateCommand", "onCreateCommand": "echo one ` + log + `", "postStartCommand": "echo two ` + log + `"}]`
	req := h.request(metadata)
	req.NoWait = true
	assert.NilError(t, h.RunHooks(t.Context(), req))
	assert.Equal(t, h.in("dev", "cat /work/log"), "one")
	h.run(metadata)
	assert.Equal(t, h.in("dev", "cat /work/log"), "one\ntwo")
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}
