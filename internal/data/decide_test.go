package data

import (
	"errors"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

func volume(project, key, name string) engine.Volume {
	return engine.Volume{Name: name, Labels: map[string]string{stack.LabelProject: project, stack.LabelVolume: key}}
}

func wanted() Copy {
	return Copy{Request: Request{From: "#1"}, Loom: "2", Project: "p2", Source: "1", SourceProject: "p1"}
}

func TestVolumesArePairedByTheirKeys(t *testing.T) {
	t.Parallel()
	volumes := types.Volumes{
		"data":   {Name: "p2_data"},
		"cache":  {Name: "p2_cache"},
		"fixed":  {Name: "fixed"},
		"theirs": {Name: "theirs", External: true},
		"memory": {Name: "p2_memory", DriverOpts: types.Options{"type": "tmpfs"}},
	}
	c, err := Decide(wanted(), volumes, []engine.Volume{
		volume("p1", "data", "renamed"), volume("p1", "fixed", "fixed"), volume("p1", "memory", "p1_memory"),
		volume("p3", "cache", "p3_cache"),
		{Name: "p1_cache"},
	})
	assert.NilError(t, err)
	assert.DeepEqual(t, c.Pairs, []Pair{{Key: "data", From: "renamed", To: "p2_data"}})
	assert.DeepEqual(t, c.Notes, []string{
		"volume p2_cache begins empty: the other loom has none",
		"volume fixed is shared by both looms and not copied",
		"volume p2_memory is in memory and keeps nothing to copy",
		"volume theirs is shared by both looms and not copied",
	})
	assert.Equal(t, len(c.Findings()), 1)
	assert.Equal(t, c.Findings()[0].Message, "p2_data begins with the data of renamed, of loom 1")
}

func TestACopyReplacesNoData(t *testing.T) {
	t.Parallel()
	volumes := types.Volumes{"data": {Name: "p2_data"}, "more": {Name: "p2_more"}}
	_, err := Decide(wanted(), volumes, []engine.Volume{
		volume("p1", "data", "p1_data"), volume("p1", "more", "p1_more"), volume("", "", "p2_more"),
	})
	var exists *HasDataError
	assert.Assert(t, errors.As(err, &exists), "%v", err)
	assert.DeepEqual(t, *exists, HasDataError{Loom: "2", From: "#1", Volumes: []string{"p2_more"}})
}

func TestACopyOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Decide(wanted(), types.Volumes{"data": {Name: "p2_data"}}, []engine.Volume{volume("p3", "data", "p3_data")})
	assert.Error(t, err, "loom 1 has no named volume that loom 2 has too")
}
