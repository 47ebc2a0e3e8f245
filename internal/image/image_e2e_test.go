//go:build e2e

package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dockercontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// dockerHost is read before TestMain hides it from the other tests.
var dockerHost = os.Getenv("DOCKER_HOST")

// builder is a docker loom that builds images on the real engine.
type builder struct {
	*testing.T
	*Store
	api    *client.Client
	stderr worldtest.Output
	unique string
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if dockerHost != "" {
		opts = append(opts, client.WithHost(dockerHost))
	}
	api, err := client.NewClientWithOpts(opts...)
	assert.NilError(t, err)
	docker, err := command.NewDockerCli(command.WithAPIClient(api), command.WithBaseContext(t.Context()), command.WithCombinedStreams(io.Discard))
	assert.NilError(t, err)
	// The builder asks the engine of the options, not the client.
	assert.NilError(t, docker.Initialize(&flags.ClientOptions{LogLevel: "error", Hosts: []string{api.DaemonHost()}}))
	b := &builder{T: t, api: api, unique: fmt.Sprintf("test%d-%d", os.Getpid(), time.Now().UnixNano())}
	b.Store = &Store{Stack: worldtest.NewStack(docker), Engine: engine.New(api, "default"), Cache: t.TempDir(), Teller: &tell.Writer{Out: &b.stderr, Debug: t.Logf}, Process: host.Current()}
	return b
}

// made builds an image of a name of the test's own.
func (b *builder) made(from string, lines ...string) *Image {
	b.Helper()
	req := BuildRequest{ImageRequest: sandbox.ImageRequest{Name: b.unique, From: from, Run: lines}}
	i, err := b.BuildNamed(b.Context(), req)
	assert.NilError(b, err)
	b.Cleanup(func() { b.remove(i.Image) })
	return i
}

func (b *builder) remove(tag string) {
	_ = b.Engine.RemoveImages(context.WithoutCancel(b.Context()), []string{tag})
}

// run runs a command in an image and returns what it wrote.
func (b *builder) run(image string, command ...string) string {
	b.Helper()
	c, err := b.api.ContainerCreate(b.Context(), &dockercontainer.Config{Image: image, Cmd: []string{"sleep", "1000"}, StopSignal: "KILL"}, nil, nil, nil, "")
	assert.NilError(b, err)
	defer func() {
		_ = b.api.ContainerRemove(context.WithoutCancel(b.Context()), c.ID, dockercontainer.RemoveOptions{Force: true})
	}()
	assert.NilError(b, b.Engine.Start(b.Context(), c.ID))
	out, errs, code, err := b.Engine.ExecOutput(b.Context(), c.ID, engine.Process{Cmd: command})
	assert.NilError(b, err)
	assert.Equal(b, code, 0, "%s%s", out, errs)
	return strings.TrimSpace(string(out))
}

// busybox is what tests on images begin with.
const busybox = "loom-test/busybox:latest"

// fakeMise stands in for mise: for each line of its file it makes a program that prints the line.
const fakeMise = `printf '%s\n' '#!/bin/sh' 'case $1 in install) mkdir -p "$MISE_DATA_DIR/shims"; grep -q broken mise.toml && exit 3' \
'while read -r tool; do printf "#!/bin/sh\\necho $tool, for $(id -u)" >"$MISE_DATA_DIR/shims/$tool"; chmod 755 "$MISE_DATA_DIR/shims/$tool"; done <mise.toml; esac' \
>/bin/mise && chmod 755 /bin/mise`

