package registry_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
)

func fileOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(registry.Open(dir).Path())
	assert.NilError(t, err)
	return string(text)
}

// project is the entry of a folder of loom 7.
func project(folder string) registry.Loom {
	return registry.Loom{
		ID: "7", Repository: "/src/shop", Project: "iloom-shop-" + filepath.Base(folder) + "-7", WorkTree: "/src/shop",
		Dir: filepath.Join("/src/shop", folder), Space: "local", Offset: 7,
	}
}

func TestOnlyAFileWithALoomOfSeveralProjectsIsOfVersion2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, web, api := project("apps/web"), project("apps/web"), project("apps/api")
	other.ID, other.Project = "8", "iloom-shop-web-8"
	update(t, dir, func(s *registry.State) { s.Put(other); s.Put(web) })
	one := fileOf(t, dir)
	assert.Assert(t, strings.HasSuffix(one, ",\n  \"version\": 1\n}\n"))
	for _, field := range []string{`"workspace"`, `"makes"`} {
		assert.Assert(t, !strings.Contains(one, field), "%s: older code does not know it", field)
	}

	update(t, dir, func(s *registry.State) { s.Put(api) })
	two := fileOf(t, dir)
	assert.Assert(t, strings.HasSuffix(two, ",\n  \"version\": 2\n}\n"))
	s := read(t, dir)
	assert.Equal(t, s.Version, 2)
	assert.DeepEqual(t, foldersOf(s.Projects("/src/shop", "7")), []string{"apps/api", "apps/web"})
	assert.DeepEqual(t, foldersOf(s.Projects("/src/shop", "8")), []string{"apps/web"})

	// A file that is not as this docker loom writes it is read the careful way.
	careful, _ := write(t, strings.Replace(two, "\n", "\n\n", 1))
	assert.DeepEqual(t, read(t, careful), s)

	update(t, dir, func(s *registry.State) { s.RemoveProject(&api) })
	assert.Equal(t, fileOf(t, dir), one, "as before")
}

func TestAFileOfBeforeSeveralProjectsIsRead(t *testing.T) {
	t.Parallel()
	dir, path := write(t, fullFile)
	s := read(t, dir)
	want := full("123")
	assert.DeepEqual(t, s.Projects(want.Repository, "123"), []*registry.Loom{&want})
	assert.Equal(t, want.Folder(), "app")
	assert.Equal(t, s.ProjectOf(&registry.Loom{ID: "123", Repository: want.Repository}).Project, want.Project)
	update(t, dir, func(*registry.State) {})
	text, err := os.ReadFile(path)
	assert.NilError(t, err)
	assert.Equal(t, string(text), fullFile)
}

func TestAFolderIsNamedAsSeenFromTheWorkTree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ workTree, dir, want string }{
		{"/src/shop", "/src/shop", "."},
		{"/src/shop", "/src/shop/", "."},
		{"/src/shop/", "/src/shop/apps/web", "apps/web"},
		{"/src/shop", "/src/shop/apps/../web", "web"},
		{"/src/shop", "/src/shop-2/web", "/src/shop-2/web"},
		{"/src/shop", "/srv/tools/", "/srv/tools"},
		{"/src/shop", "/src/shop/..web", "..web"},
		{"/src/shop", "", ""},
		{"", "/src/shop", ""},
	} {
		assert.Check(t, registry.FolderOf(tc.workTree, tc.dir) == tc.want, "%s in %s: %s", tc.dir, tc.workTree, registry.FolderOf(tc.workTree, tc.dir))
	}
	dev := registry.Loom{WorkTree: "/src/shop", Dir: "/src/shop/apps/web", Workspace: "/src/shop"}
	assert.Equal(t, dev.Folder(), ".", "a dev container is called by its workspace")
}

