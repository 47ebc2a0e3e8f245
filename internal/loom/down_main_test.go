package loom

import (
	"maps"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestLabelsTellThatAllContainersWereMadeForMain(t *testing.T) {
	t.Parallel()
	target := &Target{ID: Main, Repository: "/shop", WorkTree: "/shop", Known: &registry.Loom{ID: Main, Dir: "/shop/app"}}
	made := func(change map[string]string) engine.Container {
		labels := map[string]string{
			engine.LabelLoom: Main, engine.LabelRepo: "/shop", engine.LabelWorkTree: "/shop",
			stack.LabelWorkingDir: "/shop/app", stack.LabelConfigFiles: "/shop/app/compose.yaml",
		}
		maps.Copy(labels, change)
		return engine.Container{Labels: labels}
	}
	one := made(nil)
	for name, tc := range map[string]struct {
		own  []engine.Container
		want bool
	}{
		"all are":                     {[]engine.Container{one, made(nil)}, true},
		"nothing is there":            {nil, false},
		"one is of docker compose":    {[]engine.Container{one, {Labels: map[string]string{stack.LabelWorkingDir: "/shop/app"}}}, false},
		"one is of another loom":      {[]engine.Container{one, made(map[string]string{engine.LabelLoom: "123"})}, false},
		"one is of another folder":    {[]engine.Container{one, made(map[string]string{stack.LabelWorkingDir: "/other/app"})}, false},
		"one is of another work tree": {[]engine.Container{one, made(map[string]string{engine.LabelWorkTree: "/tree"})}, false},
		"one is from other files":     {[]engine.Container{one, made(map[string]string{stack.LabelConfigFiles: "/shop/app/tools.yaml"})}, false},
		"one is of a run command":     {[]engine.Container{one, {Labels: one.Labels, OneOff: true}}, false},
	} {
		assert.Check(t, isMadeForMain(target, tc.own) == tc.want, name)
	}
}
