package plan

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// sharingOf is what is decided of a trap of package overrides, under a loom's name.
func sharingOf(t *testing.T, trap, name string) *sharing {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "overrides", "testdata", "traps", trap))
	assert.NilError(t, err)
	found, err := stack.Find(stack.Source{Dir: dir, Top: dir}, stack.Ours{})
	assert.NilError(t, err)
	m, err := new(stack.Stack).Load(t.Context(), found, name, nil)
	assert.NilError(t, err)
	facts := &survey.Facts{State: new(registry.State), Found: found, Settings: new(settings.Settings)}
	return &sharing{maker: &maker{facts: facts, base: m, Plan: &Plan{ID: "7"}}}
}

func madeLines(list []registry.Made) string {
	var all []string
	for _, m := range list {
		line := fmt.Sprintf("%s %s: %s is %s", m.Kind, m.Key, m.Name, m.As)
		if m.Default {
			line += ", by default"
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

func TestNetworksAndVolumesAreNamedAsWithoutALoom(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, trap    string
		change        func(*sharing)
		named, absent string // absent is what the project does not make
	}{
		{"names of the files", "fixed-names", nil, `networks default: shop-default is p_default
networks fixed: shop-net is p_fixed
networks old: legacy is p_old
networks outside: team is p_outside
networks plain: shop_plain is p_plain, by default
volumes anonymous: shop_anonymous is p_anonymous, by default
volumes cache: cache is p_cache
volumes data: shop-data is p_data
volumes plain: shop_plain is p_plain, by default
volumes seed: shop-seed is p_seed`, "cache seed"},
		{
			"what all looms share is nobody's", "shared",
			func(s *sharing) { s.facts.Settings.Container.Share = []string{"bus", "models", "outside"} }, `networks default: shared_default is p_default, by default
volumes cache: shared_cache is p_cache, by default
volumes own: shared_own is p_own, by default`, "",
		},
		{
			"an external volume that is isolated is made", "shared",
			func(s *sharing) {
				s.isolated = []string{"outside"}
				s.facts.Settings.Container.Share = []string{"bus", "cache", "models", "own", "default"}
			},
			"networks outside: team is p_outside\nvolumes outside: outside is p_outside", "",
		},
		{
			"what another project makes is not made", "shared",
			func(s *sharing) {
				s.facts.Settings.Container.Share = []string{"cache", "models", "own", "default"}
				s.joined = []registry.Made{{Kind: "networks", Key: "outside"}, {Kind: "volumes", Key: "outside"}}
			},
			"networks bus: shared_bus is p_bus, by default\nnetworks outside: team is p_outside\nvolumes outside: outside is p_outside", "networks:outside volumes:outside",
		},
	} {
		s := sharingOf(t, tc.trap, "p")
		if tc.change != nil {
			tc.change(s)
		}
		if got := madeLines(s.named()); got != tc.named {
			t.Errorf("%s:\n%s", tc.name, got)
		}
		var want []string
		absent := strings.Fields(tc.absent)
		for line := range strings.SplitSeq(tc.named, "\n") {
			kind, rest, _ := strings.Cut(line, " ")
			key, _, _ := strings.Cut(rest, ":")
			isAbsent := false
			for _, a := range absent {
				isAbsent = isAbsent || a == kind+":"+key || a == key && kind == "volumes"
			}
			if !isAbsent {
				want = append(want, line)
			}
		}
		if got := madeLines(s.makes()); got != strings.Join(want, "\n") {
			t.Errorf("%s makes:\n%s", tc.name, got)
		}
	}
}
