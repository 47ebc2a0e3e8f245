package loom

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// filesUp does what up does short of containers.
func (w *testWorld) filesUp(dir, id string) *Plan {
	w.T.Helper()
	p, _, err := w.looms.Up(w.T.Context(), UpRequest{Where: in(dir, id), FilesOnly: true})
	assert.NilError(w.T, err)
	return p
}

func (w *testWorld) target(dir, id string) *Target {
	w.T.Helper()
	target, err := w.looms.Finder().Resolve(w.T.Context(), in(dir, id), Ending)
	assert.NilError(w.T, err)
	return target
}

func (w *testWorld) read(parts ...string) string {
	w.T.Helper()
	b, err := os.ReadFile(w.Path(parts...))
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	}
	assert.NilError(w.T, err)
	return string(b)
}

func TestDownRemovesFilesAndKeepsLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Write("A=1", "shop", ".env")
	exclude := w.read("shop", ".git", "info", "exclude")
	p := w.filesUp(repo, "123")

	dry, err := w.looms.Down(t.Context(), w.target(repo, "123"), DownRequest{DryRun: true})
	assert.NilError(t, err)
	assert.DeepEqual(t, dry.Removed, []string{"file " + filepath.Join(repo, "compose.override.yaml"), "file " + filepath.Join(repo, ".env")})
	assert.DeepEqual(t, dry.Ports, []string{"4123/tcp", "8203/tcp"})
	assert.Assert(t, strings.Contains(w.read("shop", ".env"), "docker loom"), "a dry run removes nothing")

	remains, err := w.looms.Down(t.Context(), w.target(repo, "123"), DownRequest{})
	assert.NilError(t, err)
	assert.DeepEqual(t, remains, dry)
	assert.Equal(t, w.read("shop", ".env"), "A=1")
	assert.Equal(t, w.read("shop", "compose.override.yaml"), "none")
	k := w.State().Find(repo, "123")
	assert.DeepEqual(t, k.Ports, p.Entry.Ports)
	assert.Equal(t, k.Files, false)
	assert.Assert(t, strings.HasPrefix(w.read("shop", ".git", "info", "exclude"), "# docker loom 123\n"))

	remains, err = w.looms.Down(t.Context(), w.target(repo, "123"), DownRequest{Volumes: true})
	assert.NilError(t, err)
	assert.Equal(t, len(remains.Ports)+len(remains.Volumes), 0)
	assert.Equal(t, len(w.State().Looms), 0)
	assert.Equal(t, w.read("shop", ".git", "info", "exclude"), exclude)
	_, err = w.looms.Finder().Resolve(t.Context(), in(repo, "123"), Ending)
	var unknown *UnknownError
	assert.Assert(t, errors.As(err, &unknown))
}

func TestDownRemovesAFileThatUpMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	_, err := w.looms.Down(t.Context(), w.target(repo, ""), DownRequest{})
	assert.NilError(t, err)
	assert.Equal(t, w.read("shop", ".env"), "none")

	w.Write("", "shop", ".env")
	w.filesUp(repo, "123")
	_, err = w.looms.Down(t.Context(), w.target(repo, ""), DownRequest{})
	assert.NilError(t, err)
	assert.Equal(t, w.read("shop", ".env"), "", "an empty file was the user's")
}

func TestDownTouchesNoFilesOfAnotherLoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	w.filesUp(repo, "124")
	env, override := w.read("shop", ".env"), w.read("shop", "compose.override.yaml")
	_, err := w.looms.Down(t.Context(), w.target(repo, "124"), DownRequest{Volumes: true})
	assert.NilError(t, err)
	assert.Equal(t, w.read("shop", ".env"), env)
	assert.Equal(t, w.read("shop", "compose.override.yaml"), override)
	assert.Equal(t, w.State().FilesOwner(repo).ID, "123")
}

func TestDownOfMainForgetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, Main)
	remains, err := w.looms.Down(t.Context(), w.target(repo, ""), DownRequest{})
	assert.NilError(t, err)
	assert.Equal(t, len(remains.Ports), 0)
	assert.Equal(t, len(w.State().Looms), 0)
}

