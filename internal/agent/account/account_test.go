package account

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
)

func TestAnAgentIsNeverRoot(t *testing.T) {
	t.Parallel()
	remapped := engine.Capabilities{RootDir: "/var/lib/docker/100000.200000"}
	remapped.Confines.Remapped = true
	for _, c := range []struct {
		info     engine.Capabilities
		uid, gid int
		want     Account
	}{
		{engine.Capabilities{}, 1000, 100, Account{1000, 100, 1000, 100}},
		{engine.Capabilities{}, 0, 0, Account{61000, 61000, 61000, 61000}},
		{engine.Capabilities{}, 1000, 0, Account{1000, 61000, 1000, 61000}},
		{remapped, 1000, 1000, Account{61000, 61000, 161000, 261000}},
		{remapped, 101000, 201000, Account{1000, 1000, 101000, 201000}},
		{remapped, 100000, 200000, Account{61000, 61000, 161000, 261000}},
	} {
		got, err := On(c.info, c.uid, c.gid)
		assert.NilError(t, err)
		assert.Equal(t, got, c.want)
	}
	_, err := On(engine.Capabilities{Confines: engine.Confines{Remapped: true}, RootDir: "/var/lib/docker"}, 1000, 1000)
	assert.ErrorContains(t, err, "does not tell")
}
