package devcontainer

import (
	"fmt"
	"testing"

	"gotest.tools/v3/assert"
)

func TestLifecycleRunsWhatHasNoMarkerInOrder(t *testing.T) {
	t.Parallel()
	const created, started = "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:05:05Z"
	of := func(s string) []Origin { return []Origin{{From: "devcontainer.json", Command: Command{Shell: s}}} }
	all := Merged{
		OnCreateCommands: of("a"), UpdateContentCommands: of("b"), PostCreateCommands: of("c"),
		PostStartCommands: of("d"), PostAttachCommands: of("e"),
	}
	with := func(waitFor string) Merged { m := all; m.WaitFor = waitFor; return m }
	done := Markers{
		".onCreateCommandMarker": created, ".updateContentCommandMarker": created, ".postCreateCommandMarker": created,
		".postStartCommandMarker": started,
	}
	without := func(name string) Markers {
		m := Markers{}
		for k, v := range done {
			if k != name {
				m[k] = v
			}
		}
		return m
	}
	for _, c := range []struct {
		name    string
		merged  Merged
		markers Markers
		want    string
	}{
		{"all", all, nil, "onCreateCommand 1, updateContentCommand 1, postCreateCommand 1 late, postStartCommand 1 late, postAttachCommand 1 late"},
		{"only the last", all, done, "postAttachCommand 1 late"},
		{"a restart", all, without(".postStartCommandMarker"), "postStartCommand 1 late, postAttachCommand 1 late"},
		{"one that failed", all, without(".postCreateCommandMarker"), "postCreateCommand 1 late, postAttachCommand 1 late"},
		{"another container's markers", all, Markers{".onCreateCommandMarker": "2020-01-01T00:00:00Z"}, "onCreateCommand 1, updateContentCommand 1, postCreateCommand 1 late, postStartCommand 1 late, postAttachCommand 1 late"},
		{"markers are due without commands", Merged{}, nil, "onCreateCommand 0, updateContentCommand 0, postCreateCommand 0 late, postStartCommand 0 late"},
		{"nothing", Merged{}, done, ""},
		{"waitFor postStart", with("postStartCommand"), nil, "onCreateCommand 1, updateContentCommand 1, postCreateCommand 1, postStartCommand 1, postAttachCommand 1 late"},
		{"waitFor initialize", with("initializeCommand"), nil, "onCreateCommand 1 late, updateContentCommand 1 late, postCreateCommand 1 late, postStartCommand 1 late, postAttachCommand 1 late"},
		{"empty commands", Merged{PostAttachCommands: of("")}, done, ""},
	} {
		got := ""
		for i, h := range Lifecycle(&c.merged, c.markers, created, started) {
			if i > 0 {
				got += ", "
			}
			got += fmt.Sprint(h.Name, " ", len(h.Commands))
			if h.Late {
				got += " late"
			}
			switch h.Name {
			case PostStart:
				assert.Equal(t, h.Content, started)
			case PostAttach:
				assert.Equal(t, h.Marker, "")
			default:
				assert.Equal(t, h.Content, created)
			}
		}
		assert.Equal(t, got, c.want, c.name)
	}
}

func TestEnvironmentOfACommand(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	got := Variables{
		Probed:    map[string]string{"PATH": "/home/dev/bin:/usr/bin", "A": "probed", "B": "probed", "C": "probed"},
		Container: map[string]string{"PATH": "/opt/tool:/usr/sbin:/usr/bin:/sbin:/bin", "HOST": "db"},
		Remote:    map[string]*string{"B": text("remote ${containerEnv:HOST} ${containerEnv:NO:else}"), "C": nil, "D": text("remote")},
	}.Environment(map[string]string{"D": "secret"})
	assert.DeepEqual(t, got, []string{"A=probed", "B=remote db else", "C", "D=secret", "PATH=/opt/tool:/home/dev/bin:/usr/bin:/bin"})
}

func TestMergedPathKeepsBothOrdersAndSbinForRoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shell, container string
		root             bool
		want             string
	}{
		{"/usr/bin", "/usr/local/sbin:/usr/bin:/sbin", false, "/usr/bin"},
		{"/usr/bin", "/usr/local/sbin:/usr/bin:/sbin", true, "/usr/local/sbin:/usr/bin:/sbin"},
		{"/a:/b:/c", "/b:/x:/c:/y", false, "/a:/b:/x:/c:/y"},
		{"/a", "/a", false, "/a"},
	} {
		assert.Equal(t, mergePath(c.shell, c.container, c.root), c.want)
	}
}

func TestProbeReadsBetweenTheMarks(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, ParseProbe("Welcome!\nM\nA=1\x00B=x\ny=z\x00PWD=/x\x00OURS=1\x00\nM\nbye", "M", "OURS"), map[string]string{"A": "1", "B": "x\ny=z"})
	assert.Assert(t, ParseProbe("Welcome!\nM\nA=1\x00", "M", "") == nil)
	assert.Assert(t, ParseProbe("", "M", "") == nil)
	for probe, want := range map[string]string{"loginInteractiveShell": "-lic", "loginShell": "-lc", "interactiveShell": "-ic"} {
		assert.Equal(t, ProbeCommand(probe, "/bin/zsh", "M")[1], want)
	}
	assert.Assert(t, ProbeCommand("none", "/bin/zsh", "M") == nil)
	assert.DeepEqual(t, ProbeCommand("loginShell", "/usr/bin/pwsh", "M")[:3], []string{"/usr/bin/pwsh", "-Login", "-Command"})
}

func TestRemoteOfTheLabelsEntries(t *testing.T) {
	t.Parallel()
	entries, err := ParseMetadata(`[{"remoteUser":"a","remoteEnv":{"X":"1","Y":"1"}},{"id":"f"},{"remoteUser":"b","userEnvProbe":"none","remoteEnv":{"Y":null}}]`)
	assert.NilError(t, err)
	r := RemoteOf(entries)
	assert.Equal(t, r.User, "b")
	assert.Equal(t, r.Probe, "none")
	assert.Equal(t, *r.Env["X"], "1")
	assert.Assert(t, r.Env["Y"] == nil)
	assert.Equal(t, RemoteOf(nil).Probe, "loginInteractiveShell")
}

func TestMaskHidesTheLongestSecretFirst(t *testing.T) {
	t.Parallel()
	m := Mask(map[string]string{"A": "abc", "B": "abcdef", "C": "one\ntwo\n", "D": ""})
	assert.Equal(t, m.Replace("abcdef abc one x two"), "******** ******** ******** x ********")
	assert.Equal(t, Mask(nil).Replace("text"), "text")
}
