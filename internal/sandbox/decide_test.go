package sandbox

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	running := func() Facts {
		return Facts{
			Exists: true, Running: true, Hash: "h", WantHash: "h", ID: "i", StartedAt: "s", CheckedID: "i", CheckedStart: "s",
			Egress: EgressFacts{Exists: true, Running: true, Hash: "e", WantHash: "e", ID: "ei", StartedAt: "es", CheckedID: "ei", CheckedStart: "es"},
		}
	}
	for name, tc := range map[string]struct {
		change func(*Facts)
		want   Action
	}{
		"same":                    {func(*Facts) {}, Action{}},
		"nothing there":           {func(f *Facts) { *f = Facts{WantHash: "h", Egress: EgressFacts{WantHash: "e"}} }, Action{Sandbox: Create, Egress: Create, Check: true}},
		"stopped":                 {func(f *Facts) { f.Running = false }, Action{Sandbox: Start, Check: true}},
		"drift":                   {func(f *Facts) { f.WantHash = "x" }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"drift while stopped":     {func(f *Facts) { f.WantHash, f.Running = "x", false }, Action{Sandbox: Recreate, Check: true}},
		"paused":                  {func(f *Facts) { f.Paused = true }, Action{Sandbox: Unpause, Check: true}},
		"drift while paused":      {func(f *Facts) { f.WantHash, f.Paused = "x", true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"mount lost, paused":      {func(f *Facts) { f.LostMount, f.Paused = true, true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"started by someone else": {func(f *Facts) { f.StartedAt = "later" }, Action{Check: true}},
		"never checked":           {func(f *Facts) { f.CheckedID, f.CheckedStart = "", "" }, Action{Check: true}},
		"mount lost":              {func(f *Facts) { f.LostMount = true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"sidecar gone":            {func(f *Facts) { f.Egress = EgressFacts{WantHash: "e"} }, Action{Egress: Create, Check: true}},
		"sidecar stopped":         {func(f *Facts) { f.Egress.Running = false }, Action{Egress: Start, Check: true}},
		"sidecar paused":          {func(f *Facts) { f.Egress.Paused = true }, Action{Egress: Unpause, Check: true}},
		"rules drifted":           {func(f *Facts) { f.Egress.WantHash = "x" }, Action{Egress: Recreate, Check: true}},
		"sidecar started again":   {func(f *Facts) { f.Egress.StartedAt = "later" }, Action{Check: true}},
	} {
		f := running()
		tc.change(&f)
		assert.Check(t, Decide(f) == tc.want, "%s: %+v", name, Decide(f))
	}
	assert.Check(t, Decide(running()).Nothing())
}
