package exec

import (
	"errors"
	"testing"

	"gotest.tools/v3/assert"
)

type closed struct{ writes int }

func (c *closed) Write([]byte) (int, error) {
	c.writes++
	return 0, errors.New("broken pipe")
}

func TestACommandWhoseOutputNobodyTakesCanGoOn(t *testing.T) {
	t.Parallel()
	lost := make(chan struct{}, 1)
	to := &closed{}
	o := &outlet{w: to, lost: lost}
	for range 3 {
		n, err := o.Write([]byte("line"))
		assert.NilError(t, err)
		assert.Equal(t, n, 4)
	}
	assert.Equal(t, to.writes, 1)
	assert.Equal(t, len(lost), 1)
	assert.Assert(t, errors.As(o.err, new(*OutputError)))

	n, err := (&outlet{}).Write([]byte("line"))
	assert.NilError(t, err)
	assert.Equal(t, n, 4)
}

func TestKeysThatMakeNoSenseAreDockersOwn(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, detachKeys("ctrl-a,d"), []byte{1, 'd'})
	assert.DeepEqual(t, detachKeys(""), []byte{16, 17})
	assert.DeepEqual(t, detachKeys("ctrl-"), []byte{16, 17})
}
