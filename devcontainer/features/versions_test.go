package features

import (
	"slices"
	"testing"
)

func TestAnIDIsWrittenForAnotherVersion(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"ghcr.io/o/f/node:1":                           "ghcr.io/o/f/node:2",
		"ghcr.io/o/f/node":                             "ghcr.io/o/f/node:2",
		"localhost:5000/o/node":                        "localhost:5000/o/node:2",
		"localhost:5000/o/node:1.2.3":                  "localhost:5000/o/node:2",
		"ghcr.io/o/f/node@sha256:" + digestOf(nil)[7:]: "ghcr.io/o/f/node:2",
	} {
		id, err := ParseID(written, "/w/.devcontainer", "/w")
		if err != nil {
			t.Fatal(err)
		}
		if got := id.WithVersion("2"); got != want {
			t.Errorf("%s: %s", written, got)
		}
	}
}

func TestALockfileIsComparedFeatureByFeature(t *testing.T) {
	t.Parallel()
	one := Locked{Version: "1.0.0", Resolved: "r.io/o/one@sha256:1", Integrity: "sha256:1"}
	newer := Locked{Version: "1.1.0", Resolved: "r.io/o/one@sha256:2", Integrity: "sha256:2"}
	needs := one
	needs.DependsOn = []string{"r.io/o/two"}
	lock := func(features map[string]Locked) *Lockfile { return &Lockfile{Features: features} }
	for _, c := range []struct {
		name        string
		has, should *Lockfile
		want        []string
	}{
		{"neither", nil, nil, nil},
		{"the same", lock(map[string]Locked{"a": one}), lock(map[string]Locked{"a": one}), nil},
		{"none yet", nil, lock(map[string]Locked{"b": one, "a": one}), []string{"a is not locked", "b is not locked"}},
		{"none any more", lock(map[string]Locked{"a": one}), nil, []string{"a is locked and not used"}},
		{
			"another content", lock(map[string]Locked{"a": one}), lock(map[string]Locked{"a": newer}),
			[]string{"a is locked as 1.0.0 (r.io/o/one@sha256:1) and is 1.1.0 (r.io/o/one@sha256:2)"},
		},
		{
			"other dependencies", lock(map[string]Locked{"a": one}), lock(map[string]Locked{"a": needs}),
			[]string{"a is locked with other dependencies"},
		},
	} {
		if got := c.has.Differences(c.should); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestALockfileWithoutSomeKeepsTheOthers(t *testing.T) {
	t.Parallel()
	l := &Lockfile{Features: map[string]Locked{"a": {Integrity: "1"}, "b": {Integrity: "2"}}}
	rest := l.Without([]string{"a"})
	if rest.Has("a") || !rest.Has("b") || !l.Has("a") {
		t.Errorf("%+v of %+v", rest, l)
	}
	if l.Without(nil) != nil {
		t.Error("where none is named, all are resolved again")
	}
}