func TestAProjectIsFoundByItsFolder(t *testing.T) {
	t.Parallel()
	entry := func(name, workTree, dir string) *registry.Loom {
		return &registry.Loom{ID: "7", Repository: "/r", Project: name, WorkTree: workTree, Dir: dir}
	}
	web, api := entry("web", "/r", "/r/web"), entry("api", "/r", "/r/api")
	outside := entry("outside", "/r", "/srv/tools")
	unknown := entry("unknown", "/r", "")
	list := func(l ...*registry.Loom) []*registry.Loom { return l }
	for _, tc := range []struct {
		name           string
		projects       []*registry.Loom
		workTree, dir  string
		inDir, andTree string
	}{
		{"none", nil, "/r", "/r/web", "", ""},
		{"its folder", list(web, api), "/r", "/r/api", "api", "api"},
		{"its folder, written otherwise", list(web, api), "/r", "/r/x/../api/", "api", "api"},
		{"below it is another folder", list(web, api), "/r", "/r/api/sub", "", ""},
		{"a folder without a project", list(web, api), "/r", "/r/tools", "", ""},
		{"no folder of several", list(web, api), "/r", "", "", ""},
		{"no folder of one", list(web), "/r", "", "web", "web"},
		{"one whose folder is not known is that of any", list(unknown), "/r", "/r/web", "unknown", "unknown"},
		{"but not beside another", list(unknown, api), "/r", "/r/web", "", ""},
		{"an only one of another folder", list(web), "/r", "/r/api", "", ""},
		{"the same folder of the tree that the loom goes on in", list(web, api), "/t", "/t/api", "", "api"},
		{"another folder of that tree", list(web, api), "/t", "/t/tools", "", ""},
		{"the tree it has, in a folder of another tree", list(web, api), "/r", "/t/api", "", ""},
		{"a folder outside stays where it is", list(web, outside), "/t", "/srv/tools", "outside", "outside"},
		{"a folder outside is in no tree", list(web, outside), "/t", "/t/srv/tools", "", ""},
	} {
		name := func(k *registry.Loom) string {
			if k == nil {
				return ""
			}
			return k.Project
		}
		assert.Check(t, name(registry.InDir(tc.projects, tc.dir)) == tc.inDir, "%s: %s", tc.name, name(registry.InDir(tc.projects, tc.dir)))
		got := name(registry.InTree(tc.projects, tc.workTree, tc.dir))
		assert.Check(t, got == tc.andTree, "%s: in the tree %s", tc.name, got)
	}
}

func TestAProjectMovesWithItsWorkTree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, dir, workspace, wantDir, wantWorkspace string }{
		{"a folder", "/r/apps/web", "", "/t/apps/web", ""},
		{"the top", "/r", "", "/t", ""},
		{"a dev container of the top", "/r/apps/web", "/r", "/t/apps/web", "/t"},
		{"a folder outside stays", "/srv/tools", "", "/srv/tools", ""},
		{"a folder that is not known", "", "", "", ""},
	} {
		l := registry.Loom{WorkTree: "/r", Dir: tc.dir, Workspace: tc.workspace, Files: true}
		folder := l.Folder()
		l.MoveTo("/t")
		assert.Check(t, l.WorkTree == "/t" && l.Dir == tc.wantDir && l.Workspace == tc.wantWorkspace, "%s: %+v", tc.name, l)
		assert.Check(t, l.Folder() == folder, "%s: %s was %s", tc.name, l.Folder(), folder)
		assert.Check(t, !l.Files, "%s: nothing is generated there yet", tc.name)
	}
}

func TestAProjectOfALoomWhoseTreeChangedIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	var s registry.State
	s.Put(project("apps/web"))
	s.Put(project("apps/api"))
	moved := project("apps/web")
	moved.WorkTree, moved.Dir, moved.Project = "/src/tree", "/src/tree/apps/web", ""
	s.Put(moved)
	var dirs []string
	for _, k := range s.Projects("/src/shop", "7") {
		dirs = append(dirs, k.Dir)
	}
	assert.DeepEqual(t, dirs, []string{"/src/tree/apps/api", "/src/tree/apps/web"})
}

func TestAProjectWhoseFolderIsNotKnownDoesNotStandForAnother(t *testing.T) {
	t.Parallel()
	var s registry.State
	s.Put(project("apps/web"))
	lost := project("apps/api")
	lost.Dir = "" // it has volumes left only
	assert.Assert(t, s.ProjectOf(&lost) == nil)
	s.Put(lost)
	assert.Equal(t, len(s.Projects("/src/shop", "7")), 2)
	assert.Equal(t, s.ProjectOf(&lost).Project, lost.Project)
	web := project("apps/web")
	assert.Equal(t, s.ProjectOf(&web).Project, web.Project)
}

// drawEntry draws an entry of one of two looms: any folder of the work trees, inside or outside, with any state.
func drawEntry(t *rapid.T) registry.Loom {
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	id := rapid.SampledFrom([]string{"7", "8"}).Draw(t, "id")
	workTree := rapid.SampledFrom([]string{"/src/shop", "/src/tree"}).Draw(t, "work tree")
	folder := rapid.SampledFrom([]string{".", "apps/web", "apps/api", "/srv/tools"}).Draw(t, "folder")
	l := registry.Loom{
		ID: id, Repository: "/src/shop", Project: "iloom-" + strings.ReplaceAll(folder, "/", "_") + "-" + id, WorkTree: workTree,
		Dir: filepath.Join(workTree, folder), Files: flag("files"), Offset: rapid.IntRange(1, 3).Draw(t, "offset"),
		Pinned: flag("pinned"), Space: "local", Untrusted: flag("untrusted"), Sandboxed: flag("sandboxed"),
		Created: time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "created")), 0),
	}
	if filepath.IsAbs(folder) {
		l.Dir = folder
	}
	if flag("hold") {
		l.Hold = &registry.Hold{}
	}
	return l
}

