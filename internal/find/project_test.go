package find

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// monorepo is a machine with a repository that has compose files in several folders, and no project of its own at its top.
type monorepo struct {
	*testWorld
	repo string
}

func newMonorepo(t *testing.T, folders ...string) monorepo {
	t.Helper()
	w := newWorld(t, worldtest.Remote)
	m := monorepo{w, w.Path("mono")}
	for _, folder := range folders {
		w.Write(worldtest.Shop, "mono", filepath.FromSlash(folder), "compose.yaml")
		w.Write("", "mono", filepath.FromSlash(folder), "src", "deep", "file")
	}
	w.Write("", "mono", "docs", "file")
	w.Git(m.repo, "init", "-q")
	w.Git(m.repo, "add", ".")
	w.Git(m.repo, "commit", "-q", "-m", "first")
	return m
}

// has gives a loom projects in folders of a work tree.
func (m monorepo) has(id, workTree string, folders ...string) {
	m.T.Helper()
	for _, folder := range folders {
		l := registry.Loom{ID: id, Repository: m.repo, Project: id + "-" + filepath.Base(folder), WorkTree: workTree, Dir: folder}
		if !filepath.IsAbs(folder) {
			l.Dir = filepath.Join(workTree, filepath.FromSlash(folder))
		}
		m.Know(l)
	}
}

// chosen is the project that a command acts on as a line: its name, and the folder in which its files are looked for.
func (m monorepo) chosen(where Where, purpose Purpose) string {
	m.T.Helper()
	if where.Source.Dir == "" {
		where.Source.Dir = m.repo
	} else if !filepath.IsAbs(where.Source.Dir) {
		where.Source.Dir = m.Path(filepath.FromSlash(where.Source.Dir))
	}
	target, err := m.finder.Resolve(m.T.Context(), where, purpose)
	if purpose == Reading {
		m.checkQuick(where, target, err)
	}
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), m.Dir, "")
	}
	assert.Assert(m.T, target.Known == nil || slices.Contains(target.Projects, target.Known), "the project is not one of the loom's")
	name := "new"
	if target.Known != nil {
		name = target.Known.Project
	}
	if target.Part {
		name += " alone"
	}
	return name + " in " + strings.TrimPrefix(target.Source.Dir, m.Dir)
}

// checkQuick compares what is found without git with what is found with it.
func (m monorepo) checkQuick(where Where, slow *Target, slowErr error) {
	m.T.Helper()
	quick := m.finder.Registered(m.T.Context(), where)
	if quick == nil {
		return
	}
	assert.NilError(m.T, slowErr)
	assert.Equal(m.T, quick.Name(), slow.Name())
	assert.Equal(m.T, quick.WorkTree, slow.WorkTree)
	assert.Equal(m.T, quick.Source.Dir, slow.Source.Dir)
	assert.Equal(m.T, quick.Part, slow.Part)
	assert.DeepEqual(m.T, quick.Known, slow.Known)
	assert.DeepEqual(m.T, quick.Projects, slow.Projects)
}

// named names the project.
func named(project string) func(*Where) { return func(w *Where) { w.Project = project } }

// check compares what each kind of command acts on. An empty answer is that of the kind before.
func (m monorepo) check(name string, where Where, making, reading, ending string) {
	m.T.Helper()
	reading = cmp.Or(reading, making)
	ending = cmp.Or(ending, reading)
	for purpose, want := range map[Purpose]string{Making: making, Reading: reading, Ending: ending} {
		got := m.chosen(where, purpose)
		assert.Check(m.T, got == want, "%s, purpose %d: %s, want %s", name, purpose, got, want)
	}
}

func at(dir, id string, change func(*Where)) Where {
	where := Where{ID: id}
	where.Source.Dir = dir
	if change != nil {
		change(&where)
	}
	return where
}

