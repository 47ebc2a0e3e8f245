package features

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// world is the features that a test has, by resource.
type world map[string]Manifest

// plan orders features of a world: each is written ID or ID{"option":"value"}.
func (w world) plan(t *testing.T, priorities []string, asked ...string) (string, error) {
	t.Helper()
	var requests []request
	for _, a := range asked {
		id, options, _ := strings.Cut(a, "{")
		if options != "" {
			options = "{" + options
		}
		requests = append(requests, request{id, json.RawMessage(options), "/w/.devcontainer", "/w"})
	}
	var first []ID
	for _, p := range priorities {
		id, err := ParseID(p, "/w/.devcontainer", "/w")
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, id)
	}
	nodes, err := graph(requests, first, func(r request) (*Feature, error) {
		id, err := r.parse(r.id)
		if err != nil {
			return nil, err
		}
		m, ok := w[id.Resource()]
		if !ok {
			return nil, errors.New("no " + id.Resource())
		}
		f := &Feature{ID: id, Manifest: &m, Digest: id.Resource() + id.Tag}
		f.Options, f.user, err = m.values(r.options)
		return f, err
	})
	if err != nil {
		return "", err
	}
	list, err := order(nodes)
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range list {
		name := f.ID.name()
		if f.ID.Tag != "latest" && f.ID.Tag != "" {
			name += ":" + f.ID.Tag
		}
		for _, option := range sorted(f.user) {
			name += " " + option + "=" + f.user[option]
		}
		names = append(names, name)
	}
	return strings.Join(names, ", "), nil
}

func after(ids ...string) Manifest { return Manifest{InstallsAfter: ids} }

func needs(ids ...string) Manifest {
	m := Manifest{DependsOn: map[string]json.RawMessage{}}
	for _, id := range ids {
		name, options, _ := strings.Cut(id, "{")
		if options == "" {
			options = "}"
		}
		m.DependsOn[name] = json.RawMessage("{" + options)
	}
	return m
}

