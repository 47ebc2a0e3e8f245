package apply

import (
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

func TestASilentPortIsWaitedForAsLongAsItMayStillAnswer(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return begun.Add(-d) }
	limit := 3 * time.Minute
	for _, tc := range []struct {
		name string
		p    patience
		want time.Duration
		why  string
	}{
		{"nothing known", patience{}, limit, "after 3m0s"},
		{"just started", patience{started: ago(0)}, limit, "after 3m0s"},
		{"started by Compose a while ago", patience{started: ago(time.Minute)}, 2 * time.Minute, "after 3m0s"},
		{"runs for long", patience{started: ago(time.Hour)}, time.Second, "though the container has run for 1h0m1s"},
		{
			"another port answered",
			patience{started: ago(0), answered: begun.Add(2 * time.Second)},
			12 * time.Second,
			"10s after another port of the service answered",
		},
		{"another port answered late", patience{answered: begun.Add(175 * time.Second)}, limit, "after 3m0s"},
		{"runs for long, another port answers", patience{started: ago(time.Hour), answered: begun}, time.Second, "though the container has run for 1h0m1s"},
		{"ran before, a port answers at once", patience{started: ago(20 * time.Second), answered: begun}, time.Second, "though the container has run for 21s"},
		{
			"ran before, a port answers later",
			patience{started: ago(20 * time.Second), answered: begun.Add(4 * time.Second)},
			14 * time.Second,
			"10s after another port of the service answered",
		},
		{"every port is required", patience{started: ago(time.Hour), answered: begun, whole: true}, limit, "after 3m0s"},
		{"the clock of the engine is ahead", patience{started: begun.Add(time.Hour)}, limit, "after 3m0s"},
	} {
		tc.p.begun, tc.p.limit = begun, limit
		assert.Check(t, tc.p.until().Sub(begun) == tc.want, "%s: %s", tc.name, tc.p.until().Sub(begun))
		assert.Check(t, tc.p.why() == tc.why, "%s: %s", tc.name, tc.p.why())
	}
	short := patience{begun: begun, limit: 300 * time.Millisecond, started: ago(time.Hour)}
	assert.Equal(t, short.until().Sub(begun), short.limit)
}
