//go:build e2e

package overrides_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// container is a compiled dev container, started by docker compose from the files.
type container struct {
	v       variant
	service string
	done    *compile.Compiled
}

// starts compiles the dev container into files, as the package loom does, and lets docker compose build and start it.
func starts(t *testing.T, in compile.Input, compose string) container {
	t.Helper()
	dir := in.Config.Workspace
	name := "loom-dev-" + strings.ToLower(filepath.Base(filepath.Dir(dir)))
	v := variant{dir: dir}
	in.BaseTag = name + "-base"
	path := filepath.Join(dir, overrides.OverrideFile)
	var m *stack.Model
	if compose == "" {
		path = filepath.Join(dir, "compose.yaml")
		m = &stack.Model{Project: &types.Project{Name: name, WorkingDir: dir}}
	} else {
		assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(compose), 0o644))
		f, err := stack.Find(v.source(), ours)
		assert.NilError(t, err)
		m, err = new(stack.Stack).Load(t.Context(), f, name, nil)
		assert.NilError(t, err)
		in.Project, in.BaseName = m.Project, f.BaseName()
	}
	done, _, err := compile.Compile(in)
	assert.NilError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = docker(ctx, variant{dir: os.TempDir()}, "compose", "--project-name", name, "down", "--volumes", "--timeout", "0", "--rmi", "local")
		_, _ = docker(ctx, v, "rmi", "--force", in.BaseTag)
	})
	if done.Base != nil && done.Base.Build != nil {
		args := []string{"build", "-t", done.Base.Image, "-f", filepath.Join(done.Base.Build.Context, done.Base.Build.Dockerfile)}
		for k, value := range done.Base.Build.Args {
			args = append(args, "--build-arg", k+"="+*value)
		}
		must(t, v, append(args, done.Base.Build.Context)...)
	}
	var edits []overrides.Edit
	if in.Config.Kind == devcontainer.KindCompose {
		edits = append(edits, overrides.Extend{Was: m.Project.Services[done.Service.Name], Is: done.Service, Volumes: done.Volumes})
	} else {
		edits = append(edits, overrides.AddService{Service: done.Service, Volumes: done.Volumes, Networks: done.Networks})
	}
	overrides.Apply(m.Project, edits)
	isolate, _ := overrides.Plan(m.Project, overrides.Input{Labels: map[string]string{"ai.iloom.loom": "7"}, Dir: dir})
	overrides.Apply(m.Project, isolate)
	text, err := overrides.Render(m.Project, "x/7", append(edits, isolate...))
	if compose == "" {
		text, err = overrides.Whole(m.Project, "x/7")
	}
	assert.NilError(t, err)
	assert.NilError(t, os.WriteFile(path, text, 0o644))
	must(t, v, "compose", "up", "--detach", "--quiet-pull")
	return container{v: v, service: done.Service.Name, done: done}
}

func (c container) run(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, c.v, append([]string{"compose", "exec", "-T", c.service}, args...)...))
}

// workTree is a folder that a linked work tree of a repository is in, with the common directory beside it.
func workTree(t *testing.T) (dir string, git mounts.Repository) {
	t.Helper()
	top := t.TempDir()
	dir, common := filepath.Join(top, "shop"), filepath.Join(top, "main", ".git")
	admin := filepath.Join(common, "worktrees", "shop")
	assert.NilError(t, os.MkdirAll(filepath.Join(dir, ".devcontainer"), 0o755))
	assert.NilError(t, os.MkdirAll(admin, 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".git"), []byte("gitdir: "+admin+"\n"), 0o644))
	assert.NilError(t, os.WriteFile(filepath.Join(admin, "commondir"), []byte("../..\n"), 0o644))
	assert.NilError(t, os.WriteFile(filepath.Join(common, "HEAD"), []byte("ref: refs/heads/main\n"), 0o644))
	return dir, mounts.Repository{Root: dir, Common: common, Pointer: admin}
}

const findsTheRepository = `set -e; dir=$(sed 's/gitdir: //' .git); cat "$dir/$(cat "$dir/commondir")/HEAD"`

const (
	slim    = "debian:bookworm-slim"
	devUser = "FROM " + slim + "\nRUN useradd --create-home --uid 1000 dev && touch /home/dev/mine\nARG GREETING\nENV GREETING=${GREETING}\n" +
		"USER dev\nENTRYPOINT [\"/bin/sh\", \"-c\", \"touch /tmp/entry; exec \\\"$@\\\"\", \"-\"]\nCMD [\"sleep\", \"infinity\"]\n"
)

