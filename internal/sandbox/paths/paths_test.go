package paths

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestContains(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		base, p string
		want    bool
	}{
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a", "/ab", false},
		{"/a/b", "/a", false},
		{"/", "/a", true},
	} {
		got := Contains(filepath.FromSlash(tc.base), filepath.FromSlash(tc.p))
		assert.Check(t, got == tc.want, "%s in %s", tc.p, tc.base)
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	slash := func(list []string) []string {
		for i := range list {
			list[i] = filepath.ToSlash(list[i])
		}
		return list
	}
	a := filepath.FromSlash("/a")
	assert.DeepEqual(t, slash(Between(a, filepath.FromSlash("/a/b/c/d"))), []string{"/a/b", "/a/b/c"})
	assert.Equal(t, len(Between(a, filepath.FromSlash("/a/b"))), 0)
	assert.Equal(t, len(Between(a, filepath.FromSlash("/x/y"))), 0)
}
