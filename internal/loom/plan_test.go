package loom

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// told is what the plan will do to the disk, as lines: paths and texts relative to the project's folder.
func told(p *Plan, dir string) string {
	var b strings.Builder
	rel := func(path string) string {
		if r, err := filepath.Rel(dir, path); err == nil {
			return filepath.ToSlash(r)
		}
		return path
	}
	for _, f := range p.Files {
		what := "write"
		if f.Content == nil {
			what = "remove"
		}
		fmt.Fprintf(&b, "%s %s\n", what, rel(f.Path))
	}
	for _, e := range p.Excluded {
		fmt.Fprintf(&b, "exclude %s\n", e)
	}
	for _, v := range p.Env {
		if v.Name == "COMPOSE_FILE" {
			fmt.Fprintf(&b, "COMPOSE_FILE %s\n", v.Value)
		}
	}
	for _, f := range p.Findings {
		if strings.HasPrefix(f.Subject, "file .env") && f.Level != finding.Info {
			fmt.Fprintf(&b, "%s: %s\n", f.Level, f.Message)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestGeneratedFilesFitWhatTheProjectHas(t *testing.T) {
	t.Parallel()
	const (
		loomOverride = "# Made by docker loom for shop/123. It keeps\n"
		plainHost    = "stays as it is: programs on the host do not find the loom's ports there"
		plainCompose = "stays as it is: plain docker compose in this folder acts on another project"
	)
	for _, tc := range []struct {
		name    string
		files   map[string]string
		tracked string // a path to add to git
		link    string // a symbolic link to make .env of
		want    string
	}{
		{
			name: "a compose file and nothing else",
			want: "write compose.override.yaml\nwrite .env\nexclude /compose.override.yaml\nexclude /.env",
		},
		{
			name: "the user's .env", files: map[string]string{".env": "A=1"},
			want: "write compose.override.yaml\nwrite .env\nexclude /compose.override.yaml",
		},
		{
			name: "an override of the user's own", files: map[string]string{"docker-compose.override.yml": "services: {}\n"},
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nexclude /.env\n" +
				"COMPOSE_FILE compose.yaml:docker-compose.override.yml:.iloom/compose.loom.yaml",
		},
		{
			name: "an override of our own", files: map[string]string{"compose.override.yaml": loomOverride},
			want: "write compose.override.yaml\nwrite .env\nexclude /compose.override.yaml\nexclude /.env",
		},
		{
			name: "the user made an override since", files: map[string]string{".iloom/compose.loom.yaml": loomOverride, "compose.override.yml": "services: {}\n"},
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nexclude /.env\n" +
				"COMPOSE_FILE compose.yaml:compose.override.yml:.iloom/compose.loom.yaml",
		},
		{
			name: "the user took the override away", files: map[string]string{".iloom/compose.loom.yaml": loomOverride},
			want: "write compose.override.yaml\nremove .iloom/compose.loom.yaml\nwrite .env\nexclude /compose.override.yaml\nexclude /.env",
		},
		{
			name: "an override that git tracks and the user deleted", files: map[string]string{"compose.override.yaml": "services: {}\n"}, tracked: "compose.override.yaml -gone",
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nexclude /.env\n" +
				"COMPOSE_FILE compose.yaml:.iloom/compose.loom.yaml",
		},
		{
			name: "COMPOSE_FILE", files: map[string]string{".env": "COMPOSE_FILE=compose.yaml:more.yaml\n", "more.yaml": "services: {}\n"},
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nCOMPOSE_FILE compose.yaml:more.yaml:.iloom/compose.loom.yaml",
		},
		{
			name: "COMPOSE_FILE with a separator of its own", files: map[string]string{".env": "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=compose.yaml,more.yaml\n", "more.yaml": "services: {}\n"},
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nCOMPOSE_FILE compose.yaml,more.yaml,.iloom/compose.loom.yaml",
		},
		{
			name: "a Dockerfile alone", files: map[string]string{"compose.yaml": "", "Dockerfile": "FROM scratch\nEXPOSE 3000\n"},
			want: "write .iloom/compose.loom.yaml\nwrite .env\nexclude /.iloom/compose.loom.yaml\nexclude /.env\nCOMPOSE_FILE .iloom/compose.loom.yaml",
		},
		{
			name: "a tracked .env", files: map[string]string{".env": "A=1\n"}, tracked: ".env",
			want: "write compose.override.yaml\nexclude /compose.override.yaml\nwarning: is tracked by git and " + plainHost,
		},
		{
			name: "a tracked .env that names the project", files: map[string]string{".env": "export COMPOSE_PROJECT_NAME=mine\n"}, tracked: ".env",
			want: "write compose.override.yaml\nexclude /compose.override.yaml\nerror: is tracked by git and " + plainCompose,
		},
		{
			name: "a tracked .env where COMPOSE_FILE would be needed", files: map[string]string{".env": "A=1\n", "compose.override.yml": "services: {}\n"}, tracked: ".env",
			want: "write .iloom/compose.loom.yaml\nexclude /.iloom/compose.loom.yaml\nCOMPOSE_FILE compose.yaml:compose.override.yml:.iloom/compose.loom.yaml\n" +
				"error: is tracked by git and " + plainCompose,
		},
		{
			name: "a .env that is a link", files: map[string]string{"../secrets/env": "A=1\n"}, link: "../secrets/env",
			want: "write compose.override.yaml\nexclude /compose.override.yaml\nwarning: is a symbolic link and " + plainHost,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			repo := w.Repo("shop")
			for name, text := range tc.files {
				if text == "" {
					assert.NilError(t, os.Remove(filepath.Join(repo, name)))
					continue
				}
				w.Write(text, "shop", name)
			}
			if tc.link != "" {
				assert.NilError(t, os.Symlink(tc.link, filepath.Join(repo, ".env")))
			}
			if name, gone := strings.CutSuffix(tc.tracked, " -gone"); name != "" {
				w.Git(repo, "add", "-f", name)
				if gone {
					assert.NilError(t, os.Remove(filepath.Join(repo, name)))
				}
			}
			p := w.mustPlan(repo, "123", Options{})
			assert.Equal(t, told(p, repo), tc.want)
		})
	}
}

func TestGeneratedFilesOfAProjectBelowTheTopAreExcludedWhereTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	w.Write(worldtest.Shop, "shop", "deploy [x]", "compose.yaml")
	repo := w.Repo("shop")
	p := w.mustPlan(filepath.Join(repo, "deploy [x]"), "123", Options{})
	assert.DeepEqual(t, p.Excluded, []string{`/deploy \[x]/compose.override.yaml`, `/deploy \[x]/.env`})
}

func TestWithoutGitNothingIsExcluded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	w.Write(worldtest.Shop, "plain", "compose.yaml")
	p := w.mustPlan(w.Path("plain"), "123", Options{})
	assert.Equal(t, told(p, w.Path("plain")), "write compose.override.yaml\nwrite .env")
}

func TestASecondLoomInAFolderRunsFromMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	first := w.filesUp(repo, "123")
	second := w.mustPlan(repo, "124", Options{})
	assert.Equal(t, len(second.Files)+len(second.Excluded), 0)
	assert.Assert(t, second.Notes[len(second.Notes)-1] == "the generated files of "+repo+" belong to loom 123: loom 124 runs from memory, and plain docker compose there does not see it")
	assert.DeepEqual(t, hostPorts(second), []int{4124, 8204})
	assert.Equal(t, w.State().FilesOwner(repo).ID, "123")
	// Where the first was taken down, the folder is free for the other.
	w.Know(registry.Loom{ID: "123", Repository: repo, Project: first.Entry.Project, WorkTree: repo, Dir: repo, Ports: first.Entry.Ports})
	assert.Equal(t, told(w.mustPlan(repo, "124", Options{}), repo), "write compose.override.yaml\nwrite .env\nexclude /compose.override.yaml\nexclude /.env")
}

func TestTwoLoomsNeverWriteTheSameData(t *testing.T) {
	t.Parallel()
	const data = "services:\n  db:\n    image: postgres\n    volumes: [%s]\n"
	for _, tc := range []struct {
		name, bind string
		git        bool
		first      string // who has the folder: a loom's id, compose for plain docker compose, main
		refused    string
	}{
		{"an untracked folder", "./data:/x", true, "123", "service db writes data to DIR/data, which loom 123 in this folder uses too"},
		{"source", "./src:/x", true, "123", ""},
		{"the whole work tree", ".:/x", true, "123", ""},
		{"read-only", "./data:/x:ro", true, "123", ""},
		{"outside of the work tree", "../data:/x", true, "123", ""},
		{"without git, where databases write", "./data:/var/lib/postgresql/data", false, "123", "service db writes data to DIR/data, which loom 123 in this folder uses too"},
		{"without git, anywhere else", "./data:/app", false, "123", ""},
		{"main's", "./data:/x", true, Main, "service db writes data to DIR/data, which loom main in this folder uses too"},
		{"plain docker compose's", "./data:/x", true, "compose", "service db writes data to DIR/data, which loom main in this folder uses too"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			dir := w.Path("shop")
			w.Write(fmt.Sprintf(data, tc.bind), "shop", "compose.yaml")
			w.Write("", "shop", "src", "file")
			if tc.git {
				w.Git(dir, "init", "-q")
				w.Git(dir, "add", ".")
				w.Git(dir, "commit", "-q", "-m", "first")
			}
			w.Write("", "shop", "data", "file")
			labels := map[string]string{stack.LabelWorkingDir: dir}
			switch tc.first {
			case Main:
				labels[engine.LabelLoom], labels[engine.LabelRepo] = Main, dir
				w.Run(worldtest.Container{Name: "shop-db-1", Project: "shop", Service: "db", Labels: labels})
			case "compose":
				w.Run(worldtest.Container{Name: "shop-db-1", Project: "shop", Service: "db", Labels: labels})
			default:
				w.mustPlan(dir, tc.first, Options{})
			}
			_, err := w.plan(dir, "124", Options{})
			if tc.refused == "" {
				assert.NilError(t, err)
				return
			}
			var shared *plan.SharedDataError
			assert.Assert(t, errors.As(err, &shared), "%v", err)
			assert.Equal(t, strings.ReplaceAll(err.Error(), dir, "DIR"), tc.refused)
			assert.Assert(t, w.State().Find(dir, "124") == nil, "a refused loom leases nothing")
			if tc.first != "123" {
				// main itself may go on.
				w.mustPlan(dir, Main, Options{})
			}
		})
	}
}