// newLooms is a repository with three applications, whose looms have projects in some, in several work trees and outside.
func newLooms(t *testing.T) (m monorepo, outside string) {
	t.Helper()
	m = newMonorepo(t, "apps/web", "apps/api", "apps/tools")
	tree := m.Tree(m.repo, "issue-8", "tree-8")
	other := m.Tree(m.repo, "issue-10", "tree-10")
	m.Write(worldtest.Shop, "outside", "compose.yaml")
	m.Write("", "mono", "apps", "image", ".devcontainer.json")
	outside = m.Path("outside")
	m.has("7", m.repo, "apps/web", "apps/api")
	m.has("8", tree, "apps/web", "apps/api", outside)
	m.has("9", m.repo, "apps/api")
	m.has("10", other, "apps/web")
	assert.NilError(t, os.Remove(filepath.Join(other, "apps", "web", "compose.yaml")))
	return m, outside
}

func TestTheProjectThatIsMeantIsThatOfTheFolder(t *testing.T) {
	t.Parallel()
	m, _ := newLooms(t)
	for _, tc := range []struct {
		name                    string
		where                   Where
		making, reading, ending string
	}{
		{"in its folder", at("mono/apps/web", "7", nil), "7-web in /mono/apps/web", "", ""},
		{"below it", at("mono/apps/api/src/deep", "7", nil), "7-api in /mono/apps/api/src/deep", "", ""},
		{"in the same folder of another work tree", at("tree-8/apps/api", "7", nil), "7-api in /mono/apps/api", "", ""},
		{"below it there", at("tree-10/apps/api/src", "7", nil), "7-api in /mono/apps/api/src", "", ""},
		{
			"in a folder that has a compose file, but no project of the loom", at("mono/apps/tools", "7", nil),
			"new in /mono/apps/tools",
			"error: loom 7 has no project in apps/tools, it has apps/api, apps/web",
			"7-api in /mono/apps/api",
		},
		{
			"in a folder with a dev container", at("mono/apps/image", "7", nil),
			"new in /mono/apps/image",
			"error: loom 7 has several projects: apps/api, apps/web",
			"7-api in /mono/apps/api",
		},
		{
			"at the top, several", at("mono", "7", nil),
			"error: /mono has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"error: loom 7 has several projects: apps/api, apps/web",
			"7-api in /mono/apps/api",
		},
		{
			"at the top, one", at("mono", "9", nil),
			"error: /mono has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"9-api in /mono/apps/api",
			"",
		},
		{
			"beside one, in a folder without a compose file", at("mono/docs", "9", nil),
			"error: /mono/docs has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"9-api in /mono/apps/api",
			"",
		},
		{
			"at the top, none", at("mono", "11", nil),
			"error: /mono has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"error: no loom mono/11",
			"",
		},
		{
			"in a folder, none", at("mono/apps/web", "11", nil),
			"new in /mono/apps/web",
			"error: no loom mono/11",
			"",
		},
		{
			"above two", at("mono/apps", "7", nil),
			"error: /mono/apps has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"error: loom 7 has several projects: apps/api, apps/web",
			"7-api in /mono/apps/api",
		},
		{
			"above one", at("mono/apps", "9", nil),
			"error: /mono/apps has no compose file; the repository has projects in apps/api, apps/tools, apps/web",
			"9-api in /mono/apps/api",
			"",
		},
		{
			"beside one, in a folder with a compose file", at("mono/apps/web/src", "9", nil),
			"new in /mono/apps/web/src",
			"error: loom 9 has no project in apps/web, it has apps/api",
			"9-api in /mono/apps/api",
		},
		{"one whose compose file is gone", at("tree-10/apps/web", "10", nil), "10-web in /tree-10/apps/web", "", ""},
		{
			"outside of the tree", at("outside", "mono/8", nil),
			"error: /tree-8 has no compose file; the repository has projects in /outside, apps/api, apps/tools, apps/web",
			"error: loom 8 has several projects: /outside, apps/api, apps/web",
			"8-outside in /outside",
		},
	} {
		m.check(tc.name, tc.where, tc.making, tc.reading, tc.ending)
	}
}

