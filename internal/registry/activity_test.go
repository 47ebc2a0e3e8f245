package registry

import (
	"os"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

func TestActivityIsKeptUntilItIsForgotten(t *testing.T) {
	t.Parallel()
	r := Open(t.TempDir())
	assert.DeepEqual(t, r.Activity("/shop", "123"), Activity{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	a := Activity{Looked: at, Last: map[string]time.Time{"exec": at}, Execs: []string{"e"}, Attached: map[string][]time.Time{"c": {at}}}
	assert.NilError(t, r.RecordActivity("/shop", "123", a))
	assert.DeepEqual(t, r.Activity("/shop", "123"), a)
	assert.DeepEqual(t, r.Activity("/shop", "124"), Activity{})
	assert.NilError(t, os.WriteFile(r.activityPath("/shop", "123", ".json"), []byte("{half"), 0o600))
	assert.DeepEqual(t, r.Activity("/shop", "123"), Activity{})
	assert.NilError(t, r.ForgetActivity("/shop", "123"))
	assert.NilError(t, r.ForgetActivity("/shop", "123"))
}

func TestACommandIsSeenWhileItWorks(t *testing.T) {
	t.Parallel()
	r := Open(t.TempDir())
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.now = func() time.Time { return now }
	last, working := r.Attended("/shop", "123")
	assert.Check(t, last.IsZero() && !working)
	one, err := r.MarkInUse(t.Context(), "/shop", "123")
	assert.NilError(t, err)
	two, err := r.MarkInUse(t.Context(), "/shop", "123")
	assert.NilError(t, err)
	one()
	_, working = r.Attended("/shop", "123")
	assert.Check(t, working)
	now = now.Add(time.Hour)
	two()
	last, working = r.Attended("/shop", "123")
	assert.Check(t, last.Equal(now) && !working, "%v", last)
	// To look at a loom is not work on it.
	now = now.Add(time.Hour)
	again, _ := r.Attended("/shop", "123")
	assert.Check(t, again.Equal(last))
	assert.NilError(t, r.ForgetActivity("/shop", "123"))
	entries, err := os.ReadDir(r.dir + "/activity")
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 0)
}