func TestMainWouldShareDataWithALoomThatRunsInItsFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	dir := w.Path("plain")
	w.Write("services:\n  db:\n    image: postgres\n    volumes: [./data:/var/lib/postgresql/data]\n", "plain", "compose.yaml")
	p := w.mustPlan(dir, "123", Options{})
	w.mustPlan(dir, Main, Options{})
	w.Run(worldtest.Container{Name: "x", Project: p.Entry.Project, Service: "db", Labels: map[string]string{engine.LabelLoom: "123", engine.LabelRepo: dir, stack.LabelWorkingDir: dir}})
	_, err := w.plan(dir, Main, Options{})
	var shared *plan.SharedDataError
	assert.Assert(t, errors.As(err, &shared), "%v", err)
	assert.Equal(t, shared.Other, "123")
	w.mustPlan(dir, "123", Options{})
}

func TestMainIsWhatPlainComposeMakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	p := w.mustPlan(repo, "", Options{})
	assert.Equal(t, p.ID, Main)
	assert.Equal(t, p.Project.Name, "shop")
	assert.Equal(t, len(p.Files)+len(p.Env)+len(p.Edits)+len(p.Override)+len(p.Excluded), 0)
	assert.Equal(t, p.Project.Services["web"].Ports[0].Published, "8080")
	_, labelled := p.Project.Services["web"].Labels[engine.LabelLoom]
	assert.Assert(t, !labelled, "labels are hashed")
	k := w.State().Find(repo, Main)
	assert.Equal(t, len(k.Ports), 0, "main promises nothing")
	assert.Equal(t, k.Files, false)

	// A new name in the files is what docker compose up would use now.
	w.Write("name: renamed\n"+worldtest.Shop, "shop", "compose.yaml")
	assert.Equal(t, w.mustPlan(repo, "", Options{}).Project.Name, "renamed")
	assert.Equal(t, w.State().Find(repo, Main).Project, "renamed")
}

func TestMainWithAnOffsetIsALoomOfTheSameName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	thousand := 1000
	p := w.mustPlan(repo, "main", Options{Offset: &thousand})
	assert.Equal(t, p.Project.Name, "shop")
	assert.DeepEqual(t, hostPorts(p), []int{5000, 9080})
	assert.Equal(t, told(p, repo), "write compose.override.yaml\nwrite .env\nexclude /compose.override.yaml\nexclude /.env")
	assert.Assert(t, strings.Contains(string(p.Override), "name: shop\n"))
	assert.Equal(t, p.Project.Networks["default"].Name, "shop_default")
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "main", Options{})), []int{5000, 9080})
	assert.DeepEqual(t, w.mustPlan(repo, "123", Options{DryRun: true}).Notes, []string{
		"no work tree belongs to 123: using this folder, " + repo,
		"the generated files of " + repo + " belong to loom main: loom 123 runs from memory, and plain docker compose there does not see it",
	})
}

