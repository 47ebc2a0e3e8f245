package loom

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// prepared is the work tree of a loom after prepare --files-only, with the machine's folder left out, or the error.
func (w *testWorld) prepared(where Where, own tree.Options) string {
	w.T.Helper()
	_, result, err := w.looms.Up(w.T.Context(), UpRequest{Where: where, Tree: own, CreateOnly: true, FilesOnly: true})
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), w.Dir, "")
	}
	return strings.TrimPrefix(result.WorkTree, w.Dir)
}

func (w *testWorld) entry(repo, id string) *registry.Loom {
	w.T.Helper()
	state, err := w.looms.Registry.Read(w.T.Context())
	assert.NilError(w.T, err)
	return state.Find(repo, id)
}

func TestSettingsDecideWhetherALoomGetsAWorkTree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings string
		mode     tree.Mode
		// Of 1, 2 and again 1, brought up in the main checkout one after the other.
		want [3]string
	}{
		"nothing set":           {`{}`, tree.FromSettings, [3]string{"/shop", "/shop", "/shop"}},
		"true":                  {`{"container": {"worktree": true}}`, tree.FromSettings, [3]string{"/shop-looms/feat-issue-1", "/shop-looms/feat-issue-2", "/shop-looms/feat-issue-1"}},
		"auto":                  {`{"container": {"worktree": "auto"}}`, tree.FromSettings, [3]string{"/shop", "/shop-looms/feat-issue-2", "/shop"}},
		"the flag":              {`{}`, tree.Always, [3]string{"/shop-looms/feat-issue-1", "/shop-looms/feat-issue-2", "/shop-looms/feat-issue-1"}},
		"the flag auto":         {`{}`, tree.Auto, [3]string{"/shop", "/shop-looms/feat-issue-2", "/shop"}},
		"the flag says no":      {`{"container": {"worktree": true}}`, tree.Never, [3]string{"/shop", "/shop", "/shop"}},
		"a prefix of their own": {`{"container": {"worktree": true}, "worktreePrefix": "shop/.trees/"}`, tree.FromSettings, [3]string{"/shop/.trees/feat-issue-1", "/shop/.trees/feat-issue-2", "/shop/.trees/feat-issue-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			repo := w.Repo("shop")
			assert.NilError(t, os.WriteFile(w.looms.UserSettings, []byte(tc.settings), 0o644))
			for i, id := range []string{"1", "2", "1"} {
				assert.Equal(t, w.prepared(in(repo, id), tree.Options{Mode: tc.mode}), tc.want[i], "%d: %s", i, id)
			}
			// Neither main nor the loom of the folder ever gets one by the settings.
			assert.Equal(t, w.prepared(in(repo, "main"), tree.Options{}), "/shop")
		})
	}
}

func TestLoomsUseTheWorkTreesThatIloomNotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	noted := w.Tree(repo, "login", "shop-looms", "login")
	slug := strings.ReplaceAll(filepath.ToSlash(noted), "/", "___")
	slug = strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", r) {
			return r
		}
		return '-'
	}, slug)
	w.Write(`{"worktreePath": "`+noted+`", "issue_numbers": ["77"]}`, "looms", slug+".json")
	assert.Equal(t, w.prepared(in(repo, "77"), tree.Options{}), "/shop-looms/login")
	assert.Equal(t, w.prepared(in(noted, ""), tree.Options{}), "/shop-looms/login")
	assert.Assert(t, w.entry(repo, "77") != nil)
	assert.Equal(t, w.prepared(in(repo, "77"), tree.Options{Mode: tree.Always}), "/shop-looms/login")
}

func TestAWorkTreeOfAnotherLoomIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	assert.Equal(t, w.prepared(in(repo, "1"), tree.Options{Branch: "login"}), "/shop-looms/login")
	assert.Equal(t, w.prepared(in(repo, "2"), tree.Options{Branch: "login"}), "error: branch login is checked out in /shop-looms/login, where loom 1 works")
	assert.Equal(t, w.prepared(in(repo, "1"), tree.Options{Branch: "other"}), "error: the loom has another work tree already: /shop-looms/login with branch login")

	_, _, err := w.looms.Up(t.Context(), UpRequest{Where: in(repo, "main"), Tree: tree.Options{Mode: tree.Always}})
	var no *tree.NoTreeError
	assert.Assert(t, errors.As(err, &no), "%v", err)
}

func TestADryRunMakesNoWorkTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	plan, _, err := w.looms.Up(t.Context(), UpRequest{Where: in(repo, "1"), Tree: tree.Options{Mode: tree.Always}, Options: Options{DryRun: true}})
	assert.NilError(t, err)
	assert.DeepEqual(t, plan.Notes, []string{
		"would make work tree " + w.Path("shop-looms", "feat-issue-1") + ": branch feat/issue-1 from main", "the plan is that of " + repo,
	})
	assert.Assert(t, host.IsGone(w.Path("shop-looms")))
	assert.Assert(t, w.entry(repo, "1") == nil)
}
