package loom

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/docker/client"
	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/internal/worldtest/enginetest"
)

// applications are the projects of a monorepo: two have a port, a network and a volume in common.
var applications = map[string]string{
	"apps/web": `services:
  web:
    image: web:1
    ports: ["3000:80", "3001:81"]
    networks: [default, back]
    volumes: ["rows:/rows", "own:/own"]
    healthcheck: {test: [CMD, "true"]}
networks: {back: {external: true, name: team-back}}
volumes: {rows: {name: team-rows}, own: {}}
`,
	"apps/api": `services:
  api:
    image: web:1
    ports: ["3000:80", "4000:4000"]
    networks: [back]
    volumes: ["rows:/rows"]
    healthcheck: {test: [CMD, "true"]}
networks: {back: {name: team-back}}
volumes: {rows: {name: team-rows}}
`,
	"tools": `services:
  web:
    image: web:1
    ports: ["3000:80"]
    volumes: ["own:/own"]
    healthcheck: {test: [CMD, "true"]}
volumes: {own: {}}
`,
}

// monorepo is a machine with a repository that has several projects, two work trees of it, and an engine that keeps what
// Compose makes.
type monorepo struct {
	*testWorld
	repo  string
	trees map[string]string // by id
	clean map[string]map[string]string
	// names and offsets are those of the looms that there are.
	names   map[string]string
	offsets map[string]int
}

func newMonorepo(t *testing.T) *monorepo {
	t.Helper()
	w := newWorld(t, worldtest.Remote)
	server := enginetest.Start(t)
	server.AddImage("web:1")
	api, err := client.NewClientWithOpts(client.WithHost(server.Host()), client.WithAPIVersionNegotiation())
	assert.NilError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	docker, err := command.NewDockerCli(
		command.WithAPIClient(api), command.WithBaseContext(t.Context()), command.WithCombinedStreams(w.Stderr),
	)
	assert.NilError(t, err)
	assert.NilError(t, docker.Initialize(&flags.ClientOptions{LogLevel: "error"}))
	w.Stack, w.Engine = worldtest.NewStack(docker), engine.New(api, "default", engine.Endpoint(worldtest.Remote))
	w.looms.Stack, w.looms.Engine = w.Stack, w.Engine
	m := &monorepo{
		testWorld: w, repo: w.Path("mono"), trees: map[string]string{}, clean: map[string]map[string]string{},
		names: map[string]string{}, offsets: map[string]int{},
	}
	for folder, text := range applications {
		w.Write(text, "mono", filepath.FromSlash(folder), "compose.yaml")
	}
	w.Write(`{"container": {"projects": ["apps/api", "apps/web"]}}`, "mono", ".iloom", "settings.json")
	w.Git(m.repo, "init", "-q")
	w.Git(m.repo, "add", ".")
	w.Git(m.repo, "commit", "-q", "-m", "first")
	for _, id := range []string{"7", "8"} {
		m.trees[id] = w.Tree(m.repo, "issue-"+id, "tree-"+id)
		m.clean[id] = w.files(m.trees[id])
	}
	return m
}

// step is a command in a folder of a loom's work tree.
type step struct {
	ID, Folder string
	Do         string // up, together (at the top, in the order of the settings) or down
	Part       bool   // --project
	Volumes    bool
}

func drawSteps(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			ID:      rapid.SampledFrom([]string{"7", "8"}).Draw(t, "id"),
			Folder:  rapid.SampledFrom(slices.Sorted(maps.Keys(applications))).Draw(t, "folder"),
			Do:      rapid.SampledFrom([]string{"up", "up", "up", "together", "down"}).Draw(t, "do"),
			Part:    rapid.Bool().Draw(t, "part"),
			Volumes: rapid.Bool().Draw(t, "volumes"),
		}
	}), 4, 9).Draw(t, "steps")
}

func TestProjectsComeAndGoAndKeepTheirPromises(t *testing.T) {
	t.Parallel()
	sequence := rapid.Custom(drawSteps)
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newMonorepo(t)
			for _, s := range sequence.Example(seed) {
				t.Logf("%+v", s)
				m.do(s)
			}
			for id := range m.trees {
				m.do(step{ID: id, Folder: "tools", Do: "down", Volumes: true})
			}
			assert.Equal(t, len(m.State().Looms), 0)
		})
	}
}

// do carries a step out, and looks at what has come of it.
func (m *monorepo) do(s step) {
	m.T.Helper()
	ctx := m.T.Context()
	other := map[string]string{"7": "8", "8": "7"}[s.ID]
	before, known := m.all(other), m.State()
	where := in(filepath.Join(m.trees[s.ID], filepath.FromSlash(s.Folder)), s.ID)
	if s.Do == "together" {
		where.Source.Dir = m.trees[s.ID]
	} else if s.Part {
		where.Source.Dir, where.Project = m.trees[s.ID], s.Folder
	}
	switch s.Do {
	case "up", "together":
		had := m.objects(s.ID)
		_, result, err := m.looms.UpTogether(ctx, UpRequest{Where: where})
		assert.NilError(m.T, err)
		assert.Equal(m.T, len(result.Projects), len(m.State().Projects(m.repo, s.ID)))
		has := m.objects(s.ID)
		for _, what := range had {
			assert.Assert(m.T, slices.Contains(has, what), "up in %s took %s away", s.Folder, what)
		}
		_, _, err = m.looms.UpTogether(ctx, UpRequest{Where: where})
		assert.NilError(m.T, err)
		assert.DeepEqual(m.T, m.objects(s.ID), has)
	case "down":
		where.WholeLoom = true
		target, err := m.looms.Finder().Resolve(ctx, where, Ending)
		if registry.InDir(known.Projects(m.repo, s.ID), filepath.Join(m.trees[s.ID], filepath.FromSlash(s.Folder))) == nil {
			if s.Part || len(known.Projects(m.repo, s.ID)) == 0 {
				assert.Assert(m.T, err != nil, "the loom does not have the project")
				return
			}
		}
		assert.NilError(m.T, err)
		_, err = m.looms.Down(ctx, target, DownRequest{Where: where, Volumes: s.Volumes})
		assert.NilError(m.T, err)
	}
	assert.DeepEqual(m.T, m.all(other), before)
	m.checkPromises()
	m.checkEnd(s, known)
}

