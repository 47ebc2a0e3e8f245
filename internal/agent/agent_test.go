package agent

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestMovedTellsOfAllRefsButTheOwn(t *testing.T) {
	t.Parallel()
	before := map[string]string{"refs/heads/own": "1111111111", "refs/heads/main": "2222222222", "refs/heads/gone": "3333333333", "refs/tags/v1": "4444444444"}
	after := map[string]string{"refs/heads/own": "5555555555", "refs/heads/main": "6666666666", "refs/tags/v1": "4444444444", "refs/heads/next": "7777777777", "refs/stash": "8888888888"}
	assert.DeepEqual(t, movedRefs(before, after, "refs/heads/own", "refs/heads/next"), []string{
		"refs/heads/gone is gone, it was at 33333333", "refs/heads/main moved from 22222222 to 66666666", "refs/stash is new, at 88888888",
	})
}