func TestProjectsOfALoomShareWhatIsTheLoomsAndTrustIsNeverRaised(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s registry.State
		written := map[string]registry.Loom{}
		puts := rapid.SliceOfN(rapid.Custom(drawEntry), 1, 12).Draw(t, "puts")
		for _, l := range puts {
			s.Put(l)
			all := s.Projects(l.Repository, l.ID)
			dirs := map[string]bool{}
			for _, k := range all {
				assert.Assert(t, !dirs[k.Dir], "%s is twice in %v", k.Dir, dirs)
				dirs[k.Dir] = true
				assert.Equal(t, k.WorkTree, l.WorkTree)
				assert.Equal(t, k.Offset, l.Offset)
				assert.Equal(t, k.Pinned, l.Pinned)
				assert.Equal(t, k.Hold, l.Hold)
				before := written[l.ID]
				assert.Equal(t, k.Untrusted, before.Untrusted || l.Untrusted)
				assert.Equal(t, k.Sandboxed, before.Sandboxed || l.Sandboxed)
				assert.Equal(t, s.ProjectOf(k), k)
			}
			written[l.ID] = *all[0]
			assert.DeepEqual(t, s.ProjectOf(&l).Dir, l.Dir)
			assert.Equal(t, s.ProjectOf(&l).Files, l.Files)
			for id, other := range written {
				for _, k := range s.Projects(l.Repository, id) {
					assert.Equal(t, k.WorkTree, other.WorkTree, "another loom changes nothing")
				}
			}
		}
		last := puts[len(puts)-1]
		s.RemoveProject(&last)
		assert.Assert(t, !slices.ContainsFunc(s.Projects(last.Repository, last.ID), func(k *registry.Loom) bool { return k.Dir == last.Dir }))
	})
}

func TestLeasesOfTheOtherProjectsOfALoomAreTaken(t *testing.T) {
	t.Parallel()
	var s registry.State
	for i, folder := range []string{"apps/web", "apps/api"} {
		l := project(folder)
		l.Ports = []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 3007 + i}}
		l.Subnets = map[string][]string{"default": {fmt.Sprintf("10.0.%d.0/24", i)}}
		s.Put(l)
	}
	for _, tc := range []struct {
		folder string
		held   map[int]string
		subnet []string
	}{
		{"apps/web", map[int]string{3008: "project apps/api of this loom"}, []string{"10.0.1.0/24"}},
		{"apps/api", map[int]string{3007: "project apps/web of this loom"}, []string{"10.0.0.0/24"}},
		{"apps/new", map[int]string{3007: "project apps/web of this loom", 3008: "project apps/api of this loom"}, []string{"10.0.0.0/24", "10.0.1.0/24"}},
	} {
		l := project(tc.folder)
		taken, held := s.Ports(&l), map[int]string{}
		for host := 3006; host < 3010; host++ {
			if holder, is := taken(ports.Lease{Protocol: "tcp", Count: 1, Host: host}); is {
				held[host] = holder
			}
		}
		assert.DeepEqual(t, held, tc.held)
		var subnets []string
		for _, p := range s.Subnets(&l) {
			subnets = append(subnets, p.String())
		}
		slices.Sort(subnets)
		assert.DeepEqual(t, subnets, tc.subnet)
	}
}

func TestAJoiningProjectHasWhatItsLoomHas(t *testing.T) {
	t.Parallel()
	web := project("apps/web")
	web.Pinned, web.Hold, web.Sandboxed, web.WrittenSince, web.Origin = true, &registry.Hold{}, true, time.Unix(5, 0), "a sandbox"
	web.Confined = &registry.Confined{Mode: "none"}
	web.Ports, web.Accepted = []ports.Lease{{Host: 3007}}, &registry.Accepted{Hash: "web"}
	var api registry.Loom
	api.Join(&web)
	assert.DeepEqual(t, api, registry.Loom{
		WorkTree: web.WorkTree, Offset: 7, Pinned: true, Hold: web.Hold, Sandboxed: true, WrittenSince: web.WrittenSince,
		Origin: web.Origin,
	})
}