func TestTheProjectThatIsMeantIsTheOneThatIsNamed(t *testing.T) {
	t.Parallel()
	m, outside := newLooms(t)
	files := func(dir string, paths ...string) func(*Where) {
		return func(w *Where) { w.Source.Files = paths; w.Source.ProjectDirectory = dir }
	}
	for _, tc := range []struct {
		name                    string
		where                   Where
		making, reading, ending string
	}{
		{"--project", at("mono", "7", named("apps/api")), "7-api alone in /mono/apps/api", "", ""},
		{"--project in another folder", at("mono/apps/web", "7", named("apps/api/")), "7-api alone in /mono/apps/api", "", ""},
		{"--project from another work tree", at("tree-8/apps/web", "7", named("apps/api")), "7-api alone in /mono/apps/api", "", ""},
		{"--project by its whole path", at("mono", "7", named(filepath.Join(m.repo, "apps", "web"))), "7-web alone in /mono/apps/web", "", ""},
		{
			"--project above one", at("mono", "9", named("apps")),
			"new in /mono/apps",
			"9-api alone in /mono/apps/api",
			"",
		},
		{
			"--project above two", at("mono", "7", named("apps")),
			"new in /mono/apps",
			"error: loom 7 has no project in apps, it has apps/api, apps/web",
			"",
		},
		{"--project outside", at("mono", "8", named(outside)), "8-outside alone in /outside", "", ""},
		{
			"--project of a folder with a compose file", at("mono", "7", named("apps/tools")),
			"new in /mono/apps/tools",
			"error: loom 7 has no project in apps/tools, it has apps/api, apps/web",
			"",
		},
		{
			"--project without such a folder", at("mono", "7", named("apps/none")),
			"error: --project apps/none: no such folder in /mono",
			"error: loom 7 has no project in apps/none, it has apps/api, apps/web",
			"",
		},
		{
			"--project of a loom that is new", at("mono", "11", named("apps/tools")),
			"new in /mono/apps/tools",
			"error: no loom mono/11",
			"",
		},
		{
			"--project ..", at("mono", "7", named("..")),
			"new in ",
			"error: loom 7 has no project in , it has apps/api, apps/web",
			"",
		},
		{"--file", at("mono", "7", files("", filepath.Join(m.repo, "apps", "api", "compose.yaml"))), "7-api in /mono", "", ""},
		{
			"--file, one", at("mono", "9", files("", "apps/web/compose.yaml")),
			"new in /mono",
			"9-api in /mono",
			"",
		},
		{"--project-directory", at("mono", "7", files("apps/web")), "7-web in /mono", "", ""},
		{"--project-directory before --file", at("mono", "7", files("apps/web", "apps/api/compose.yaml")), "7-web in /mono", "", ""},
		{
			"--project-directory of none", at("mono", "7", files("docs")),
			"new in /mono",
			"error: loom 7 has several projects: apps/api, apps/web",
			"7-api in /mono",
		},
		{"the whole loom, at the top", at("mono", "7", func(w *Where) { w.WholeLoom = true }), "7-api in /mono/apps/api", "", ""},
		{"the whole loom, in a folder", at("mono/apps/web", "7", func(w *Where) { w.WholeLoom = true }), "7-web in /mono/apps/web", "", ""},
	} {
		m.check(tc.name, tc.where, tc.making, tc.reading, tc.ending)
	}
}

