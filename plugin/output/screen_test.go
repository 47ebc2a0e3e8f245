package output

import (
	"bytes"
	"testing"

	"gotest.tools/v3/assert"
)

func TestScreenPutsOneTextInPlaceOfTheOther(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := &Screen{out: &b, size: func() (uint, uint) { return 4, 6 }}
	s.Show("one\ntwo   \n")
	assert.Equal(t, b.String(), "one\x1b[K\ntwo\x1b[K\n\x1b[J")
	b.Reset()
	s.Show("longer than six\n2\n3\n4\n5\n")
	assert.Equal(t, b.String(), "\x1b[2A\rlonger\x1b[K\n2\x1b[K\nand 3 \x1b[K\n\x1b[J")
	b.Reset()
	s.Show("end\n")
	assert.Equal(t, b.String(), "\x1b[3A\rend\x1b[K\n\x1b[J")
	// Where nobody knows the size nothing is cut.
	b.Reset()
	s = &Screen{out: &b, size: func() (uint, uint) { return 0, 0 }}
	s.Show("a long line\n2\n3\n")
	assert.Equal(t, b.String(), "a long line\x1b[K\n2\x1b[K\n3\x1b[K\n\x1b[J")
}
