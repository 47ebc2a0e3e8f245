package command

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"gotest.tools/v3/assert"
)

func TestATimeoutIsSecondsOrADuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "30s": 30 * time.Second, "2m": 2 * time.Minute, "1h30m": 90 * time.Minute,
		"-1": -1, "-1s": -1, "soon": -1, "1.5": -1, "": -1,
	} {
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		var d time.Duration
		DurationVar(flags, &d, "timeout", "t", "How long")
		err := flags.Parse([]string{"--timeout=" + text})
		if want < 0 {
			assert.Check(t, err != nil, text)
			continue
		}
		assert.Check(t, err == nil && d == want, "%s: %v, %v", text, d, err)
	}
}
