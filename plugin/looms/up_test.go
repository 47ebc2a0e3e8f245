package looms

import (
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

func TestWaitTimeoutIsTheFlagsElseThatOfIloom(t *testing.T) {
	for _, tc := range []struct {
		flag, env, want string
	}{
		{"0s", "", "3m0s"}, {"5s", "", "5s"}, {"0s", "1500", "1.5s"}, {"5s", "1500", "5s"}, {"0s", "x", "error"}, {"0s", "0", "error"}, {"0s", "-1", "error"},
	} {
		t.Setenv("ILOOM_DEV_SERVER_TIMEOUT", tc.env)
		got, err := waitTimeout(duration(t, tc.flag))
		if tc.want == "error" {
			assert.Error(t, err, "ILOOM_DEV_SERVER_TIMEOUT="+tc.env+" is not a number of milliseconds")
			continue
		}
		assert.NilError(t, err)
		assert.Equal(t, got.String(), tc.want)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	assert.NilError(t, err)
	return d
}
