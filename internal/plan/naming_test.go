package plan

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// monorepo is a repository with a project in each of some folders, and its looms.
type monorepo struct {
	path string
	// folders are those that have a compose file.
	folders []string
	// format is the template of the settings for names.
	format string
	state  *registry.State
}

// dirOf is a folder of the repository, or one outside.
func (r monorepo) dirOf(folder string) string {
	if filepath.IsAbs(folder) {
		return folder
	}
	return filepath.Join(r.path, filepath.FromSlash(folder))
}

// facts are what up of a loom finds in a folder.
func (r monorepo) facts(folder, id string) *survey.Facts {
	dir := r.dirOf(folder)
	t := &survey.Target{
		ID: id, Repository: r.path, WorkTree: r.path, Source: stack.Source{Dir: dir, Top: r.path},
		Projects: registry.Clones(r.state.Projects(r.path, id)), State: r.state,
	}
	t.Known = registry.InTree(t.Projects, r.path, dir)
	f := &survey.Facts{
		Target: t, State: r.state, Space: "local", Folders: slices.Clone(r.folders), Settings: new(settings.Settings),
		Found: &stack.Found{Dir: dir},
	}
	f.Settings.Container.Enabled, f.Settings.Container.ProjectName = true, r.format
	return f
}

// identify brings a project of a loom up as far as its name, and notes it.
func (r monorepo) identify(folder, id string) (registry.Loom, error) {
	e, err := Identify(r.facts(folder, id), Choices{})
	if err == nil {
		r.state.Put(e)
	}
	return e, err
}

func TestTheNameOfAProjectFollowsItsFolder(t *testing.T) {
	t.Parallel()
	hash := func(folder, id string) string { return "-" + identity.ShortHash(folder+"\x00"+id) }
	shop := "-" + identity.ShortHash("/src/shop")
	for _, tc := range []struct {
		name    string
		folders []string
		format  string
		known   []registry.Loom
		folder  string
		id      string
		want    string
	}{
		{"the root", []string{"."}, "", nil, ".", "7", "iloom-shop-7"},
		{"the root beside others", []string{".", "apps/web"}, "", nil, ".", "7", "iloom-shop-7"},
		{"beside the root", []string{".", "apps/web"}, "", nil, "apps/web", "7", "iloom-shop-web-7"},
		{"the only folder", []string{"apps/web"}, "", nil, "apps/web", "7", "iloom-shop-7"},
		{"one of two", []string{"apps/api", "apps/web"}, "", nil, "apps/web", "7", "iloom-shop-web-7"},
		{"a folder that is not listed is not the only one", []string{"apps/web"}, "", nil, "tools", "7", "iloom-shop-tools-7"},
		{"two that end alike", []string{"a/web", "b/web"}, "", nil, "a/web", "7", "iloom-shop-web-7" + hash("a/web", "7")},
		{"two that end alike but for what Compose allows", []string{"Web", "b/web"}, "", nil, "b/web", "7", "iloom-shop-web-7" + hash("b/web", "7")},
		{
			"two that begin alike and are cut",
			[]string{"the-first-of-all-our-applications-a", "the-first-of-all-our-applications-b"},
			"", nil,
			"the-first-of-all-our-applications-a", "1",
			"iloom-shop-the-first-of-all-our-applicati-1" + hash("the-first-of-all-our-applications-a", "1"),
		},
		{"folder and id read like another id", []string{"api", "web"}, "", nil, "web", "app-7", "iloom-shop-web-app-7" + hash("web", "app-7")},
		{"without letters", []string{"api", "日本"}, "", nil, "日本", "7", "iloom-shop-7" + hash("日本", "7")},
		{"called as the repository", []string{".", "shop"}, "", nil, "shop", "7", "iloom-shop-shop-7" + hash("shop", "7")},
		{
			"repository and folder read like another repository",
			[]string{"api", "web"},
			"",
			[]registry.Loom{{ID: "1", Repository: "/src/shop-web", Project: "iloom-shop-web-1"}},
			"web", "7", "iloom-shop" + shop + "-web-7",
		},
		{
			"another repository of the same name",
			[]string{"api", "web"},
			"",
			[]registry.Loom{{ID: "1", Repository: "/b/shop", Project: "iloom-shop-1"}},
			"web", "7", "iloom-shop" + shop + "-web-7",
		},
		{
			"the only folder no more, which a project has that was there before",
			[]string{"apps/api", "apps/web"},
			"",
			[]registry.Loom{{ID: "7", Project: "iloom-shop-7", Dir: "apps/web"}},
			"apps/web", "7", "iloom-shop-7",
		},
		{
			"beside one that has the plain name already",
			[]string{".", "apps/web"},
			"",
			[]registry.Loom{{ID: "7", Project: "iloom-shop-7", Dir: "apps/web"}},
			".", "7", "iloom-shop-shop-7",
		},
		{
			"beside one that has it with the repository's hash",
			[]string{".", "apps/web"},
			"",
			[]registry.Loom{{ID: "7", Project: "iloom-shop" + shop + "-7", Dir: "apps/web"}},
			".", "7", "iloom-shop-shop-7",
		},
		{
			"another loom has a plain name",
			[]string{".", "apps/web"},
			"",
			[]registry.Loom{{ID: "8", Project: "iloom-shop-8", Dir: "apps/web"}},
			".", "7", "iloom-shop-7",
		},
		{"a folder outside always has a hash", []string{"web"}, "", nil, "/srv/tools", "7", "iloom-shop-tools-7" + hash("/srv/tools", "7")},
		{"a template with the folder", []string{"api", "web"}, "{{.Repo}}-{{.Folder}}-{{.ID}}", nil, "web", "7", "shop-web-7"},
		{"a template without it", []string{"api", "web"}, "x{{.ID}}", nil, "web", "7", "x7-web"},
		{"a template and the only folder", []string{"web"}, "x{{.ID}}", nil, "web", "7", "x7"},
	} {
		r := monorepo{path: "/src/shop", folders: tc.folders, format: tc.format, state: new(registry.State)}
		for _, k := range tc.known {
			if k.Repository == "" {
				k.Repository, k.WorkTree, k.Dir = r.path, r.path, r.dirOf(k.Dir)
			}
			r.state.Put(k)
		}
		e, err := r.identify(tc.folder, tc.id)
		assert.Check(t, err == nil && e.Project == tc.want, "%s: %s, %v, want %s", tc.name, e.Project, err, tc.want)
	}
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// drawMonorepo draws a repository whose folders and ids are easily confused.
func drawMonorepo(t *rapid.T) (r monorepo, all, ids []string) {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"web", "Web", "the-first-of-all-our-applications-a", "the-first-of-all-our-applications-b"}),
		rapid.SampledFrom([]string{"api", "eng", "pr", "web-app", "日本", "7", "shop", "_x"}),
		rapid.StringMatching(`[a-z]{1,2}(-[a-z0-9]{1,2}){0,2}`),
	)
	folder := rapid.Custom(func(t *rapid.T) string {
		above := rapid.SampledFrom([]string{"", "", "apps/", "a/b/"}).Draw(t, "above")
		return above + part.Draw(t, "folder")
	})
	r = monorepo{path: "/src/shop", state: new(registry.State)}
	r.folders = rapid.SliceOfNDistinct(rapid.OneOf(rapid.Just("."), folder), 1, 6, rapid.ID[string]).Draw(t, "folders")
	slices.Sort(r.folders)
	r.format = rapid.SampledFrom([]string{"", "", "{{.Repo}}-{{.ID}}", "{{.Folder}}-{{.Repo}}-{{.ID}}"}).Draw(t, "format")
	all = slices.Clone(r.folders)
	if rapid.Bool().Draw(t, "outside") {
		all = append(all, "/srv/web", "/srv/tools")
	}
	typed := rapid.OneOf(rapid.SampledFrom([]string{"7", "8", "ENG-7", "pr/45", "app-7", "web-7", "feat/x", "feat-x", "x-7", "web-app-7"}),
		rapid.StringMatching(`[a-z]{1,2}(-[a-z0-9]{1,2}){0,2}`))
	for _, typed := range rapid.SliceOfNDistinct(typed, 1, 4, rapid.ID[string]).Draw(t, "ids") {
		id, err := identity.ParseID(typed)
		assert.NilError(t, err)
		if !slices.Contains(ids, id) && id != identity.Main {
			ids = append(ids, id)
		}
	}
	return r, all, ids
}