func TestTheToolsOfARepositoryAreBakedInOnce(t *testing.T) {
	t.Parallel()
	b := newBuilder(t)
	base := b.made(busybox, fakeMise, "echo dev:x:1500:1500::/:/bin/sh >>/etc/passwd")
	tree := t.TempDir()

	// Without a file it is the image itself.
	ref, id, findings, err := b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Trusted: true})
	assert.NilError(t, err)
	assert.Equal(t, ref, base.Image)
	assert.Equal(t, id, base.ID)
	assert.Equal(t, len(findings), 0)

	assert.NilError(t, os.WriteFile(filepath.Join(tree, "mise.toml"), []byte("spanner\n"), 0o644))
	// A look builds nothing.
	ref, id, findings, err = b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Trusted: true, LookOnly: true})
	assert.NilError(t, err)
	assert.Equal(t, id, "")
	assert.Equal(t, findings[0].Message, "is not built yet")
	built := ref
	b.Cleanup(func() { b.remove(built) })

	ids := make([]string, 4)
	var all sync.WaitGroup
	for i := range ids {
		all.Add(1)
		go func() {
			defer all.Done()
			var err error
			_, ids[i], _, err = b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Trusted: true})
			assert.Check(t, err)
		}()
	}
	all.Wait()
	for _, other := range ids {
		assert.Equal(t, other, ids[0])
	}
	assert.Equal(t, b.run(ref, "spanner"), "spanner, for 0")
	list, err := b.List(t.Context())
	assert.NilError(t, err)
	assert.Assert(t, strings.Contains(fmt.Sprint(list), ref))

	// What runs keeps what it has: the agent may have changed the file.
	assert.NilError(t, os.WriteFile(filepath.Join(tree, "mise.toml"), []byte("hammer\n"), 0o644))
	for _, has := range []struct{ ref, id string }{{ref, ids[0]}, {base.Image, base.ID}} {
		inside := &engine.Container{State: "running", ImageID: has.id}
		kept, id, findings, err := b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Sandbox: inside, Trusted: true})
		assert.NilError(t, err)
		assert.Equal(t, kept, has.ref)
		assert.Equal(t, id, has.id)
		assert.Equal(t, len(findings), 1)
	}

	// An image can be named by its ID.
	of := sandbox.AgentRepository + ":of-" + shortID(base.ID)
	ref, _, findings, err = b.WithTools(t.Context(), Toolchain{Ref: base.ID, ID: base.ID, WorkTree: tree, Trusted: true})
	hammer := ref
	b.Cleanup(func() { b.remove(hammer); b.remove(of) })
	assert.NilError(t, err)
	assert.Equal(t, len(findings), 0)
	assert.Equal(t, b.run(ref, "hammer"), "hammer, for 0")
	assert.NilError(t, os.WriteFile(filepath.Join(tree, "mise.toml"), []byte("tongs\n"), 0o644))

	// What an agent may have written is not built.
	ref, id, findings, err = b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree})
	assert.NilError(t, err)
	assert.Equal(t, ref, base.Image)
	assert.Equal(t, id, base.ID)
	assert.Assert(t, strings.Contains(findings[0].String(), "an agent may have written mise.toml"), findings)

	// A build that fails leaves the image without them, with a warning that names the step.
	assert.NilError(t, os.WriteFile(filepath.Join(tree, "mise.toml"), []byte("broken\n"), 0o644))
	ref, id, findings, err = b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Trusted: true})
	assert.NilError(t, err)
	assert.Equal(t, ref, base.Image)
	assert.Equal(t, id, base.ID)
	assert.Assert(t, strings.Contains(findings[0].Message, "mise install ended with exit code: 3"), findings[0].Message)

	// So does a link to a file of the host's.
	assert.NilError(t, os.Remove(filepath.Join(tree, "mise.toml")))
	assert.NilError(t, os.Symlink("/etc/hostname", filepath.Join(tree, "mise.toml")))
	_, id, findings, err = b.WithTools(t.Context(), Toolchain{Ref: base.Image, ID: base.ID, WorkTree: tree, Trusted: true})
	assert.NilError(t, err)
	assert.Equal(t, id, base.ID)
	assert.Assert(t, strings.Contains(findings[0].Message, "not a regular file"), findings[0].Message)
}
