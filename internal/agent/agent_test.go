package agent

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
)

func TestMovedTellsOfAllRefsButTheOwn(t *testing.T) {
	t.Parallel()
	before := map[string]string{"refs/heads/own": "1111111111", "refs/heads/main": "2222222222", "refs/heads/gone": "3333333333", "refs/tags/v1": "4444444444"}
	after := map[string]string{"refs/heads/own": "5555555555", "refs/heads/main": "6666666666", "refs/tags/v1": "4444444444", "refs/heads/next": "7777777777", "refs/stash": "8888888888"}
	assert.DeepEqual(t, movedRefs(before, after, "refs/heads/own", "refs/heads/next"), []string{
		"refs/heads/gone is gone, it was at 33333333", "refs/heads/main moved from 22222222 to 66666666", "refs/stash is new, at 88888888",
	})
}

func TestAnAgentIsNeverRoot(t *testing.T) {
	t.Parallel()
	remapped := engine.Capabilities{RootDir: "/var/lib/docker/100000.200000"}
	remapped.Confines.Remapped = true
	for _, c := range []struct {
		info     engine.Capabilities
		uid, gid int
		want     agentUser
	}{
		{engine.Capabilities{}, 1000, 100, agentUser{1000, 100, 1000, 100}},
		{engine.Capabilities{}, 0, 0, agentUser{61000, 61000, 61000, 61000}},
		{engine.Capabilities{}, 1000, 0, agentUser{1000, 61000, 1000, 61000}},
		{remapped, 1000, 1000, agentUser{61000, 61000, 161000, 261000}},
		{remapped, 101000, 201000, agentUser{1000, 1000, 101000, 201000}},
		{remapped, 100000, 200000, agentUser{61000, 61000, 161000, 261000}},
	} {
		got, err := userOn(c.info, c.uid, c.gid)
		assert.NilError(t, err)
		assert.Equal(t, got, c.want)
	}
	_, err := userOn(engine.Capabilities{Confines: engine.Confines{Remapped: true}, RootDir: "/var/lib/docker"}, 1000, 1000)
	assert.ErrorContains(t, err, "does not tell")
}