func TestTheProjectThatIsMeantBesideOneAtTheTop(t *testing.T) {
	t.Parallel()
	m := newMonorepo(t, ".", "apps/web", "apps/api")
	m.has("7", m.repo, ".", "apps/web")
	m.has("8", m.repo, ".")
	m.has("9", m.Path("gone"), "apps/web", "apps/api")
	m.has("10", m.repo, "apps/web")
	m.has("12", m.Path("gone"), "apps/web")
	m.Know(registry.Loom{ID: "13", Repository: m.repo, Project: "13-lost", WorkTree: m.repo})
	m.Know(registry.Loom{ID: "14", Repository: m.repo, Project: "14-dev", WorkTree: m.repo, Dir: m.Path("mono", "apps", "web"), Workspace: m.repo})
	m.Know(registry.Loom{ID: "14", Repository: m.repo, Project: "14-api", WorkTree: m.repo, Dir: m.Path("mono", "apps", "api")})
	for _, tc := range []struct {
		name                    string
		where                   Where
		making, reading, ending string
	}{
		{"at the top", at("mono", "7", nil), "7-. in /mono", "", ""},
		{"in a folder of the top's project", at("mono/docs", "7", nil), "7-. in /mono/docs", "", ""},
		{"in a folder with a project of its own", at("mono/apps/web", "7", nil), "7-web in /mono/apps/web", "", ""},
		{
			"in a folder with a compose file", at("mono/apps/api", "7", nil),
			"new in /mono/apps/api",
			"error: loom 7 has no project in apps/api, it has ., apps/web",
			"7-. in /mono/apps/api",
		},
		{"between", at("mono/apps", "7", nil), "7-. in /mono/apps", "", ""},
		{
			"only the top's, in a folder with a compose file", at("mono/apps/api", "8", nil),
			"new in /mono/apps/api",
			"error: loom 8 has no project in apps/api, it has .",
			"8-. in /mono/apps/api",
		},
		{
			"only a folder's, at the top", at("mono", "10", nil),
			"new in /mono",
			"10-web in /mono/apps/web",
			"",
		},
		{
			"only a folder's, beside it", at("mono/docs", "10", nil),
			"new in /mono/docs",
			"10-web in /mono/apps/web",
			"",
		},
		{"--project .", at("mono/apps/web", "7", named(".")), "7-. alone in /mono", "", ""},
		{"--project of the top's work tree", at("mono/apps/web", "7", named(m.repo)), "7-. alone in /mono", "", ""},
		{"a work tree that is gone, in its folder", at("mono/apps/web", "9", nil), "9-web in /mono/apps/web", "", ""},
		{
			"a work tree that is gone, in another", at("mono", "9", nil),
			"new in /mono",
			"error: loom 9 has no project in ., it has apps/api, apps/web",
			"9-api in /mono/apps/api",
		},
		{"a work tree that is gone, by name", at("mono", "9", named("apps/api")), "9-api alone in /mono/apps/api", "", ""},
		{"a work tree that is gone, by the path it had", at("mono", "9", named(m.Path("gone", "apps", "api"))), "9-api alone in /mono/apps/api", "", ""},
		{
			"a work tree that is gone, of one project", at("mono", "12", nil),
			"new in /mono",
			"12-web in /mono/apps/web",
			"",
		},
		{"a work tree that is gone, of one project, in its folder", at("mono/apps/web", "12", nil), "12-web in /mono/apps/web", "", ""},
		{"a folder that is not known", at("mono/apps/api", "13", nil), "13-lost in /mono/apps/api", "", ""},
		{
			"a folder that is not known, named", at("mono/apps/api", "13", named("apps/api")),
			"new in /mono/apps/api",
			"error: loom 13 has no project in apps/api, it has ",
			"",
		},
		{"dev container, at its workspace", at("mono", "14", nil), "14-dev in /mono", "", ""},
		{"dev container, below its workspace", at("mono/docs", "14", nil), "14-dev in /mono/docs", "", ""},
		{"dev container, in the folder of its files", at("mono/apps/web", "14", nil), "14-dev in /mono/apps/web", "", ""},
		{"dev container, beside it", at("mono/apps/api", "14", nil), "14-api in /mono/apps/api", "", ""},
		{"dev container, --project .", at("mono/apps/api", "14", named(".")), "14-dev alone in /mono", "", ""},
		{"dev container, --project of its files", at("mono/apps/api", "14", named("apps/web")), "14-dev alone in /mono", "", ""},
	} {
		m.check(tc.name, tc.where, tc.making, tc.reading, tc.ending)
	}
}

func TestProjectsThatComeUpTogetherAreThoseOfTheTop(t *testing.T) {
	t.Parallel()
	m := newMonorepo(t, "apps/web", "apps/api")
	m.Write(`{"container": {"projects": ["apps/web", "apps/api"]}}`, "mono", ".iloom", "settings.json")
	together := func(w *Where) { w.Together = true }
	for _, tc := range []struct {
		name  string
		where Where
		want  []string
	}{
		{"at the top", at(m.repo, "7", together), []string{"apps/web", "apps/api"}},
		{"in a folder", at(m.Path("mono", "apps", "web"), "7", together), nil},
		{"a project is named", at(m.repo, "7", func(w *Where) { w.Together, w.Project = true, "apps/api" }), nil},
		{"files are named", at(m.repo, "7", func(w *Where) { w.Together, w.Source.Files = true, []string{"apps/web/compose.yaml"} }), nil},
	} {
		target, err := m.finder.Resolve(t.Context(), tc.where, Making)
		assert.NilError(t, err, tc.name)
		assert.DeepEqual(t, target.Together, tc.want)
	}
	// Each of them is found in its folder, whether the loom has it already or not.
	m.has("7", m.repo, "apps/api")
	target, err := m.finder.Resolve(t.Context(), at(m.repo, "7", together), Making)
	assert.NilError(t, err)
	web, err := ProjectIn(target, "apps/web")
	assert.Assert(t, err == nil && web.Known == nil && web.Source.Dir == m.Path("mono", "apps", "web") && !web.Part)
	api, err := ProjectIn(target, "apps/api")
	assert.Assert(t, err == nil && api.Known.Project == "7-api" && api.Source.Dir == m.Path("mono", "apps", "api") && !api.Part)
	_, err = ProjectIn(target, "apps/none")
	assert.Error(t, err, "--project apps/none: no such folder in "+m.repo)
}