func TestLoomsKeepTheirNamesAndNeverTakeAnothers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	a, b, c := w.Repo("a", "shop"), w.Repo("b", "shop"), w.Repo("c", "a-shop")
	other := map[string]string{engine.LabelLoom: "77", engine.LabelRepo: "/home/bob/shop"}
	w.Run(worldtest.Container{Name: "bobs", Project: "iloom-a-shop-77", Service: "web", Labels: other})

	assert.Equal(t, w.mustPlan(a, "123", Options{}).Entry.Project, "iloom-shop-123")
	assert.Equal(t, w.mustPlan(b, "123", Options{}).Entry.Project, "iloom-shop-"+identity.ShortHash(b)+"-123", "another repository has the name")
	assert.Equal(t, w.mustPlan(b, "5", Options{}).Entry.Project, "iloom-shop-"+identity.ShortHash(b)+"-5")
	assert.Equal(t, w.mustPlan(a, "123", Options{}).Entry.Project, "iloom-shop-123", "it stays")
	assert.Equal(t, w.mustPlan(c, "123", Options{}).Entry.Project, "iloom-a-shop-123")
	assert.Equal(t, w.mustPlan(c, "77", Options{}).Entry.Project, "iloom-a-shop-"+identity.ShortHash(c)+"-77", "another user's registry has the name")

	w.Write(`{"container": {"projectName": "{{.Repo}}"}}`, "c", "a-shop", ".iloom", "settings.json")
	assert.Equal(t, w.mustPlan(c, "6", Options{}).Entry.Project, "a-shop")
	assert.Equal(t, w.mustPlan(c, "7", Options{}).Entry.Project, "a-shop-"+identity.ShortHash(c)+"-"+identity.ShortHash(c+"\x007"), "a template that does not name the id")
	assert.Equal(t, w.mustPlan(c, "123", Options{}).Entry.Project, "iloom-a-shop-123", "a template is for new looms")
}

// Every process reads the registry, plans, and leases last: what they chose by then may be somebody else's.
func TestLoomsThatAreMadeAtOnceShareNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	var dirs, ids []string
	for i := range 6 {
		dirs, ids = append(dirs, w.Repo(fmt.Sprint(i), "shop")), append(ids, "123")
	}
	for i := range 6 {
		dirs, ids = append(dirs, dirs[0]), append(ids, fmt.Sprint(200+i))
	}
	errs := make([]error, len(dirs))
	var all sync.WaitGroup
	for i := range dirs {
		all.Go(func() {
			_, _, errs[i] = w.looms.Up(t.Context(), UpRequest{Where: in(dirs[i], ids[i]), FilesOnly: true})
		})
	}
	all.Wait()
	assert.NilError(t, errors.Join(errs...))

	projects, owners := map[string]bool{}, map[string]int{}
	var taken ports.Index
	for _, k := range w.State().Looms {
		assert.Assert(t, !projects[k.Project], "two looms are project %s", k.Project)
		projects[k.Project] = true
		if k.Files {
			owners[k.Dir]++
		}
		for _, lease := range k.Ports {
			holder, has := taken.Taken(lease)
			assert.Assert(t, !has, "%s and %s share %s", holder, k.Name(), lease)
			taken.Add(k.Name(), lease)
		}
	}
	assert.Equal(t, len(projects), 12)
	for dir, n := range owners {
		assert.Equal(t, n, 1, dir)
	}
	assert.Equal(t, len(owners), 6)
}

