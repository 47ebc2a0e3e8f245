package gitfile

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestTheUserSectionHasWhatIsKnown(t *testing.T) {
	t.Parallel()
	assert.Equal(t, UserSection("", ""), "")
	assert.Equal(t, UserSection(`Ann "Q" O\N`, ""), "[user]\n\tname = \"Ann \\\"Q\\\" O\\\\N\"\n")
	assert.Equal(t, UserSection("a\n[core]", "a@b"), "[user]\n\tname = \"a\\n[core]\"\n\temail = \"a@b\"\n")
}