func TestAnImageDevContainerStarts(t *testing.T) {
	dir, git := workTree(t)
	c := starts(t, compile.Input{
		Config: &devcontainer.Config{
			Kind: devcontainer.KindImage, Image: slim, Path: filepath.Join(dir, ".devcontainer.json"), Workspace: dir,
			RunArgs: []string{"--hostname", "inside", "-e", "DOLLAR=$HOME", "--shm-size=32m", "--cap-add=SYS_PTRACE", "--tmpfs", "/scratch:size=1m", "--security-opt", "seccomp=unconfined"},
		},
		Merged: &devcontainer.Merged{
			Init: true, ContainerEnv: map[string]string{"A": "b c"}, Entrypoints: []string{"echo \"$A\" > /tmp/feature"},
			Mounts: []devcontainer.Mount{{Type: "volume", Source: "history", Target: "/history"}, {Type: "bind", Source: dir, Target: "/ro", ReadOnly: true}},
		},
		Git: git, Label: `[{"remoteEnv":{"P":"${containerEnv:PATH}"}}]`,
	}, "")
	assert.Equal(t, c.run(t, "cat", "/tmp/feature"), "b c")
	assert.Equal(t, c.run(t, "hostname"), "inside")
	assert.Equal(t, c.run(t, "printenv", "DOLLAR"), "$HOME")
	assert.Equal(t, c.run(t, "sh", "-c", "cd /workspaces/shop && "+findsTheRepository), "ref: refs/heads/main")
	assert.Equal(t, c.run(t, "sh", "-c", "touch /ro/x 2>/dev/null || echo refused"), "refused")
	assert.Assert(t, strings.Contains(c.run(t, "df", "/scratch"), "tmpfs"))
	id := strings.TrimSpace(must(t, c.v, "compose", "ps", "--quiet", c.service))
	assert.Equal(t, strings.TrimSpace(must(t, c.v, "inspect", "--format", `{{index .Config.Labels "devcontainer.metadata"}}`, id)), `[{"remoteEnv":{"P":"${containerEnv:PATH}"}}]`)
	// It ends at once, without a fight.
	must(t, c.v, "compose", "stop", "--timeout", "60")
	assert.Equal(t, strings.TrimSpace(must(t, c.v, "inspect", "--format", "{{.State.ExitCode}}", id)), "0")
}

func TestADockerfileDevContainerStartsBesideAProject(t *testing.T) {
	dir, git := workTree(t)
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".devcontainer", "Dockerfile"), []byte(devUser), 0o644))
	no := false
	c := starts(t, compile.Input{
		Config: &devcontainer.Config{
			Kind: devcontainer.KindDockerfile, Path: filepath.Join(dir, ".devcontainer", "devcontainer.json"), Workspace: dir,
			Build: &devcontainer.Build{Dockerfile: "Dockerfile", Context: "..", Args: map[string]string{"GREETING": "a$b"}},
		},
		Image:  devcontainer.ImageInfo{ID: "sha256:1", User: "dev", Entrypoint: []string{"/bin/sh", "-c", `touch /tmp/entry; exec "$@"`, "-"}, Cmd: []string{"sleep", "infinity"}},
		Merged: &devcontainer.Merged{RemoteUser: "dev", OverrideCommand: &no},
		Git:    git, Host: compile.Host{OS: "linux", UID: 4321, GID: 4322},
	}, "services:\n  web: {image: '"+slim+"', command: sleep infinity}\n")
	assert.Equal(t, c.run(t, "id", "-un"), "dev")
	assert.Equal(t, c.run(t, "sh", "-c", "id -u; id -g; id -gn"), "4321\n4322\ndev")
	assert.Equal(t, c.run(t, "stat", "-c", "%u:%g", "/home/dev/mine"), "4321:4322")
	assert.Equal(t, c.run(t, "printenv", "GREETING"), "a$b")
	assert.Equal(t, c.run(t, "ls", "/tmp/entry"), "/tmp/entry")
	assert.Assert(t, c.run(t, "getent", "hosts", "web") != "")
	assert.Equal(t, c.run(t, "sh", "-c", "cd /workspaces/shop && "+findsTheRepository), "ref: refs/heads/main")
}

