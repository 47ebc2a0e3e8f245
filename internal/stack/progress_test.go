package stack

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestATitleHasItsHintOnlyWithinOneLine(t *testing.T) {
	t.Parallel()
	p := Phase{Title: "Waiting", Hint: "Ctrl-C ends the wait, the loom stays up"}
	assert.Equal(t, p.titleWithin(80), "Waiting (Ctrl-C ends the wait, the loom stays up)")
	assert.Equal(t, p.titleWithin(60), "Waiting")
	assert.Equal(t, p.titleWithin(0), "Waiting")
	assert.Equal(t, Phase{Title: "Removing"}.titleWithin(80), "Removing")
}
