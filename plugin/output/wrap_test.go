package output

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestWrapFillsLinesAndKeepsWhatIsIndented(t *testing.T) {
	t.Parallel()
	text := "One two three\nfour.\n\nThings are\n  exec     a long line that stays as it is\nand averyveryverylongword."
	assert.Equal(t, Wrap(text, 12), "One two\nthree four.\n\nThings are\n  exec     a long line that stays as it is\nand\naveryveryverylongword.")
	assert.Equal(t, Wrap(text, 200), "One two three four.\n\nThings are\n  exec     a long line that stays as it is\nand averyveryverylongword.")
	assert.Equal(t, Wrap("", 80), "")
}
