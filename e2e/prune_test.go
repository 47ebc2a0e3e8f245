//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"gotest.tools/v3/assert"
)

// everything is what the engine has with the test's name in it, as docker would list it.
func (f *field) everything() []string {
	f.Helper()
	var names []string
	containers, err := suite.docker.ContainerList(f.Context(), container.ListOptions{All: true})
	assert.NilError(f, err)
	for _, c := range containers {
		if strings.Contains(c.Names[0], f.repo) {
			names = append(names, "container "+c.Names[0][1:]+" "+c.State)
		}
	}
	networks, err := suite.docker.NetworkList(f.Context(), network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", f.repo))})
	assert.NilError(f, err)
	for _, n := range networks {
		names = append(names, "network "+n.Name)
	}
	volumes, err := suite.docker.VolumeList(f.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", f.repo))})
	assert.NilError(f, err)
	for _, v := range volumes.Volumes {
		names = append(names, "volume "+v.Name)
	}
	slices.Sort(names)
	return names
}

// alone passes the test over where the engine has looms of others: the test's registry does not know them, and prune may
// take that for a reason to end them.
func (f *field) alone() {
	f.Helper()
	containers, err := suite.docker.ContainerList(f.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "ai.iloom.loom"))})
	assert.NilError(f, err)
	volumes, err := suite.docker.VolumeList(f.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "ai.iloom.loom"))})
	assert.NilError(f, err)
	if len(containers)+len(volumes.Volumes) > 0 {
		f.Skip("this engine has looms that are not the tests'")
	}
}

// TestPrune: prune ends the looms whose work tree is gone, and nothing else: no loom that is merely down or was never
// started, and nothing that is only called like a loom. Nothing may run beside this test.
func TestPrune(t *testing.T) {
	notCore(t)
	const place = 3
	f := newField(t, "prune", place, pair(basePort(place)))
	f.alone()
	before := f.exclude()

	// What stays: a loom that runs, a loom that is down, a loom that never ran, and a loom of another repository.
	f.must("up", "1")
	f.must("up", "2")
	f.must("down", "2")
	f.must("prepare", "3", "--files-only")
	other := f.another("prune2")
	assert.NilError(t, run(f.command(other, "docker", "loom", "up", "1")).err)
	stays := f.everything()

	// What goes: those whose work tree is gone, with containers, with a volume, with leases only.
	var trees []string
	for _, id := range []string{"4", "5", "6"} {
		tree := filepath.Join(f.work, "tree-"+id)
		f.git(f.repoDir, "worktree", "add", "-q", "-b", "issue-"+id, tree)
		trees = append(trees, tree)
	}
	f.must("up", "4")
	f.must("up", "5")
	f.must("down", "5")
	f.must("prepare", "6", "--files-only")
	for _, tree := range trees {
		assert.NilError(t, os.RemoveAll(tree))
	}
	// And one of a repository that is gone, which this registry never knew.
	gone := f.another("prune3")
	foreign := f.in(t)
	foreign.home = filepath.Join(f.work, "home2")
	assert.NilError(t, foreign.configure(0))
	foreign.write(filepath.Join(foreign.home, ".config", "iloom-ai", "settings.json"), `{"container": {"addressPool": ["10.209.0.0/16"]}}`)
	o := run(foreign.command(gone, "docker", "loom", "up", "7", "--offset", "77"))
	assert.NilError(t, o.err, "%s", o)
	assert.NilError(t, os.RemoveAll(gone))

	// What is only called so: without our labels, with them but of no Compose project, of another project with such a name.
	like := "iloom-" + f.repo
	f.docker("create", "--name", like+"-4-web-2", image)
	f.docker("create", "--name", like+"-8-web-1", "--label", "com.docker.compose.project="+like+"-8", image)
	f.docker("create", "--name", like+"-committed", "--label", "ai.iloom.loom=4", "--label", "ai.iloom.repo="+f.repoDir, image)
	f.docker("volume", "create", like+"-4_precious")
	f.docker("volume", "create", like+"-5_data2")
	f.docker("network", "create", "--subnet", "10.211.0.0/24", like+"-6_default")
	stays = append(stays, "container "+like+"-4-web-2 created", "container "+like+"-8-web-1 created", "container "+like+"-committed created",
		"network "+like+"-6_default", "volume "+like+"-4_precious", "volume "+like+"-5_data2")
	slices.Sort(stays)

	// A dry run, and a run without a terminal to ask at, change nothing.
	all, exclude, promises := f.everything(), f.exclude(), f.registryFile()
	var planned []struct{ Loom, Project string }
	assert.NilError(t, json.Unmarshal([]byte(f.must("prune", "--dry-run", "--format", "json")), &planned))
	var projects []string
	for _, p := range planned {
		projects = append(projects, p.Project)
	}
	slices.Sort(projects)
	goes := []string{f.project("4"), f.project("5"), f.project("6"), "iloom-" + filepath.Base(gone) + "-7"}
	assert.DeepEqual(t, projects, slices.Sorted(slices.Values(goes)))
	o = f.loom("prune")
	assert.Assert(t, o.err != nil && strings.Contains(o.stderr.String(), "--force"), "%s", o)
	assert.DeepEqual(t, f.everything(), all)
	assert.Equal(t, string(f.exclude()), string(exclude))
	assert.Equal(t, f.registryFile(), promises)

	f.must("prune", "--yes")
	assert.DeepEqual(t, f.everything(), stays)
	for _, project := range goes {
		f.nothing(project)
	}
	var known []string
	for _, l := range f.promises().Looms {
		known = append(known, filepath.Base(l.Repository)+"/"+l.ID)
	}
	slices.Sort(known)
	assert.DeepEqual(t, known, slices.Sorted(slices.Values([]string{f.repo + "/1", f.repo + "/2", f.repo + "/3", filepath.Base(other) + "/1"})))
	for id, want := range map[string]bool{"1": true, "4": false, "5": false, "6": false} {
		assert.Equal(t, excluded(f, id), want, id)
	}
	f.isWhole("1")
	assert.Equal(t, f.must("prune", "--yes"), "nothing to prune\n")

	// What stayed goes on: the one that was down comes back with its ports and its data.
	f.must("up", "2")
	f.isWhole("2")
	f.must("down", "--all", "--volumes", "--force")
	f.tidy(before)
}

