package overrides_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// everything is a dev container in which each field that Compile can change is changed, with what YAML and Compose could
// read in another way.
func everything(dir string) (*devcontainer.Config, *devcontainer.Merged) {
	yes := true
	return &devcontainer.Config{Path: filepath.Join(dir, ".devcontainer", "devcontainer.json"), Workspace: dir}, &devcontainer.Merged{
		Init: true, Privileged: true, OverrideCommand: &yes, UpdateRemoteUserUID: &yes,
		CapAdd: []string{"SYS_PTRACE"}, SecurityOpt: []string{"seccomp=unconfined", "label=a$b"},
		Entrypoints: []string{`echo "$HOME" ${X} $$ 'it''s'`}, ContainerUser: "node", RemoteUser: "node",
		ContainerEnv: map[string]string{"PATH": "/x:$PATH", "YES": "yes", "EMPTY": "", "N": "0x10", "LINES": "a\nb\n", "NULL": "null"},
		Mounts: []devcontainer.Mount{
			{Type: "volume", Source: "history", Target: "/history"},
			{Type: "volume", Source: "vscode", Target: "/vscode", External: true},
			{Type: "bind", Source: dir, Target: "/read only/", ReadOnly: true, Options: []string{"consistency=cached", "bind-propagation=rslave"}},
			{Type: "tmpfs", Target: "/tmp/$x", Options: []string{"tmpfs-size=64m", "tmpfs-mode=1770"}},
			{Type: "volume", Target: "/anonymous"},
		},
		ForwardPorts:     []devcontainer.ForwardPort{{Port: 3000}, {Host: "db", Port: 5432}},
		HostRequirements: &devcontainer.HostRequirements{GPU: &devcontainer.GPU{}},
	}
}

const label = `[{"postCreateCommand":"echo \"$PATH\" ${containerEnv:HOME}","remoteEnv":{"A":null}}]`