func TestAComposeDevContainerStarts(t *testing.T) {
	dir, git := workTree(t)
	yes := true
	c := starts(t, compile.Input{
		Config: &devcontainer.Config{
			Kind: devcontainer.KindCompose, Path: filepath.Join(dir, ".devcontainer", "devcontainer.json"), Workspace: dir,
			Compose: &devcontainer.Compose{Service: "app"}, WorkspaceFolder: "/work",
		},
		Merged: &devcontainer.Merged{
			OverrideCommand: &yes, ContainerEnv: map[string]string{"A": "$b"},
			Mounts:       []devcontainer.Mount{{Type: "bind", Source: dir, Target: "/ro", ReadOnly: true}, {Type: "volume", Source: "cache", Target: "/cache"}},
			ForwardPorts: []devcontainer.ForwardPort{{Port: 3000}},
		},
		Git: git,
	}, "services:\n  app: {image: '"+slim+"', command: 'false', volumes: ['.:/work'], environment: [C=d]}\n")
	assert.Equal(t, c.run(t, "sh", "-c", "cd /work && "+findsTheRepository), "ref: refs/heads/main")
	assert.Equal(t, c.run(t, "sh", "-c", `echo "$A$C"`), "$bd")
	assert.Equal(t, c.run(t, "sh", "-c", "touch /cache/x; touch /ro/x 2>/dev/null || echo refused"), "refused")
	assert.Assert(t, strings.HasPrefix(must(t, c.v, "compose", "port", "app", "3000"), "127.0.0.1:3000"))
}

// The step has to get along with any shell, and to leave alone what the specification says.
func TestTheUserGetsTheHostsIDs(t *testing.T) {
	passwd := "root:x:0:0:root:/root:/bin/sh\ndev:x:1000:1000:a:b?:/home/dev:/bin/sh\ndev2:x:2000:2000::/home/dev2:\n"
	group := "root:x:0:\ndev:x:1000:dev,dev2\nlast:x:3000:"
	passwd = strings.ReplaceAll(passwd, "a:b?", "a b?")
	for _, image := range []string{slim, "loom-test/busybox:latest"} {
		for name, c := range map[string]struct {
			uid, gid      int
			passwd, group string
		}{
			"both change":             {4321, 4322, strings.Replace(passwd, "dev:x:1000:1000", "dev:x:4321:4322", 1), strings.Replace(group, "dev:x:1000", "dev:x:4322", 1) + "\n"},
			"the uid only":            {4321, 1000, strings.Replace(passwd, "dev:x:1000", "dev:x:4321", 1), group},
			"the gid only":            {1000, 4322, strings.Replace(passwd, "1000:1000", "1000:4322", 1), strings.Replace(group, "dev:x:1000", "dev:x:4322", 1) + "\n"},
			"the same":                {1000, 1000, passwd, group},
			"another user has the id": {2000, 4322, passwd, group},
			"a group has the id":      {4321, 3000, strings.Replace(passwd, "dev:x:1000", "dev:x:4321", 1), group},
		} {
			t.Run(image+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				for file, text := range map[string]string{"passwd": passwd, "group": group, "Dockerfile": "FROM " + image + "\nCOPY passwd group /etc/\nRUN mkdir -p /home/dev && touch /home/dev/x && chown -R 1000:1000 /home/dev\nUSER dev\nSHELL [\"/nothing\"]\n"} {
					assert.NilError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
				}
				in := compile.Input{
					Config: &devcontainer.Config{Kind: devcontainer.KindDockerfile, Path: filepath.Join(dir, ".devcontainer.json"), Workspace: dir, Build: &devcontainer.Build{Dockerfile: "Dockerfile"}},
					Image:  devcontainer.ImageInfo{ID: "sha256:1", User: "dev"}, Merged: &devcontainer.Merged{},
					Git: mounts.Repository{Root: dir}, Host: compile.Host{OS: "linux", UID: c.uid, GID: c.gid},
				}
				k := starts(t, in, "")
				assert.Equal(t, k.run(t, "cat", "/etc/passwd")+"\n", c.passwd)
				assert.Equal(t, k.run(t, "cat", "/etc/group"), strings.TrimSpace(c.group))
				owner := "1000:1000"
				if c.passwd != passwd {
					owner = fmt.Sprintf("%d:%d", c.uid, map[bool]int{true: 1000, false: c.gid}[c.gid == 3000])
				}
				assert.Equal(t, k.run(t, "stat", "-c", "%u:%g", "/home/dev/x"), owner)
				assert.Equal(t, k.run(t, "id", "-u"), strings.Split(owner, ":")[0])
			})
		}
	}
}
