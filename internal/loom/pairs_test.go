package loom

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// sharing are two projects of which each makes what the other names.
var sharing = map[string]string{
	"makes-a-network": `services:
  web: {image: web, ports: ["8080:80"], networks: [default, back], volumes: ["rows:/rows", "own:/own"]}
networks: {back: {name: team-back}}
volumes: {rows: {external: true, name: team-rows}, own: {}}
`,
	"makes-a-volume": `services:
  web: {image: web, ports: ["8080:80", "8081:81"], networks: [default, far], volumes: ["data:/data", "own:/own"]}
networks: {far: {external: true, name: team-back}}
volumes: {data: {name: team-rows}, own: {}}
`,
}

// isolatable are the traps that up makes a loom of without flags, settings or variables.
var isolatable = []string{
	"built-on-a-sibling", "container-names", "dollars", "env-file-is-dotenv", "extends-and-anchors", "fixed-names", "host-resources", "images",
	"images-of-a-named-project", "include-without-dotenv", "literal-ports", "localhost-rewritten", "nested-defaults", "override-of-their-own", "port-forms",
	"port-variable-of-theirs", "profiles", "shared", "subnets", "variable-inside-the-network", "variable-on-both-sides", "variable-with-two-values",
}

// fixture is a project of the corpus that the gate of package overrides isolates.
type fixture struct {
	name string
	from string // a folder, "" for one of sharing
	// bases are its ports, names what its networks and volumes are called by its files.
	bases map[int]bool
	names map[string]bool
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	data := filepath.Join("..", "..", "overrides", "testdata")
	entries, err := os.ReadDir(filepath.Join(data, "corpus"))
	assert.NilError(t, err)
	var list []fixture
	for _, e := range entries {
		if e.IsDir() {
			list = append(list, fixture{name: e.Name(), from: filepath.Join(data, "corpus", e.Name())})
		}
	}
	for _, name := range isolatable {
		list = append(list, fixture{name: name, from: filepath.Join(data, "traps", name)})
	}
	for _, name := range slices.Sorted(maps.Keys(sharing)) {
		list = append(list, fixture{name: name})
	}
	for i := range list {
		list[i].read(t)
	}
	return list
}

// read loads the project without a loom.
func (f *fixture) read(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), f.name)
	f.put(t, dir)
	found, err := stack.Find(stack.Source{Dir: dir, Top: dir}, stack.Ours{})
	assert.NilError(t, err)
	m, err := new(stack.Stack).Load(t.Context(), found, "", nil)
	assert.NilError(t, err, f.name)
	f.bases, f.names = map[int]bool{}, map[string]bool{}
	for _, p := range overrides.Ports(m.Project) {
		f.bases[p.Base] = true
	}
	for key, n := range m.Project.Networks {
		if n.Name != m.Project.Name+"_"+key {
			f.names["network "+n.Name] = true
		}
	}
	for key, v := range m.Project.Volumes {
		if v.Name != m.Project.Name+"_"+key {
			f.names["volume "+v.Name] = true
		}
	}
}

func (f *fixture) put(t *testing.T, dir string) {
	t.Helper()
	if f.from != "" {
		assert.NilError(t, os.CopyFS(dir, os.DirFS(f.from)))
		return
	}
	assert.NilError(t, os.MkdirAll(dir, 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(sharing[f.name]), 0o644))
}

// isPaired reports whether two projects are planned together: neighbours in the list, and those that meet.
func isPaired(list []fixture, i, j int) bool {
	if j-i == 1 || j-i == 2 || i == 0 && j == len(list)-1 {
		return true
	}
	meets := func(name string) bool { return list[j].names[name] }
	both := slices.Sorted(maps.Keys(list[i].names))
	return slices.ContainsFunc(both, meets) || len(both) > 1 && len(list[j].names) > 1
}

func TestPairsOfTheCorpusAreOneLoom(t *testing.T) {
	t.Parallel()
	list, pairs := fixtures(t), 0
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if !isPaired(list, i, j) {
				continue
			}
			pairs++
			a, b := list[i], list[j]
			t.Run(a.name+" and "+b.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, worldtest.Remote)
				w.Write("", "shop", "file")
				p := pair{w, w.Path("shop")}
				a.put(t, p.dir(a.name))
				b.put(t, p.dir(b.name))
				w.Git(p.repo, "init", "-q")
				before := w.files(p.repo)
				p.check("101", a.name, b.name)
				p.end("101", a.name, before)
				p.check("102", b.name, a.name)
			})
		}
	}
	assert.Assert(t, pairs > 80, "%d pairs", pairs)
}

// pair is a repository with two projects.
type pair struct {
	*testWorld
	repo string
}

func (p pair) dir(name string) string { return filepath.Join(p.repo, "apps", name) }

// check brings both up, as far as their files, networks and volumes go.
func (p pair) check(id, first, second string) {
	p.T.Helper()
	alone := p.filesUp(p.dir(first), id)
	p.make(alone)
	beside := p.filesUp(p.dir(second), id)
	p.make(beside)
	a, b := p.filesUp(p.dir(first), id), p.filesUp(p.dir(second), id)
	assert.Check(p.T, a.Project.Name != b.Project.Name, a.Project.Name)
	same := func(what string, x, y *Plan) {
		p.T.Helper()
		was, is := hashesOf(x.Project), hashesOf(y.Project)
		assert.DeepEqual(p.T, was, is)
		assert.Check(p.T, string(x.Override) == string(y.Override), "%s: its override is\n%s\nwas\n%s", what, y.Override, x.Override)
		assert.DeepEqual(p.T, x.Env, y.Env)
		assert.Check(p.T, slices.Equal(x.Entry.Ports, y.Entry.Ports), "%s: %v, was %v", what, y.Entry.Ports, x.Entry.Ports)
		assert.DeepEqual(p.T, x.Entry.Subnets, y.Entry.Subnets)
	}
	same(first+" once "+second+" is known", alone, a)
	same(second+" a second time", beside, b)
	assert.Equal(p.T, a.Entry.Offset, b.Entry.Offset)
	p.apart(a, b)
	p.onDisk(a)
	p.onDisk(b)
}