func TestADevContainerIsTheSameFromTheDisk(t *testing.T) {
	t.Parallel()
	for name, compose := range map[string]string{
		"service": `
services:
  app:
    build: {context: ., args: {A: b}}
    user: root
    command: sleep infinity
    labels: ["com.example.a=b"]
    environment: ["PATH=/bin", "KEPT=1"]
    volumes: [".:/work", "data:/data", "history:/old"]
    cap_add: [NET_ADMIN]
    ports: ["8080:80"]
  db:
    image: postgres
    profiles: [all]
volumes: {data: {}, history: {}}
`,
		"joins a network": `
services:
  app: {image: node, network_mode: "service:db", entrypoint: [tini], volumes: [".:/work"]}
  db: {image: postgres, ports: ["5432:5432"]}
`,
		"beside":     "services:\n  web: {image: nginx, ports: ['3000:80']}\n  db: {image: postgres}\n",
		"no default": "services:\n  db: {image: postgres, networks: [back]}\nnetworks: {back: {}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "a$b")
			assert.NilError(t, os.MkdirAll(filepath.Join(dir, ".devcontainer"), 0o755))
			assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(compose), 0o644))
			v := variant{dir: dir}
			f, err := stack.Find(v.source(), ours)
			assert.NilError(t, err)
			m, err := new(stack.Stack).Load(t.Context(), f, "iloom-ab-7", nil)
			assert.NilError(t, err)

			c, merged := everything(dir)
			c.RunArgs = []string{"--name", "app", "--network", "old_default", "--network", "name=other,alias=a$b", "--network", "third", "-e", "A=$b"}
			c.Kind, c.Build = devcontainer.KindDockerfile, &devcontainer.Build{Dockerfile: "../Dockerfile", Args: map[string]string{"V": "$x"}, Target: "dev"}
			base, compose := m.Project.AllServices()["app"]
			if compose {
				c.Kind, c.Compose = devcontainer.KindCompose, &devcontainer.Compose{Service: "app"}
			}
			done, _, err := compile.Compile(compile.Input{
				Config: c, Merged: merged, Label: label, Project: m.Project, BaseName: "old", BaseTag: "iloom-ab-7-base",
				Image: devcontainer.ImageInfo{ID: "sha256:1", User: "node", Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"node"}},
				Git: mounts.Repository{
					Root: dir, Common: filepath.Join(filepath.Dir(dir), ".git"), Own: filepath.Join(filepath.Dir(dir), ".git", "worktrees", "x"),
					Pointer: filepath.Join(filepath.Dir(dir), ".git", "worktrees", "x"), Back: filepath.Join(dir, ".git"),
				},
				Host: compile.Host{OS: "linux", UID: 1234, GID: 1234, GPU: true},
			})
			assert.NilError(t, err)

			var edits []overrides.Edit
			if compose {
				edits = append(edits, overrides.Extend{Was: base, Is: done.Service, Volumes: done.Volumes})
			} else {
				edits = append(edits, overrides.AddService{Service: done.Service, Volumes: done.Volumes, Networks: done.Networks})
			}
			for key, s := range done.Others {
				edits = append(edits, overrides.Extend{Was: m.Project.AllServices()[key], Is: s})
			}
			overrides.Apply(m.Project, edits)
			leases := []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 3007}, {IP: "127.0.0.1", Protocol: "tcp", Base: 3000, Count: 1, Host: 3007}}
			isolate, findings := overrides.Plan(m.Project, overrides.Input{
				Common: filepath.Join(filepath.Dir(dir), ".git"),
				Labels: map[string]string{"ai.iloom.loom": "7", "ai.iloom.repo": "/r$1"}, Base: f.BaseName(), Dir: dir, Leases: leases,
				Subnets: map[string][]netip.Prefix{"default": {netip.MustParsePrefix("10.176.7.0/24")}},
			})
			for _, f := range findings {
				assert.Assert(t, !strings.Contains(f.Message, "outside the work tree"), "%s", f)
			}
			overrides.Apply(m.Project, isolate)
			text, err := overrides.Render(m.Project, "ab/7", append(edits, isolate...))
			assert.NilError(t, err)
			path := filepath.Join(dir, overrides.OverrideFile)
			_, err = overrides.Write([]overrides.File{{Path: path, Content: text}})
			assert.NilError(t, err)

			disk, err := composes(t.Context(), v.source())
			assert.NilError(t, err, "%s", text)
			memory, err := m.Finish([]string{path}, nil)
			assert.NilError(t, err)
			for _, d := range differences("", tree(memory), tree(disk)) {
				t.Errorf("on disk: %s", d)
			}
			for _, problem := range sameHashes(memory, disk) {
				t.Error(problem)
			}
			if t.Failed() {
				t.Logf("%s", text)
			}
			s := disk.Services[done.Service.Name]
			assert.Equal(t, s.Labels[devcontainer.LabelMetadata], label)
			assert.Equal(t, s.Labels["ai.iloom.loom"], "7")
			assert.Equal(t, s.Labels[devcontainer.LabelLocalFolder], dir)
			assert.Equal(t, *s.Environment["PATH"], "/x:$PATH")
		})
	}
}

func TestAWholeDevContainerIsTheSameFromTheDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a$b")
	assert.NilError(t, os.Mkdir(dir, 0o755))
	c, merged := everything(dir)
	c.Kind, c.Image = devcontainer.KindImage, "node"
	done, _, err := compile.Compile(compile.Input{Config: c, Merged: merged, Label: label, Git: mounts.Repository{Root: dir}})
	assert.NilError(t, err)
	p := &types.Project{Name: "iloom-ab-7", WorkingDir: dir}
	overrides.AddService{Service: done.Service, Volumes: done.Volumes}.Apply(p)
	text, err := overrides.Whole(p, "ab/7")
	assert.NilError(t, err)
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), text, 0o644))
	disk, err := composes(t.Context(), variant{dir: dir}.source())
	assert.NilError(t, err)
	for _, problem := range sameHashes(p, disk) {
		t.Error(problem)
	}
	assert.Equal(t, disk.Volumes["history"].Name, "history")
	assert.Equal(t, disk.Volumes["vscode"].External, types.External(true))
}
