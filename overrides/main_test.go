package overrides_test

import (
	"path/filepath"
	"slices"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

func TestMainWithAnOffsetMovesOnlyPorts(t *testing.T) {
	t.Parallel()
	for _, trap := range []string{"container-names", "fixed-names", "images", "port-forms", "port-variable-of-theirs", "subnets"} {
		t.Run(trap, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), trap)
			copyTrap(t, trap, dir)
			m := mutation{input: func(in *overrides.Input) { in.PortsOnly = true }}
			v := variant{dir: dir}
			k, err := plan(t.Context(), v, "101", &host{}, m, nil)
			assert.NilError(t, err)
			for _, e := range k.edits {
				_, ok := e.(overrides.Publish)
				assert.Check(t, ok, "%s", e)
			}
			problems := slices.Concat(k.keeps(), k.survivesTheDisk(t.Context(), v, m))
			assert.Check(t, len(problems) == 0, "%v", problems)
			assert.Check(t, len(overrides.Networks(k.base.Project, overrides.Input{PortsOnly: true})) == 0)
		})
	}
}