func TestAServiceChoosesTheOnlyProjectThatHasIt(t *testing.T) {
	t.Parallel()
	m := newMonorepo(t, "apps/web", "apps/api", "apps/tools")
	m.has("7", m.repo, "apps/web", "apps/api")
	services := func(_ context.Context, t *Target) ([]string, error) {
		return map[string][]string{"7-web": {"web", "db"}, "7-api": {"api", "db"}}[t.Known.Project], nil
	}
	for _, tc := range []struct {
		name, dir string
		words     []string
		want      string
	}{
		{"one has it", "mono", []string{"7", "api", "db"}, "7-api [api db]"},
		{"both have it", "mono", []string{"7", "db"}, "error: service db is in several projects of loom 7: apps/api, apps/web"},
		{"none has it", "mono", []string{"7", "cache"}, "error: loom 7 has several projects: apps/api, apps/web"},
		{"none is named", "mono", []string{"7"}, "error: loom 7 has several projects: apps/api, apps/web"},
		{"in a folder it is that folder's", "mono/apps/web", []string{"7", "db"}, "7-web [db]"},
		{"the folder's loom, one has it", "mono", []string{"web"}, "7-web [web]"},
		{"the folder's loom, both have it", "mono", []string{"db"}, "error: service db is in several projects of loom 7: apps/api, apps/web"},
	} {
		q := Query{Words: tc.words, Purpose: Reading, Services: services}
		q.Source.Dir = m.Path(filepath.FromSlash(tc.dir))
		target, rest, err := m.finder.Find(t.Context(), q)
		got := fmt.Sprint("error: ", err)
		if err == nil {
			got = fmt.Sprint(target.Known.Project, " ", rest)
		}
		assert.Check(t, got == tc.want, "%s: %s", tc.name, got)
	}
}

func TestErrorsAboutProjectsSayHowToChooseOne(t *testing.T) {
	t.Parallel()
	folders := []string{"apps/api", "apps/web"}
	for _, tc := range []struct {
		err  interface{ NextStep() string }
		want string
	}{
		{&SeveralProjectsError{ID: "7", Folders: folders}, "choose one: --project apps/api, --project apps/web"},
		{
			&UnknownProjectError{ID: "7", Folder: "apps/tools", Folders: folders},
			"docker loom up 7 --project apps/tools makes it; those that are there: --project apps/api, --project apps/web",
		},
		{
			&NoProjectHereError{ID: "7", Dir: "/mono", Folders: folders},
			"choose one: --project apps/api, --project apps/web; or list in container.projects of .iloom/settings.json those that up brings up together",
		},
	} {
		assert.Equal(t, tc.err.NextStep(), tc.want)
	}
}

func TestALoomOfSeveralProjectsIsAddressedFromAnotherRepository(t *testing.T) {
	t.Parallel()
	m := newMonorepo(t, "apps/web", "apps/api")
	m.has("7", m.repo, "apps/web", "apps/api")
	here := m.Repo("here")
	assert.Equal(t, m.chosen(at(here, "mono/7", nil), Ending), "7-api in /mono/apps/api")
	all, err := m.finder.Everywhere(t.Context(), stack.Source{Dir: here})
	assert.NilError(t, err)
	assert.Equal(t, len(all), 1)
	assert.DeepEqual(t, Folders(all[0].Projects), []string{"apps/api", "apps/web"})
}
