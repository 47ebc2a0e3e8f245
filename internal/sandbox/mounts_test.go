package sandbox

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestCheckMounts(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths of another system")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	h := Host{Home: dir + "/home", WorkTree: dir + "/tree", Closed: []string{dir + "/home/.docker", dir + "/docker.sock"}}
	for _, f := range []string{"/home/notes/a", "/home/.ssh/id", "/home/.docker/config.json", "/home/.aws/credentials", "/tree/.git/config", "/docker.sock", "/else/x"} {
		assert.NilError(t, os.MkdirAll(filepath.Dir(dir+f), 0o700))
		assert.NilError(t, os.WriteFile(dir+f, nil, 0o600))
	}
	assert.NilError(t, os.Symlink(dir+"/home/.docker", dir+"/home/link"))
	assert.NilError(t, os.Symlink(dir+"/else", dir+"/home/fine"))
	got, found, err := CheckMounts([]Mount{
		{Source: "~/notes", Target: "/notes/", ReadOnly: true},
		{Source: "~/gone", Target: "/gone", ReadOnly: true},
		{Source: "~/fine", Target: "/fine"},
		{Source: "~/.aws/credentials", Target: "/home/agent/.aws/credentials", ReadOnly: true},
	}, h)
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []Mount{
		{Source: dir + "/home/notes", Target: "/notes", ReadOnly: true},
		{Source: dir + "/else", Target: "/fine"},
		{Source: dir + "/home/.aws/credentials", Target: "/home/agent/.aws/credentials", ReadOnly: true},
	})
	assert.Equal(t, len(found), 1)
	assert.Equal(t, found[0].String(), "warning: mount ~/gone: no such file or folder, so the agent does not get it (container.agent.mounts)")

	for _, tc := range []struct{ source, target, want string }{
		{"notes", "/n", "must be absolute or in ~"},
		{"~/notes/../.ssh", "/n", `has ".." in it`},
		{"~", "/n", "has your whole home folder in it"},
		{"/", "/n", "has your whole home folder in it"},
		{dir, "/n", "has your whole home folder in it"},
		{"/etc", "/n", "is a folder of the system"},
		{"~/.docker", "/n", "would show the agent"},
		{"~/.docker/config.json", "/n", "would show the agent"},
		{"~/link/config.json", "/n", "would show the agent"},
		{dir + "/docker.sock", "/n", "would show the agent"},
		{"~/.ssh", "/n", "would show the agent all keys"},
		{"~/notes", "n", "it is not absolute"},
		{"~/notes", "/n/../etc", `it has ".." in it`},
		{"~/notes", "/", "the sandbox's own"},
		{"~/notes", "/etc/ssl", "the sandbox's own"},
		{"~/notes", "/home/agent", "the sandbox's own"},
		{"~/notes", "/home", "the sandbox's own"},
		{"~/notes", "/usr", "the sandbox's own"},
		{"~/notes", dir + "/tree", "it covers the work tree"},
		{"~/notes", dir, "it covers the work tree"},
		{"~/notes", dir + "/tree/.git", "it covers .git"},
		{"~/notes", dir + "/tree/.git/hooks", "it covers .git"},
		{"~/notes", dir + "/tree/.iloom", "it covers .iloom"},
		{dir + "/tree/.git", "/n", "where some files must stay read-only"},
	} {
		_, _, err := CheckMounts([]Mount{{Source: tc.source, Target: tc.target}}, h)
		assert.Check(t, err != nil && strings.Contains(err.Error(), tc.want), "%s at %s: %v, wanted %s", tc.source, tc.target, err, tc.want)
	}
}

func TestALinkInTheWorkTreeIsNoSourceOfAMount(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	tree, other := filepath.Join(dir, "tree"), filepath.Join(dir, "other")
	for _, d := range []string{tree, other, filepath.Join(tree, "data")} {
		assert.NilError(t, os.Mkdir(d, 0o755))
	}
	assert.NilError(t, os.Symlink(other, filepath.Join(tree, "link")))
	h := Host{Home: filepath.Join(dir, "home"), WorkTree: tree}
	_, _, err = CheckMounts([]Mount{{Source: filepath.Join(tree, "data"), Target: "/data", ReadOnly: true}}, h)
	assert.NilError(t, err)
	_, _, err = CheckMounts([]Mount{{Source: filepath.Join(tree, "link"), Target: "/data", ReadOnly: true}}, h)
	assert.ErrorContains(t, err, "a link in the work tree leads to "+other)
}
