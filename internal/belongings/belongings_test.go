package belongings

import (
	"maps"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// of are the belongings of a loom of /shop before anything was found.
func of(k *registry.Loom) *Belongings {
	return &Belongings{Search: Search{Target: &survey.Target{ID: k.ID, Repository: "/shop", Known: k}}}
}

type labels = map[string]string

func labelled(id, repository string, more labels) labels {
	all := labels{stack.LabelProject: "p", engine.LabelLoom: id, engine.LabelRepo: repository}
	maps.Copy(all, more)
	return all
}

func TestOnlyContainersThatWereMadeForTheLoomAreItsOwn(t *testing.T) {
	t.Parallel()
	composed := func(dir, files string) labels {
		return labels{stack.LabelProject: "p", stack.LabelWorkingDir: dir, stack.LabelConfigFiles: files}
	}
	for name, tc := range map[string]struct {
		id       string
		labels   labels
		adopted  labels
		own      bool
		labelled bool
	}{
		"made for it":                     {"1", labelled("1", "/shop", nil), nil, true, true},
		"made for another loom":           {"1", labelled("2", "/shop", nil), nil, false, false},
		"made for another repository":     {"1", labelled("1", "/other", nil), nil, false, false},
		"one label":                       {"1", labels{stack.LabelProject: "p", engine.LabelLoom: "1"}, nil, false, false},
		"the project's label alone":       {"1", labels{stack.LabelProject: "p"}, nil, false, false},
		"of docker compose in its folder": {"1", composed("/shop/app", "/shop/app/compose.yaml"), nil, true, false},
		"of docker compose elsewhere":     {"1", composed("/else", "/else/compose.yaml"), nil, false, false},
		"of other files in its folder":    {"1", composed("/shop/app", "/shop/app/tools.yaml"), nil, false, false},
		"of main's only files":            {identity.Main, composed("/shop/app", "/shop/app/own.yaml"), nil, true, false},
		"a dev container of its folder":   {"1", labels{devcontainer.LabelLocalFolder: "/shop"}, nil, true, false},
		"a dev container of another":      {"1", labels{devcontainer.LabelLocalFolder: "/else"}, nil, false, false},
		"an adopted one":                  {"1", labels{"editor": "x"}, labels{"editor": "x"}, true, false},
		"adopted by another loom": {
			"1", labelled("2", "/shop", labels{"editor": "x"}), labels{"editor": "x"}, false, false,
		},
	} {
		for labelledOnly, want := range map[bool]bool{false: tc.own, true: tc.labelled} {
			b := of(&registry.Loom{ID: tc.id, Project: "p", WorkTree: "/shop", Dir: "/shop/app", Adopted: tc.adopted})
			b.LabelledOnly = labelledOnly
			b.takeContainers([]engine.Container{{Name: "c", Project: tc.labels[stack.LabelProject], Labels: tc.labels}})
			assert.Check(t, len(b.Containers) == 1 == want, "%s, labelled only: %v", name, labelledOnly)
			assert.Check(t, len(b.Left) == 1 == !want, "%s: %v", name, b.Left)
			assert.Check(t, b.Unlabelled == (labelledOnly && tc.own && !want), name)
		}
	}
}

func TestServicesOfTheSameFilesAsTheLoomsAreItsOwn(t *testing.T) {
	t.Parallel()
	b := of(&registry.Loom{ID: "1", Project: "p", WorkTree: "/shop", Dir: "/shop/app"})
	files := func(more labels) labels {
		all := labels{
			stack.LabelProject: "p", stack.LabelWorkingDir: "/shop/app", stack.LabelConfigFiles: "/shop/app/own.yaml,/tmp/features.yml",
		}
		maps.Copy(all, more)
		return all
	}
	b.takeContainers([]engine.Container{
		{Name: "db", Project: "p", Labels: files(nil)},
		{Name: "app", Project: "p", Labels: files(labels{devcontainer.LabelLocalFolder: "/shop"})},
	})
	assert.Equal(t, len(b.Containers), 2)
}

func TestNetworksAndVolumesOfOthersStay(t *testing.T) {
	t.Parallel()
	byCompose := labels{stack.LabelProject: "p"}
	web := engine.Container{Name: "web", Networks: []string{"front", "back"}, Volumes: []string{"data"}}
	stranger := engine.Container{Name: "stranger", Networks: []string{"back"}}
	b := of(&registry.Loom{ID: "1", Project: "p"})
	b.Containers, b.others = []engine.Container{web}, []engine.Container{stranger}
	b.takeNetworks([]engine.Network{
		{Name: "front", Labels: byCompose},
		{Name: "back", Labels: labelled("1", "/shop", nil)},
		{Name: "idle", Labels: labelled("1", "/shop", nil)},
		{Name: "theirs", Labels: byCompose},
		{Name: "other", Labels: labelled("2", "/shop", nil)},
	})
	var names []string
	for _, n := range b.Networks {
		names = append(names, n.Name)
	}
	assert.DeepEqual(t, names, []string{"front", "idle"})
	assert.DeepEqual(t, b.Left, []string{
		"network back, which container stranger uses", "network theirs, which was not made for the loom",
		"network other, which was not made for the loom",
	})

	made := labels{stack.LabelProject: "p", stack.LabelNetwork: "x", stack.LabelConfigHash: "1"}
	for _, tc := range []struct {
		id   string
		name string
		own  bool
	}{{identity.Main, "p_x", true}, {identity.Main, "x", false}, {"1", "p_x", false}} {
		b := of(&registry.Loom{ID: tc.id, Project: "p"})
		b.takeNetworks([]engine.Network{{Name: tc.name, Labels: made}})
		assert.Equal(t, len(b.Networks) == 1, tc.own, tc.id+tc.name)
	}

	shared := engine.Volume{Name: "data", Labels: byCompose}
	assert.Assert(t, b.ownsVolume(engine.Volume{Name: "x", Labels: labelled("1", "/shop", nil)}))
	assert.Assert(t, !b.ownsVolume(engine.Volume{Name: "x", Labels: labelled("1", "/other", nil)}))
	assert.Assert(t, !b.ownsVolume(shared), "the settings share it")
	b.Target = of(&registry.Loom{ID: identity.Main, Project: "p"}).Target
	assert.Assert(t, b.ownsVolume(shared))
	assert.Assert(t, !b.ownsVolume(engine.Volume{Name: "x", Labels: byCompose}), "no container of main mounts it")
	b.LabelledOnly = true
	assert.Assert(t, !b.ownsVolume(shared))
}