func TestOneLoomThatIsMadeTwiceAtOnceIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	plans := make([]*Plan, 6)
	errs := make([]error, len(plans))
	var all sync.WaitGroup
	for i := range plans {
		all.Go(func() {
			plans[i], _, errs[i] = w.looms.Up(t.Context(), UpRequest{Where: in(repo, "123"), FilesOnly: true})
		})
	}
	all.Wait()
	assert.NilError(t, errors.Join(errs...))
	assert.Equal(t, len(w.State().Looms), 1)
	for _, p := range plans {
		assert.Equal(t, p.Entry.Project, "iloom-shop-123")
		assert.DeepEqual(t, p.Entry.Ports, plans[0].Entry.Ports)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	p, result, err := w.looms.Up(t.Context(), UpRequest{Where: in(repo, "123"), Options: Options{DryRun: true}})
	assert.NilError(t, err)
	assert.Assert(t, result == nil)
	assert.DeepEqual(t, hostPorts(p), []int{4123, 8203})
	_, err = os.Stat(w.Path("registry"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	entries, err := os.ReadDir(repo)
	assert.NilError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.DeepEqual(t, names, []string{".git", "compose.yaml"})
	for _, r := range w.Requests() {
		assert.Assert(t, strings.HasPrefix(r, "GET ") || strings.HasPrefix(r, "HEAD "), r)
	}
}

func TestFilesOnlyWritesWhatThePlanSaysAndThenNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Write("A=1", "shop", ".env")
	up := func() *Result {
		t.Helper()
		_, result, err := w.looms.Up(t.Context(), UpRequest{Where: in(repo, "123"), FilesOnly: true})
		assert.NilError(t, err)
		return result
	}
	result := up()
	assert.Equal(t, len(result.Ports), 2)
	env, err := os.ReadFile(filepath.Join(repo, ".env"))
	assert.NilError(t, err)
	assert.Equal(t, string(env), "A=1\n# >>> docker loom 123 (no newline before)\nCOMPOSE_PROJECT_NAME=\"iloom-shop-123\"\nILOOM_LOOM=\"123\"\n"+
		"API_PORT=\"4123\"\nILOOM_PORT_API=\"4123\"\nILOOM_PORT_WEB=\"8203\"\n# <<< docker loom\n")
	exclude, err := os.ReadFile(filepath.Join(repo, ".git", "info", "exclude"))
	assert.NilError(t, err)
	assert.Assert(t, strings.HasPrefix(string(exclude), "# docker loom 123\n/compose.override.yaml\n# end of docker loom 123\n"))
	before, err := os.Stat(w.looms.Registry.Path())
	assert.NilError(t, err)
	second := up()
	assert.DeepEqual(t, second, result)
	after, err := os.Stat(w.looms.Registry.Path())
	assert.NilError(t, err)
	assert.Assert(t, os.SameFile(before, after), "the registry was written again")
}

func TestSwitchedOffSettingsStopALoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	file := w.Write(`{"container": {"enabled": false}}`, "shop", ".iloom", "settings.json")
	_, err := w.plan(repo, "123", Options{})
	var disabled *plan.DisabledError
	assert.Assert(t, errors.As(err, &disabled))
	assert.Error(t, err, "container.enabled is false in the settings ("+file+")")
	assert.Assert(t, w.State().Fresh)
}

func TestADockerfilesPortComesFromTheSettingsElseFromExpose(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, dockerfile, settings string
		published                  string
		target                     uint32
	}{
		{"EXPOSE", "EXPOSE 3000", "", "3123", 3000},
		{"the settings' only port", "EXPOSE 3000", `{"container": {"ports": {"API": 4000}}}`, "4123", 3000},
		{"the settings' WEB", "EXPOSE 3000", `{"container": {"ports": {"API": 4000, "WEB": 5000}}}`, "5123", 3000},
		{"several, none of them WEB", "EXPOSE 3000", `{"container": {"ports": {"API": 4000, "OTHER": 5000}}}`, "3123", 3000},
		{"the web server's base port", "EXPOSE 3000", `{"capabilities": {"web": {"basePort": 6000}}}`, "6123", 3000},
		{"no EXPOSE", "", `{"container": {"ports": {"WEB": 5000}}}`, "5123", 5000},
		{"neither", "", "", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			file := w.Write("FROM scratch\n"+tc.dockerfile+"\n", "app", "Dockerfile")
			if tc.settings != "" {
				w.Write(tc.settings, "app", ".iloom", "settings.json")
			}
			p, err := w.plan(w.Path("app"), "123", Options{})
			if tc.published == "" {
				var none *survey.NoPortError
				assert.Assert(t, errors.As(err, &none))
				assert.Error(t, err, file+": no port to publish: the settings give none and there is no EXPOSE")
				return
			}
			assert.NilError(t, err)
			port := p.Project.Services[stack.DockerfileService].Ports[0]
			assert.Equal(t, port.Published, tc.published)
			assert.Equal(t, port.Target, tc.target)
		})
	}
}