func TestDownNeedsNeitherWorkTreeNorRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	tree := w.Tree(repo, "issue-7", "seven")
	w.filesUp(tree, "7")
	assert.NilError(t, os.RemoveAll(tree))
	_, err := w.looms.Down(t.Context(), w.target(repo, "7"), DownRequest{})
	assert.NilError(t, err)
	assert.NilError(t, os.RemoveAll(repo))
	other := w.Repo("other")
	_, err = w.looms.Down(t.Context(), w.target(other, "shop/7"), DownRequest{Volumes: true})
	assert.NilError(t, err)
	assert.Equal(t, len(w.State().Looms), 0)
}

// Two commands may have found the loom before one of them ended it.
func TestDownOfALoomThatWasEndedMeanwhileDoesNotBringItBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	first, second := w.target(repo, "123"), w.target(repo, "123")
	_, err := w.looms.Down(t.Context(), first, DownRequest{Volumes: true})
	assert.NilError(t, err)
	_, err = w.looms.Down(t.Context(), second, DownRequest{})
	assert.Error(t, err, "no loom shop/123")
	assert.Equal(t, len(w.State().Looms), 0)
}

func TestDownTakesTheFolderThatTheLoomHasNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	target := w.target(repo, "123")
	k := *w.State().Find(repo, "123")
	k.Dir = w.Path("elsewhere")
	w.Know(k)
	_, err := w.looms.Down(t.Context(), target, DownRequest{})
	assert.NilError(t, err)
	assert.Assert(t, strings.Contains(w.read("shop", ".env"), "docker loom"), "that folder is not the loom's any more")
}

func TestUpOfALoomThatWasEndedMeanwhileLeasesAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	target := w.target(repo, "123")
	_, err := w.looms.Down(t.Context(), w.target(repo, "123"), DownRequest{Volumes: true})
	assert.NilError(t, err)
	w.Know(registry.Loom{ID: "x", Repository: "/other", Project: "q", Ports: []ports.Lease{{Protocol: "tcp", Base: 1, Count: 1, Host: 8203}}})
	assert.NilError(t, w.looms.Refresh(t.Context(), target))
	d, err := w.draft(target, Options{})
	assert.NilError(t, err)
	assert.DeepEqual(t, hostPorts(d.Plan), []int{5123, 9203})
}

func TestDownOfALoomOnAnotherEngineIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Know(registry.Loom{ID: "1", Repository: repo, Project: "p", WorkTree: repo, Space: "far"})
	_, err := w.looms.Down(t.Context(), w.target(repo, "1"), DownRequest{Volumes: true})
	var elsewhere *ElsewhereError
	assert.Assert(t, errors.As(err, &elsewhere))
	assert.Error(t, err, "loom shop/1 is on another engine (far): choose its context, as in docker --context NAME loom down")
	assert.Assert(t, w.State().Find(repo, "1") != nil)
}

func TestDownOfALoomWithoutAnEntryKeepsItInTheRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Know()
	w.Keep("p_data", "p", "5", repo)
	remains, err := w.looms.Down(t.Context(), w.target(repo, "5"), DownRequest{})
	assert.NilError(t, err)
	assert.DeepEqual(t, remains.Volumes, []string{"p_data"})
	k := w.State().Find(repo, "5")
	assert.Assert(t, k != nil)
	assert.Equal(t, k.Space, worldtest.RemoteSpace)
}

// What the files say by now does not count, nor whether they can be read.
func TestPreStopHooksAreThoseThatUpRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	target := w.target(repo, "123")
	labels := func(more map[string]string) map[string]string {
		all := map[string]string{stack.LabelProject: "iloom-shop-123", stack.LabelService: "web"}
		maps.Copy(all, more)
		return all
	}
	without := engine.Container{State: "running", Labels: labels(nil)}
	w.Write("services:\n  web: {image: nginx, pre_stop: [{command: [drain]}]}\n", "shop", "compose.yaml")
	assert.Assert(t, recordedHooks(w.looms.Teller, target, []engine.Container{without}) == nil, "none was recorded")

	w.Write("services: [\n", "shop", "compose.yaml")
	recorded := labels(map[string]string{stack.LabelPreStop: `[{"command":["drain"]}]`})
	p := recordedHooks(w.looms.Teller, target, []engine.Container{{State: "running", Labels: recorded}})
	assert.Assert(t, p != nil)
	assert.Equal(t, p.Name, "iloom-shop-123")
	assert.DeepEqual(t, []string(p.Services["web"].PreStop[0].Command), []string{"drain"})
	assert.Assert(t, recordedHooks(w.looms.Teller, target, []engine.Container{{State: "exited", Labels: recorded}}) == nil)

	w.Stderr.Take()
	broken := labels(map[string]string{stack.LabelPreStop: "["})
	assert.Assert(t, recordedHooks(w.looms.Teller, target, []engine.Container{{State: "running", Labels: broken}}) == nil)
	said := w.Stderr.Take()
	assert.Assert(t, strings.HasPrefix(said, "pre_stop hooks of loom 123 do not run: "), said)
	assert.Equal(t, strings.Count(said, "\n"), 1, said)

	// Of a loom without a folder the current one must not be taken for it.
	_, err := w.looms.LoadProject(t.Context(), &Target{ID: "1", Known: &registry.Loom{ID: "1"}})
	assert.Error(t, err, "its folder is not known")
}

func TestDownNamesWhatItLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, "123")
	w.Run(worldtest.Container{Name: "stranger", Project: "iloom-shop-123", Service: "x"})
	remains, err := w.looms.Down(t.Context(), w.target(repo, "123"), DownRequest{Volumes: true})
	assert.NilError(t, err)
	assert.DeepEqual(t, remains.Left, []string{"container stranger, which was not made for the loom"})
	assert.Assert(t, !slices.ContainsFunc(w.Requests(), func(r string) bool { return r[:4] != "GET " && r[:5] != "HEAD " }), "%v", w.Requests())
	assert.Equal(t, len(w.State().Looms), 0)
}

// A dev container that an editor made stays under --all: so does the loom, for a down that names it.
func TestALoomStaysKnownWhileWhatItHasTakenOverStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.filesUp(repo, Main)
	w.Run(worldtest.Container{Name: "web", Project: "shop", Service: "web", Labels: map[string]string{
		stack.LabelWorkingDir: repo, stack.LabelConfigFiles: repo + "/compose.yaml",
	}})
	remains, err := w.looms.Down(t.Context(), w.target(repo, ""), DownRequest{Labelled: true})
	assert.NilError(t, err)
	assert.DeepEqual(t, remains.Left, []string{
		"container web, which bears no label of docker loom (docker loom down main removes it)",
	})
	assert.Assert(t, w.State().Find(repo, Main) != nil)
}

// The services of a confined loom see the settings folder read-only. Without the folder on the host they could make one.
func TestDownOfOneProjectLeavesTheSettingsFolderThatOthersSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	settings := w.Path("shop", ".iloom")
	for _, folder := range []string{"web", "api"} {
		w.Know(registry.Loom{
			ID: "7", Repository: repo, WorkTree: repo, Dir: w.Path("shop", folder), Project: "shop-" + folder,
			Confined: &registry.Confined{Mode: "none"},
		})
	}
	assert.NilError(t, os.Mkdir(settings, 0o700))
	for _, folder := range []string{"web", "api"} {
		where := in(repo, "7")
		where.Project = folder
		target, err := w.looms.Finder().Resolve(t.Context(), where, Ending)
		assert.NilError(t, err)
		_, err = w.looms.Down(t.Context(), target, DownRequest{})
		assert.NilError(t, err)
		_, err = os.Lstat(settings)
		assert.NilError(t, err)
		assert.Assert(t, w.State().Projects(repo, "7")[0].Confined != nil)
	}
	_, err := w.looms.Down(t.Context(), w.target(repo, "7"), DownRequest{})
	assert.NilError(t, err)
	_, err = os.Lstat(settings)
	assert.Assert(t, os.IsNotExist(err))
}

func TestAnEditorsContainerIsNotTakenIntoALoomThatAnAgentWorksOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	repo := w.Repo("shop")
	config := w.Write(`{"image": "x"}`, "shop", "api", ".devcontainer.json")
	api := filepath.Dir(config)
	w.Run(worldtest.Container{Name: "editors", Labels: map[string]string{
		"devcontainer.local_folder": api, "devcontainer.config_file": config,
	}})
	w.Know(registry.Loom{
		ID: "7", Repository: repo, WorkTree: repo, Dir: w.Path("shop", "web"), Project: "shop-7",
		Confined: &registry.Confined{Mode: "none"},
	})
	_, _, err := w.looms.Up(t.Context(), UpRequest{Where: in(api, "7")})
	var open *plan.OpenDevContainerError
	assert.Assert(t, errors.As(err, &open), "%v", err)
	assert.Equal(t, len(w.State().Projects(repo, "7")), 1)
}