// make puts the networks and volumes of a project on the engine.
func (p pair) make(plan *Plan) {
	labels := func(kind, key string) map[string]string {
		return map[string]string{
			"com.docker.compose.project": plan.Project.Name, "com.docker.compose." + kind: key,
			engine.LabelLoom: plan.ID, engine.LabelRepo: plan.Repository,
		}
	}
	for key, n := range plan.Project.Networks {
		if n.External {
			continue
		}
		var config []map[string]any
		for _, pool := range n.Ipam.Config {
			config = append(config, map[string]any{"Subnet": pool.Subnet})
		}
		p.Networks = append(p.Networks, map[string]any{
			"Name": n.Name, "Id": n.Name, "Driver": "bridge", "Labels": labels("network", key), "IPAM": map[string]any{"Config": config},
		})
	}
	for key, v := range plan.Project.Volumes {
		if !v.External {
			p.Volumes = append(p.Volumes, map[string]any{"Name": v.Name, "Labels": labels("volume", key)})
		}
	}
}

// apart looks for what two projects of a loom may not both have.
func (p pair) apart(a, b *Plan) {
	p.T.Helper()
	var index ports.Index
	for _, lease := range a.Entry.Ports {
		index.Add(a.Project.Name, lease)
	}
	for _, lease := range b.Entry.Ports {
		_, taken := index.Taken(lease)
		assert.Check(p.T, !taken, "both have port %s", lease)
	}
	subnets := func(plan *Plan) (all []netip.Prefix) {
		for _, list := range plan.Entry.Subnets {
			for _, cidr := range list {
				all = append(all, netip.MustParsePrefix(cidr))
			}
		}
		return all
	}
	for _, one := range subnets(a) {
		assert.Check(p.T, !slices.ContainsFunc(subnets(b), one.Overlaps), "both have subnet %s", one)
	}
	made := map[string]bool{}
	for _, n := range a.Project.Networks {
		made["network "+n.Name] = made["network "+n.Name] || !bool(n.External)
	}
	for _, v := range a.Project.Volumes {
		made["volume "+v.Name] = made["volume "+v.Name] || !bool(v.External)
	}
	for _, n := range b.Project.Networks {
		assert.Check(p.T, bool(n.External) || !made["network "+n.Name], "both make network %s", n.Name)
	}
	for _, v := range b.Project.Volumes {
		shared := strings.HasPrefix(v.Name, "iloom-") // any other is shared by all looms, as the settings say
		assert.Check(p.T, bool(v.External) || !shared || !made["volume "+v.Name], "both make volume %s", v.Name)
	}
	for service, s := range a.Project.AllServices() {
		for _, o := range b.Project.AllServices() {
			assert.Check(p.T, s.ContainerName == "" || s.ContainerName != o.ContainerName, "both have container %s", s.ContainerName)
			isBuilt := s.Build != nil && o.Build != nil
			assert.Check(p.T, !isBuilt || stack.Image(s, a.Project.Name) != stack.Image(o, b.Project.Name), "both build the image of %s", service)
		}
	}
}

// onDisk compares the project as planned with what its files say, as they are now.
func (p pair) onDisk(plan *Plan) {
	p.T.Helper()
	src := stack.Source{Dir: plan.Base.Dir, Top: plan.Base.Dir}
	found, err := stack.Find(src, stack.Ours{})
	assert.NilError(p.T, err)
	m, err := new(stack.Stack).Load(p.T.Context(), found, "", nil)
	assert.NilError(p.T, err)
	project, err := m.Finish(found.Paths, nil)
	assert.NilError(p.T, err)
	assert.Equal(p.T, project.Name, plan.Project.Name)
	assert.DeepEqual(p.T, hashesOf(project), hashesOf(plan.Project))
}

// end takes the loom down with all that it has. Nothing of it is left in the repository.
func (p pair) end(id, folder string, before map[string]string) {
	p.T.Helper()
	p.Networks, p.Volumes = nil, nil
	_, err := p.looms.Down(p.T.Context(), p.target(p.dir(folder), id), DownRequest{Volumes: true})
	assert.NilError(p.T, err)
	assert.Equal(p.T, len(p.State().Looms), 0)
	assert.DeepEqual(p.T, p.files(p.repo), before)
}

// files are the texts of all files below a folder.
func (w *testWorld) files(dir string) map[string]string {
	w.T.Helper()
	texts := map[string]string{}
	assert.NilError(w.T, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	}))
	return texts
}

// hashesOf are the hashes by which Compose decides what to recreate.
func hashesOf(p *types.Project) map[string]string {
	all := map[string]string{}
	put := func(name, hash string, err error) { all[name] = fmt.Sprint(hash, err) }
	for name, s := range p.Services {
		hash, err := stack.ServiceHash(s)
		put("service "+name, hash, err)
	}
	for key, n := range p.Networks {
		hash, err := stack.NetworkHash(n)
		put("network "+key, hash, err)
	}
	for key, v := range p.Volumes {
		hash, err := stack.VolumeHash(v)
		put("volume "+key, hash, err)
	}
	return all
}