func TestNamesOfProjectsAreApartAndDoNotDependOnWhatComesUpFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, folders, ids := drawMonorepo(t)
		type key struct{ folder, id string }
		var ups []key
		for _, folder := range folders {
			for _, id := range ids {
				ups = append(ups, key{folder, id})
			}
		}
		var first map[key]string
		for round := range 2 {
			r.state = new(registry.State)
			names, owners := map[key]string{}, map[string]key{}
			order := rapid.Permutation(ups).Draw(t, fmt.Sprint("order ", round))
			// Some come up a second time.
			order = append(order, order[:len(order)/2]...)
			for _, up := range order {
				e, err := r.identify(up.folder, up.id)
				assert.NilError(t, err)
				assert.Assert(t, validName.MatchString(e.Project) && len(e.Project) <= 120, e.Project)
				if before, known := names[up]; known {
					assert.Equal(t, e.Project, before, "a name that is known stays")
				}
				if owner, taken := owners[e.Project]; taken && owner != up {
					t.Fatalf("%v and %v are both %s", owner, up, e.Project)
				}
				names[up], owners[e.Project] = e.Project, up
			}
			if round == 0 {
				first = names
			}
			assert.DeepEqual(t, names, first)
			assert.Equal(t, len(r.state.Looms), len(ups))
		}
	})
}

func TestAKnownNameStaysWhateverTheRepositoryBecomes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, folders, ids := drawMonorepo(t)
		names := map[string]string{}
		for range 12 {
			folder, id := rapid.SampledFrom(folders).Draw(t, "folder"), rapid.SampledFrom(ids).Draw(t, "id")
			later, _, _ := drawMonorepo(t)
			r.folders = later.folders
			r.format = rapid.SampledFrom([]string{"", later.format, "x", "{{.Repo}}"}).Draw(t, "format")
			e, err := r.identify(folder, id)
			assert.NilError(t, err)
			if name, known := names[folder+" "+id]; known {
				assert.Equal(t, e.Project, name)
			}
			names[folder+" "+id] = e.Project
		}
		seen := map[string]bool{}
		for _, k := range r.state.Looms {
			assert.Assert(t, !seen[k.Project], "%s is twice", k.Project)
			seen[k.Project] = true
		}
	})
}
