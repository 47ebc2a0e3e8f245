package overrides_test

import (
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

// joined is what a project of a trap joins of its sibling, by kind and key.
func joined(names ...string) overrides.Joined {
	all := overrides.Joined{}
	for _, name := range names {
		kind, key, _ := strings.Cut(name, ":")
		all[[2]string{kind, key}] = overrides.JoinedAs{Name: "iloom-sibling-101_" + key}
	}
	return all
}

func TestWhatAnotherProjectMakesIsTheSameInMemoryAndOnDisk(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		trap string
		join overrides.Joined
	}{
		{"fixed-names", joined("networks:fixed", "networks:outside", "networks:old", "volumes:data", "volumes:cache", "volumes:seed")},
		{"fixed-names", joined("networks:default", "networks:plain", "volumes:plain", "volumes:anonymous")},
		{"shared", joined("networks:bus", "networks:outside", "volumes:models", "volumes:outside")},
		{"subnets", joined("networks:static", "networks:own", "networks:default")},
		{"container-names", joined("networks:default")},
		{"override-of-their-own", joined("networks:default")},
		{"compose-file-variable", joined("networks:default")},
	} {
		t.Run(tc.trap, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), tc.trap)
			copyTrap(t, tc.trap, dir)
			m := mutation{input: func(in *overrides.Input) { in.Join = tc.join }}
			v := variant{dir: dir}
			k, err := plan(t.Context(), v, "101", &host{}, m, nil)
			assert.NilError(t, err)
			for _, p := range k.survivesTheDisk(t.Context(), v, m) {
				t.Error(p)
			}
			for at, as := range tc.join {
				if n, ok := k.project.Networks[at[1]]; ok && at[0] == "networks" {
					assert.Check(t, n.Name == as.Name && bool(n.External) && len(n.Labels) == 0 && len(n.Ipam.Config) == 0, "%+v", n)
				}
				if v, ok := k.project.Volumes[at[1]]; ok && at[0] == "volumes" {
					assert.Check(t, v.Name == as.Name && bool(v.External) && len(v.Labels) == 0, "%+v", v)
				}
			}
		})
	}
}
