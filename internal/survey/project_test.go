package survey

import (
	"os/exec"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

const oneService = "services: {app: {image: x}}\n"

func TestTheDevContainerOfAFolderAboveIsNotThatOfAProject(t *testing.T) {
	t.Parallel()
	image := `{"image": "x"}`
	ofWeb := `{"dockerComposeFile": "apps/web/compose.yaml", "service": "app"}`
	for _, tc := range []struct {
		name, file, dir string
		isNamed         bool
		want            bool
	}{
		{"an image, at its folder", image, ".", false, true},
		{"an image, below it", image, "docs", false, true},
		{"an image, in a folder with a compose file", image, "apps/web", false, false},
		{"an image, below that", image, "apps/web/src", false, false},
		{"an image that was named, in a folder with a compose file", image, "apps/web", true, true},
		{"compose files below, at its folder", ofWeb, ".", false, true},
		{"compose files below, in their folder", ofWeb, "apps/web", false, true},
		{"compose files below, below their folder", ofWeb, "apps/web/src", false, true},
		{"compose files below, beside their folder", ofWeb, "apps/api", false, false},
		{"compose files below, in a folder without any", ofWeb, "docs", false, true},
	} {
		dir := folder(t, map[string]string{
			".devcontainer.json": tc.file, "apps/web/compose.yaml": oneService, "apps/web/src/file": "", "apps/api/compose.yaml": oneService,
			"docs/file": "",
		})
		f := factsIn(dir)
		f.Target.Source.Dir = filepath.Join(dir, filepath.FromSlash(tc.dir))
		chosen := ""
		if tc.isNamed {
			chosen = filepath.Join(dir, ".devcontainer.json")
		}
		d, err := reader().findDev(f, Options{Config: chosen})
		assert.NilError(t, err, tc.name)
		assert.Check(t, (d != nil) == tc.want, tc.name)
		assert.Check(t, (len(f.Target.Notes) == 0) == tc.want, "%s: %v", tc.name, f.Target.Notes)
	}
}

func TestADevContainerWhoseComposeFilesAreBelowIsFoundFromItsWorkspace(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"dev/.devcontainer.json": `{"dockerComposeFile": "../apps/web/compose.yaml", "service": "app"}`, "apps/web/compose.yaml": oneService,
	})
	web, dev := filepath.Join(dir, "apps", "web"), filepath.Join(dir, "dev")
	known := &registry.Loom{Project: "p", WorkTree: dir, Dir: web, Workspace: dev}
	other := &registry.Loom{Project: "q", WorkTree: dir, Dir: dir}
	f := factsIn(dir)
	f.Target.Known, f.Target.Projects = other, []*registry.Loom{other, known}
	of := f.Target.Of(known)
	assert.Equal(t, of.Source.Dir, dev)
	f.Target = of
	d, err := reader().findDev(f, Options{})
	assert.NilError(t, err)
	found, err := reader().findProject(stack.Source{Dir: of.Source.Dir, Top: dir, Reader: stack.Anywhere}, d, stack.Ours{})
	assert.NilError(t, err)
	assert.Equal(t, found.Dir, web)
}

func TestTheFilesSayWhichProjectItIs(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"apps/web/compose.yaml": oneService, "apps/api/compose.yaml": oneService, "Dockerfile": "FROM x", "ignored/compose.yaml": oneService, ".gitignore": "ignored\n",
	})
	out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput()
	assert.NilError(t, err, "%s", out)
	repo, err := worktree.Find(t.Context(), dir)
	assert.NilError(t, err)
	entry := func(project, workTree, folder string) *registry.Loom {
		return &registry.Loom{ID: "7", Repository: dir, Project: project, WorkTree: workTree, Dir: filepath.Join(workTree, folder)}
	}
	web, api := entry("web", dir, "apps/web"), entry("api", dir, "apps/api")
	gone := entry("gone", dir, "old/web")
	elsewhere := entry("elsewhere", filepath.Join(dir, "no-tree"), "apps/web")
	nameless := entry("", dir, "apps/web")
	byFiles := []engine.Container{{Project: "web", Labels: map[string]string{stack.LabelConfigFiles: filepath.Join(dir, "apps/web/other.yaml")}}}
	ordered := []string{"apps/api", "apps/web", "."}
	for _, tc := range []struct {
		name       string
		id         string
		projects   []*registry.Loom
		known      *registry.Loom
		containers []engine.Container
		found      string
		want       string
		folders    []string
	}{
		{"a new loom at the top", "7", nil, nil, nil, ".", "new", nil},
		{"a new loom in a folder", "7", nil, nil, nil, "apps/web", "new", ordered},
		{"the project of the folder", "7", []*registry.Loom{web, api}, web, nil, "apps/api", "api", nil},
		{"another folder than that of the only project", "7", []*registry.Loom{web}, web, nil, "apps/api", "new", ordered},
		{"the top, beside a project", "7", []*registry.Loom{web}, web, nil, ".", "new", ordered},
		{"the only project, whose folder is gone", "7", []*registry.Loom{gone}, gone, nil, "apps/web", "gone", nil},
		{"one of two, whose folder is gone", "7", []*registry.Loom{gone, api}, gone, nil, "apps/web", "new", ordered},
		{"the only project, whose files are gone", "7", []*registry.Loom{web}, web, byFiles, "apps/api", "web", nil},
		{"the same folder of another work tree", "7", []*registry.Loom{elsewhere, api}, nil, nil, "apps/web", "elsewhere", nil},
		{"a project without a name", "7", []*registry.Loom{nameless}, nameless, nil, "apps/web", "", ordered},
		{"main has Compose's names", identity.Main, nil, nil, nil, "apps/web", "new", nil},
	} {
		f := factsIn(dir)
		t0 := f.Target
		t0.ID, t0.Repository, t0.Git, t0.Projects, t0.Known = tc.id, dir, repo, tc.projects, tc.known
		f.Found = &stack.Found{Dir: filepath.Join(dir, filepath.FromSlash(tc.found))}
		f.Engine.Containers = tc.containers
		assert.NilError(t, f.knowProject(t.Context()), tc.name)
		got := "new"
		if t0.Known != nil {
			got = t0.Known.Project
		}
		assert.Check(t, got == tc.want, "%s: %s", tc.name, got)
		assert.DeepEqual(t, f.Folders, tc.folders)
	}
}
