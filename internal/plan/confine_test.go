package plan

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
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