// all is what a loom has: on the engine, in the registry and in its work tree.
func (m *monorepo) all(id string) map[string]string {
	m.T.Helper()
	all := m.files(m.trees[id])
	for _, what := range m.objects(id) {
		all[what] = "on the engine"
	}
	for _, k := range m.State().Projects(m.repo, id) {
		text, err := json.Marshal(k)
		assert.NilError(m.T, err)
		all["project "+k.Project] = string(text)
	}
	return all
}

// objects lists what the engine has of a loom.
func (m *monorepo) objects(id string) (list []string) {
	m.T.Helper()
	ctx := m.T.Context()
	containers, err := m.Engine.All(ctx)
	assert.NilError(m.T, err)
	for _, c := range containers {
		if c.Labels[engine.LabelLoom] == id {
			list = append(list, fmt.Sprintf("container %s of %s, %s, %s", c.Name, c.Project, c.State, c.ID))
		}
	}
	networks, err := m.Engine.Networks(ctx, nil)
	assert.NilError(m.T, err)
	for _, n := range networks {
		if n.Labels[engine.LabelLoom] == id {
			list = append(list, "network "+n.Name)
		}
	}
	volumes, err := m.Engine.Volumes(ctx, map[string]string{engine.LabelLoom: id})
	assert.NilError(m.T, err)
	for _, v := range volumes {
		list = append(list, "volume "+v.Name)
	}
	return list
}

// checkPromises looks for what was promised twice, or is not as it was promised.
func (m *monorepo) checkPromises() {
	m.T.Helper()
	var index ports.Index
	var subnets []netip.Prefix
	state := m.State()
	names, offsets := map[string]string{}, map[string]int{}
	seen := map[string]bool{}
	for _, k := range state.Looms {
		key := k.ID + " " + k.Folder()
		assert.Assert(m.T, !seen[k.Project] && names[key] == "", "%s is there twice", k.Project)
		seen[k.Project], names[key] = true, k.Project
		if was := m.names[key]; was != "" {
			assert.Equal(m.T, k.Project, was)
		}
		if was, ok := m.offsets[k.ID]; ok {
			assert.Equal(m.T, k.Offset, was)
		}
		offsets[k.ID] = k.Offset
		for _, lease := range k.Ports {
			holder, taken := index.Taken(lease)
			assert.Assert(m.T, !taken, "%s is of %s and %s", lease, k.Project, holder)
		}
		for _, lease := range k.Ports {
			index.Add(k.Project, lease)
		}
		for _, list := range k.Subnets {
			for _, cidr := range list {
				prefix := netip.MustParsePrefix(cidr)
				assert.Assert(m.T, !slices.ContainsFunc(subnets, prefix.Overlaps), "%s is leased twice", cidr)
				subnets = append(subnets, prefix)
			}
		}
	}
	m.names, m.offsets = names, offsets
}

// checkEnd looks for what must be there, or must not be there any more, after a step.
func (m *monorepo) checkEnd(s step, before *registry.State) {
	m.T.Helper()
	projects, objects := m.State().Projects(m.repo, s.ID), m.objects(s.ID)
	runs := func(k *registry.Loom) bool {
		return slices.ContainsFunc(objects, func(o string) bool { return strings.Contains(o, " of "+k.Project+", running") })
	}
	of := func(all []*registry.Loom) *registry.Loom {
		return registry.InDir(all, filepath.Join(m.trees[s.ID], filepath.FromSlash(s.Folder)))
	}
	generated := func(folder string) bool {
		_, err := os.Stat(filepath.Join(m.trees[s.ID], filepath.FromSlash(folder), "compose.override.yaml"))
		return err == nil
	}
	switch {
	case s.Do == "up":
		assert.Assert(m.T, of(projects) != nil && runs(of(projects)) && generated(s.Folder))
		assert.Assert(m.T, len(projects) >= len(before.Projects(m.repo, s.ID)))
	case s.Do == "together":
		for _, s.Folder = range []string{"apps/api", "apps/web"} {
			assert.Assert(m.T, of(projects) != nil && runs(of(projects)) && generated(s.Folder))
		}
	case s.Part:
		assert.Assert(m.T, !generated(s.Folder))
		assert.Assert(m.T, !runs(of(before.Projects(m.repo, s.ID))))
		for _, k := range before.Projects(m.repo, s.ID) {
			if k.Folder() != s.Folder {
				assert.Assert(m.T, m.State().ProjectOf(k) != nil, "%s ended", k.Project)
			}
		}
	case s.Volumes:
		assert.Equal(m.T, len(projects), 0)
		assert.DeepEqual(m.T, objects, []string(nil))
		assert.DeepEqual(m.T, m.files(m.trees[s.ID]), m.clean[s.ID])
	default:
		assert.Equal(m.T, len(projects), len(before.Projects(m.repo, s.ID)))
		for _, k := range projects {
			assert.Assert(m.T, !runs(k) && !generated(k.Folder()))
		}
	}
}
