package sandbox

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	l, err := ParseLimits("", "", "")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{4 << 30, 2, 512})
	l, err = ParseLimits("512m", "0.5", "64")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{512 << 20, 0.5, 64})
	l, err = ParseLimits("1073741824", " 4 ", "")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{1 << 30, 4, 512})
	for _, bad := range [][3]string{{"4x"}, {"-1"}, {"1m"}, {"99999999999g"}, {"", "0"}, {"", "two"}, {"", "NaN"}, {"", "Inf"}, {"", "", "0"}, {"", "", "1.5"}, {"", "", "-1"}} {
		_, err := ParseLimits(bad[0], bad[1], bad[2])
		assert.Check(t, err != nil && strings.Contains(err.Error(), strings.Join(bad[:], "")) && strings.Contains(err.Error(), "must be"), "%v: %v", bad, err)
	}
}