func (f *field) registryFile() string {
	f.Helper()
	b, err := os.ReadFile(filepath.Join(f.home, ".docker", "loom", "registry.json"))
	assert.NilError(f, err)
	return string(b)
}

// TestPruneLeavesWhatOthersMade: a loom main shares its Compose project name with whatever docker compose makes in a
// folder of that name. When its folder is gone, prune must not take theirs along.
func TestPruneLeavesWhatOthersMade(t *testing.T) {
	notCore(t)
	const place = 4
	f := newField(t, "theirs", place, map[string]string{"compose.yaml": fmt.Sprintf(
		"services:\n  web: {image: %q, command: httpd -f, stop_signal: SIGKILL, ports: [\"%d:80\"]}\n", image, basePort(place))})
	f.alone()
	// Somebody else's project, in a folder of the same name.
	elsewhere := filepath.Join(f.work, "elsewhere", f.repo)
	f.write(filepath.Join(elsewhere, "compose.yaml"), fmt.Sprintf(
		"services:\n  db: {image: %q, command: httpd -f, stop_signal: SIGKILL, volumes: [\"data:/data\"]}\nvolumes: {data: {}}\n", image))
	o := run(f.command(elsewhere, "docker", "compose", "up", "-d"))
	assert.NilError(t, o.err, "%s", o)
	theirs := f.everything()

	f.must("up", "main")
	assert.NilError(t, os.RemoveAll(f.repoDir))
	prune := func() {
		t.Helper()
		o := run(f.command(f.work, "docker", "loom", "prune", "--yes"))
		assert.NilError(t, o.err, "%s", o)
	}
	prune()
	now := f.everything()
	for _, name := range theirs {
		assert.Assert(t, slices.Contains(now, name), "%s is gone; there are %v", name, now)
	}

	// When plain docker compose has nothing there any more, main goes.
	o = run(f.command(elsewhere, "docker", "compose", "down", "-v"))
	assert.NilError(t, o.err, "%s", o)
	prune()
	assert.Equal(t, len(f.everything()), 0, "%v", f.everything())
	assert.Equal(t, len(f.promises().Looms), 0)
}