func TestWhatWasAcceptedOfAProjectIsItsFoldersAlone(t *testing.T) {
	t.Parallel()
	accepted := func(hash string) *registry.Accepted { return &registry.Accepted{Hash: hash} }
	web, api := project("apps/web"), project("apps/api")
	webKnown := project("apps/web")
	webKnown.Sandboxed, webKnown.Accepted = true, accepted("web")
	for _, tc := range []struct {
		name    string
		looms   []*registry.Loom
		written registry.WrittenTree
		want    map[string]string
	}{
		{
			"each has its own", nil,
			registry.WrittenTree{Projects: map[string]*registry.Accepted{"apps/web": accepted("web"), "apps/api": accepted("api")}},
			map[string]string{"apps/web": "web", "apps/api": "api", "apps/new": "", ".": ""},
		},
		{
			"nothing of another's", nil,
			registry.WrittenTree{Projects: map[string]*registry.Accepted{"apps/web": accepted("web")}},
			map[string]string{"apps/web": "web", "apps/api": "", ".": ""},
		},
		{
			"a note without a folder, in a tree that no loom has", nil,
			registry.WrittenTree{Accepted: accepted("old")},
			map[string]string{"apps/web": "old"},
		},
		{
			"a note without a folder, beside its own project",
			[]*registry.Loom{&web},
			registry.WrittenTree{Accepted: accepted("old")},
			map[string]string{"apps/web": "old", "apps/api": ""},
		},
		{
			"a note without a folder, beside two",
			[]*registry.Loom{&web, &api},
			registry.WrittenTree{Accepted: accepted("old")},
			map[string]string{"apps/web": "", "apps/api": ""},
		},
		{
			"a note without a folder, beside one with it", nil,
			registry.WrittenTree{Accepted: accepted("old"), Projects: map[string]*registry.Accepted{"apps/web": accepted("web")}},
			map[string]string{"apps/web": "web", "apps/api": ""},
		},
		{
			"what another loom of the folder was given",
			[]*registry.Loom{&webKnown},
			registry.WrittenTree{},
			map[string]string{"apps/web": "web", "apps/api": "", ".": ""},
		},
	} {
		s := &registry.State{Looms: tc.looms}
		tc.written.WorkTree = "/src/shop"
		for _, folder := range slices.Sorted(maps.Keys(tc.want)) {
			l := project(folder)
			l.ID = "9"
			l.Inherit(s, &tc.written)
			got := ""
			if l.Accepted != nil {
				got = l.Accepted.Hash
			}
			assert.Check(t, got == tc.want[folder], "%s: %s got %q", tc.name, folder, got)
			assert.Check(t, l.Sandboxed, "%s: %s", tc.name, folder)
		}
	}
}

func TestWhatIsKeptOfATreeIsKeptByFolder(t *testing.T) {
	t.Parallel()
	r := registry.Open(t.TempDir())
	tree := t.TempDir()
	in := func(folder, hash string) *registry.Loom {
		l := registry.Loom{ID: "7", Repository: tree, WorkTree: tree, Dir: filepath.Join(tree, folder), Sandboxed: true}
		if hash != "" {
			l.Accepted = &registry.Accepted{Hash: hash}
		}
		return &l
	}
	for _, keep := range []*registry.Loom{in("apps/web", "web"), in("apps/api", "api"), in("apps/tools", ""), in("apps/web", "again")} {
		_, err := r.KeepWritten(keep)
		assert.NilError(t, err)
	}
	kept, err := r.KeepAccepted(in("apps/api", "more"))
	assert.NilError(t, err)
	assert.Assert(t, kept)
	got := map[string]string{}
	for folder, accepted := range r.Written(tree).Projects {
		got[folder] = accepted.Hash
	}
	assert.DeepEqual(t, got, map[string]string{"apps/web": "again", "apps/api": "more"})
}

func foldersOf(looms []*registry.Loom) []string {
	var folders []string
	for _, l := range looms {
		folders = append(folders, l.Folder())
	}
	return folders
}

func TestTwoProjectsMeanTheSameByItsName(t *testing.T) {
	t.Parallel()
	made := func(kind, name string, isDefault bool) registry.Made {
		return registry.Made{Kind: kind, Name: name, Default: isDefault, Key: name, As: "p_" + name}
	}
	for _, tc := range []struct {
		name string
		a, b registry.Made
		want bool
	}{
		{"one name", made("networks", "back", false), made("networks", "back", false), true},
		{"another key", made("networks", "back", false), registry.Made{Kind: "networks", Name: "back", Key: "x", As: "q_x"}, true},
		{"Compose's own name, which the other gives", made("volumes", "web_data", true), made("volumes", "web_data", false), true},
		{"Compose's own name of both, by chance", made("volumes", "web_data", true), made("volumes", "web_data", true), false},
		{"another name", made("networks", "back", false), made("networks", "front", false), false},
		{"another kind", made("networks", "back", false), made("volumes", "back", false), false},
	} {
		assert.Check(t, tc.a.Means(tc.b) == tc.want, tc.name)
		assert.Check(t, tc.b.Means(tc.a) == tc.want, "%s, the other way", tc.name)
	}
}