func TestVariablesFollowOnlyWhereNothingElseWouldChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Path("shop")
	w.Write(`services:
  web:
    image: nginx
    ports: ["${WEB_PORT:-3000}:80", "${ILOOM_PORT_ADMIN:-9000}:90"]
    environment: {URL: "http://localhost:${WEB_PORT:-3000}/"}
  db:
    image: postgres
    ports: ["${DB_PORT:-5432}:5432"]
  api:
    image: api
    environment: {DSN: "postgres://db:${DB_PORT:-5432}/x"}
`, "shop", "compose.yaml")
	p := w.mustPlan(repo, "123", Options{})
	assert.DeepEqual(t, p.Entry.Variables, map[string]string{"WEB_PORT": "3000", "ILOOM_PORT_ADMIN": "9000"})
	env := map[string]string{}
	for _, v := range p.Env {
		env[v.Name] = v.Value
	}
	assert.DeepEqual(t, env, map[string]string{
		"COMPOSE_PROJECT_NAME": "iloom-shop-123", "ILOOM_LOOM": "123", "WEB_PORT": "3123",
		"ILOOM_PORT_WEB_80": "3123", "ILOOM_PORT_ADMIN": "9123", "ILOOM_PORT_DB": "5555",
	})
	assert.Equal(t, *p.Project.Services["web"].Environment["URL"], "http://localhost:3123/")
	assert.Equal(t, *p.Project.Services["api"].Environment["DSN"], "postgres://db:5432/x")
	assert.Equal(t, p.Project.Services["db"].Ports[0].Published, "5555")
	i := slices.IndexFunc(p.Findings, func(f finding.Finding) bool { return f.Subject == "variable DB_PORT" })
	assert.Assert(t, i >= 0)
	assert.Equal(t, p.Findings[i].Message, "it is used in services.api.environment.DSN too: it keeps its value, and port 5432 of service db moves by the override alone")
}

// B gives the port as long as A has no value: who writes B elsewhere means the port too.
func TestEachVariableOfANestedDefaultFollowsThePort(t *testing.T) {
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Write(`services:
  web:
    image: nginx
    ports: ["${A:-${B:-${C:-3000}}}:80"]
    environment: {INNER: "http://localhost:${B:-3000}/", ALL: "http://localhost:${A:-${B:-${C:-3000}}}/"}
  db:
    image: postgres
    ports: ["${DB_PORT:-${PGPORT:-5432}}:5432"]
    environment: {PGPORT: "${PGPORT:-5432}"}
`, "shop", "compose.yaml")
	p := w.mustPlan(repo, "123", Options{})
	env := map[string]string{}
	for _, v := range p.Env {
		env[v.Name] = v.Value
	}
	assert.DeepEqual(t, env, map[string]string{
		"COMPOSE_PROJECT_NAME": "iloom-shop-123", "ILOOM_LOOM": "123", "ILOOM_PORT_WEB": "3123", "ILOOM_PORT_DB": "5555",
		"A": "3123", "B": "3123", "C": "3123", "DB_PORT": "5555",
	})
	assert.Equal(t, *p.Project.Services["web"].Environment["INNER"], "http://localhost:3123/")
	assert.Equal(t, *p.Project.Services["db"].Environment["PGPORT"], "5432")
	i := slices.IndexFunc(p.Findings, func(f finding.Finding) bool { return f.Subject == "variable PGPORT" })
	assert.Assert(t, i >= 0)
	assert.Equal(t, p.Findings[i].Message, "it is used in services.db.environment.PGPORT too: it keeps its value, and port 5432 of service db moves by DB_PORT")
}

func TestAShellWithALoomsEnvironmentDoesNotDoubleItsOffset(t *testing.T) {
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	first := w.mustPlan(repo, "123", Options{})
	for _, v := range first.Env {
		t.Setenv(v.Name, v.Value)
	}
	w.looms.Process = host.Current()
	again := w.mustPlan(repo, "123", Options{})
	assert.DeepEqual(t, again.Entry.Ports, first.Entry.Ports)
	assert.DeepEqual(t, again.Override, first.Override)
	other := w.mustPlan(repo, "124", Options{})
	assert.DeepEqual(t, hostPorts(other), []int{4124, 8204})
	main := w.mustPlan(repo, Main, Options{})
	assert.Equal(t, main.Project.Name, "shop")
	assert.Equal(t, main.Project.Services["api"].Ports[0].Published, "4000")

	t.Setenv("COMPOSE_PROJECT_NAME", "mine")
	w.looms.Process = host.Current()
	i := slices.IndexFunc(w.mustPlan(repo, "123", Options{}).Findings, func(f finding.Finding) bool { return f.Subject == "variable COMPOSE_PROJECT_NAME" })
	assert.Assert(t, i >= 0, "an exported name beats .env for plain docker compose")
}
