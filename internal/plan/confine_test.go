package plan

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// An earlier docker loom left NET_RAW to confined services. Its containers are recreated once, and the plan says why.
func TestAnUpgradeSaysWhichServicesItRecreates(t *testing.T) {
	t.Parallel()
	const files = `services:
  web: {image: nginx}
  asks: {image: nginx, cap_add: [NET_RAW]}
  changed: {image: nginx}
`
	for name, confined := range map[string]*registry.Confined{
		"confined": {Mode: "restricted", Image: "egress"}, "not confined": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldtest.New(t, worldtest.Local)
			dir := w.Path("shop")
			w.Write(files, "shop", "compose.yaml")
			w.Know(registry.Loom{
				ID: "7", Repository: dir, WorkTree: dir, Project: "p", Sandboxed: true, Confined: confined,
			})
			choices := Choices{Version: "test", Compare: true}
			before := complete(w, factsOf(w, dir, "7", choices), choices)
			var running []worldtest.Container
			for _, name := range []string{"web", "asks", "changed"} {
				s := before.Project.Services[name]
				assert.Equal(t, confined == nil || name == "asks", len(s.CapDrop) == 0)
				// As an earlier version has made it.
				hash, err := stack.ServiceHash(overrides.DropNetRaw{}.Without(s))
				assert.NilError(t, err)
				if name == "changed" {
					hash = "another"
				}
				running = append(running, worldtest.Container{
					Name: "p-" + name + "-1", Project: "p", Service: name, Labels: map[string]string{stack.LabelConfigHash: hash},
				})
			}
			w.Run(running...)
			after := complete(w, factsOf(w, dir, "7", choices), choices)
			var told []finding.Finding
			for _, f := range after.Findings {
				if strings.Contains(f.Message, "recreated") {
					told = append(told, f)
				}
			}
			if confined == nil {
				assert.Equal(t, len(told), 0, told)
				assert.DeepEqual(t, hashes(t, after.Project), hashes(t, before.Project))
				return
			}
			assert.DeepEqual(t, told, []finding.Finding{{
				Level: finding.Warning, Subject: "service web",
				Message: "is recreated without the capability NET_RAW: with it a confined service can take an agent's address",
				Remedy:  "a service that needs it names it in cap_add",
			}})
		})
	}
}

// An agent reaches the services of all projects of its loom: none may come up open while one is confined, whatever its own
// entry says, and not if it is new.
func TestAConfinedProjectConfinesTheOthersOfItsLoom(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Local)
	dir := w.Path("shop")
	w.Write("services: {web: {image: nginx}}\n", "shop", "compose.yaml")
	f := factsOf(w, dir, "7", Choices{Version: "test"})
	open := &registry.Loom{ID: "7", Repository: dir, WorkTree: dir, Dir: dir, Project: "own"}
	closed := &registry.Loom{
		ID: "7", Repository: dir, WorkTree: dir, Dir: w.Path("shop", "api"), Project: "api",
		Confined: &registry.Confined{Mode: "none", Image: "egress:1"},
	}
	for name, tt := range map[string]struct {
		known    *registry.Loom
		projects []*registry.Loom
		image    string
		want     *registry.Confined
	}{
		"new":                       {nil, []*registry.Loom{closed}, "", closed.Confined},
		"known":                     {open, []*registry.Loom{open, closed}, "", closed.Confined},
		"known, with a newer image": {open, []*registry.Loom{closed, open}, "egress:2", &registry.Confined{Mode: "none", Image: "egress:2"}},
		"none is confined":          {open, []*registry.Loom{open}, "egress:2", nil},
	} {
		f.Target.Known, f.Target.Projects = tt.known, tt.projects
		e, err := Identify(f, Choices{Version: "test", SidecarImage: tt.image})
		assert.NilError(t, err)
		assert.DeepEqual(t, e.Confined, tt.want)
		if e.Confined != nil {
			assert.Assert(t, e.Confined != closed.Confined, name)
		}
	}
	// main is what docker compose makes, and has no override that could confine it.
	f.Target.ID = "main"
	assert.Assert(t, ConfinementOf(f.Target) == nil)
}

// A link in place of what another project's service mounts would show that service any file of the machine.
func TestAConfinedServiceCannotReplaceWhatOtherProjectsMount(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Local)
	dir := w.Path("shop")
	w.Write("services: {web: {image: nginx, volumes: ['.:/src']}}\n", "shop", "compose.yaml")
	w.Write("x", "shop", "api", "data", "file")
	confined := &registry.Confined{Mode: "none", Image: "egress"}
	own := registry.Loom{ID: "7", Repository: dir, WorkTree: dir, Dir: dir, Project: "p", Confined: confined, Sandboxed: true}
	api := own
	api.Dir, api.Project = w.Path("shop", "api"), "api"
	api.Accepted = &registry.Accepted{HostAccess: []string{
		trust.MountsTree + "api/data", trust.MountsTree + "api/gone", trust.MountsTree + "../elsewhere", "api/data/file",
	}}
	w.Know(own, api)
	choices := Choices{Version: "test", SidecarImage: "egress"}
	f := factsOf(w, dir, "7", choices)
	f.Target.Known, f.Target.Projects = &own, []*registry.Loom{&own, &api}
	entry, err := Identify(f, choices)
	assert.NilError(t, err)
	assert.NilError(t, surveyor(w).Load(t.Context(), f, entry))
	var targets []string
	for _, v := range complete(w, f, choices).Project.Services["web"].Volumes {
		targets = append(targets, v.Target)
	}
	assert.DeepEqual(t, targets, []string{"/src", "/src/api", "/src/api/data", "/src/.iloom"})
}