func TestFeaturesAreInstalledInTheSpecificationsOrder(t *testing.T) {
	t.Parallel()
	plain := world{"r.io/f/a": {}, "r.io/f/b": {}, "r.io/f/c": {}, "/w/.devcontainer/l": {}}
	with := func(more world) world {
		w := world{}
		for k, v := range plain {
			w[k] = v
		}
		for k, v := range more {
			w[k] = v
		}
		return w
	}
	version := map[string]Option{"version": {}, "x": {Default: json.RawMessage(`"d"`)}}
	for _, tt := range []struct {
		name  string
		world world
		first []string
		asked []string
		want  string
	}{
		{"by resource, not as written", plain, nil, []string{"r.io/f/c", "r.io/f/a", "r.io/f/b"}, "a, b, c"},
		{"installsAfter", with(world{"r.io/f/a": after("r.io/f/b")}), nil, []string{"r.io/f/a", "r.io/f/b"}, "b, a"},
		{"installsAfter whatever the version", with(world{"r.io/f/a": after("r.io/f/b:9")}), nil, []string{"r.io/f/a", "r.io/f/b:1"}, "b:1, a"},
		{"installsAfter does not install", with(world{"r.io/f/a": after("r.io/f/b")}), nil, []string{"r.io/f/a"}, "a"},
		{"installsAfter is not recursive", with(world{"r.io/f/a": after("r.io/f/b"), "r.io/f/b": after("r.io/f/c")}), nil, []string{"r.io/f/a", "r.io/f/c"}, "a, c"},
		{"dependsOn installs, with options", with(world{"r.io/f/a": needs(`r.io/f/b:2{"x":"1"}`)}), nil, []string{"r.io/f/a"}, "b:2 x=1, a"},
		{"dependsOn is recursive", with(world{"r.io/f/a": needs("r.io/f/b"), "r.io/f/b": needs("r.io/f/c")}), nil, []string{"r.io/f/a"}, "c, b, a"},
		{"a dependency once", with(world{"r.io/f/a": needs("r.io/f/c"), "r.io/f/b": needs("r.io/f/c")}), nil, []string{"r.io/f/a", "r.io/f/b", "r.io/f/c"}, "c, a, b"},
		{"twice with other options", with(world{"r.io/f/a": needs(`r.io/f/c{"x":"1"}`)}), nil, []string{"r.io/f/a", "r.io/f/c"}, "c x=1, c, a"},
		{"two versions, the older first", plain, nil, []string{"r.io/f/a:2", "r.io/f/a:latest", "r.io/f/a:1.10", "r.io/f/a:1.9"}, "a:1.9, a:1.10, a:2, a"},
		{"a moving tag is newer than its fixed ones", plain, nil, []string{"r.io/f/a:1", "r.io/f/a:1.2"}, "a:1.2, a:1"},
		{"more options of the user first", with(world{"r.io/f/a": {Options: version}}), nil, []string{`r.io/f/a`, `r.io/f/a{"x":"1","version":"2"}`, `r.io/f/a{"x":"1"}`}, "a version=2 x=1, a x=1, a"},
		{"then their values", plain, nil, []string{`r.io/f/a{"x":"2"}`, `r.io/f/a{"x":"1"}`}, "a x=1, a x=2"},
		{"override", plain, []string{"r.io/f/c", "r.io/f/b"}, []string{"r.io/f/a", "r.io/f/b", "r.io/f/c"}, "c, b, a"},
		{"override cannot break dependsOn", with(world{"r.io/f/a": needs("r.io/f/c")}), []string{"r.io/f/a"}, []string{"r.io/f/a", "r.io/f/b"}, "b, c, a"},
		{"override beats nothing that must come before", with(world{"r.io/f/c": after("r.io/f/a")}), []string{"r.io/f/c"}, []string{"r.io/f/a", "r.io/f/b", "r.io/f/c"}, "a, b, c"},
		{"a local feature twice is two", plain, nil, []string{"./l", "./l"}, "l, l"},
		{"a former name", with(world{"r.io/f/b": {LegacyIDs: []string{"old"}}, "r.io/f/a": after("r.io/f/old")}), nil, []string{"r.io/f/a", "r.io/f/b"}, "b, a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.world.plan(t, tt.first, tt.asked...)
			if err != nil || got != tt.want {
				t.Errorf("got  %s\nwant %s\n%v", got, tt.want, err)
			}
		})
	}
}

func TestACircleIsShown(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]world{
		"r.io/f/a → r.io/f/b → r.io/f/a":            {"r.io/f/a": needs("r.io/f/b"), "r.io/f/b": needs("r.io/f/a")},
		"r.io/f/a → r.io/f/a":                       {"r.io/f/a": needs("r.io/f/a")},
		"r.io/f/b → r.io/f/c → r.io/f/b":            {"r.io/f/a": needs("r.io/f/b"), "r.io/f/b": needs("r.io/f/c"), "r.io/f/c": needs("r.io/f/b")},
		"r.io/f/a → r.io/f/b → r.io/f/c → r.io/f/a": {"r.io/f/a": needs("r.io/f/b"), "r.io/f/b": after("r.io/f/c"), "r.io/f/c": after("r.io/f/a")},
	} {
		asked := []string{"r.io/f/a", "r.io/f/b"}
		if _, ok := w["r.io/f/c"]; ok {
			asked = append(asked, "r.io/f/c")
		}
		if _, ok := w["r.io/f/b"]; !ok {
			asked = asked[:1]
		}
		_, err := w.plan(t, nil, asked...)
		var circle *CycleError
		if !errors.As(err, &circle) || strings.Join(circle.IDs, " → ") != want {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestAnErrorNamesWhoNeedsTheFeature(t *testing.T) {
	t.Parallel()
	_, err := world{"r.io/f/a": needs("r.io/f/b")}.plan(t, nil, "r.io/f/a")
	if err == nil || !strings.Contains(err.Error(), "no r.io/f/b (needed by r.io/f/a)") {
		t.Error(err)
	}
}
