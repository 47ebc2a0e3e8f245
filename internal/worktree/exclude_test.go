package worktree

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"
)

func excludeFile(r *Repository) string { return filepath.Join(r.CommonDir, "info", "exclude") }

// content is the file's text, "-" when there is none.
func content(t assert.TestingT, r *Repository) string {
	b, err := os.ReadFile(excludeFile(r))
	if os.IsNotExist(err) {
		return "-"
	}
	assert.NilError(t, err)
	return string(b)
}

func TestExcludedNamesAreIgnoredInAllWorkTrees(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	names := []string{".env", "sub/compose.override.yaml", "odd [x] *?!#", "#hash", "!bang", "blank at the end  ", `back\slash`}
	if runtime.GOOS == "windows" {
		names = []string{".env", "sub/compose.override.yaml", "odd [x]"}
	}
	var patterns []string
	for _, name := range names {
		patterns = append(patterns, Pattern(filepath.FromSlash(name)))
		for _, tree := range []string{repo, linked} {
			write(t, filepath.Join(tree, filepath.FromSlash(name)), "")
		}
	}
	// What a name with a wildcard would also hit, were it not quoted, and the same name elsewhere.
	write(t, filepath.Join(repo, "odd x yz!#"), "")
	write(t, filepath.Join(repo, "deeper", ".env"), "")

	assert.NilError(t, find(t, linked).Exclude(t.Context(), "123", patterns))
	assert.Equal(t, mustGit(t, linked, "status", "--porcelain", "-z", "-uall"), "")
	assert.Equal(t, mustGit(t, repo, "status", "--porcelain", "-z", "-uall"), "?? deeper/.env\x00?? odd x yz!#\x00")

	assert.NilError(t, find(t, repo).Unexclude(t.Context(), "123"))
	assert.Equal(t, strings.Count(mustGit(t, linked, "status", "--porcelain", "-z", "-uall"), "\x00"), len(names))
}

func TestUserWinsOverExclude(t *testing.T) {
	t.Parallel()
	repo := newRepo(t, tempDir(t))
	r := find(t, repo)
	write(t, excludeFile(r), "!/.env")
	write(t, filepath.Join(repo, ".env"), "")
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/.env"}))
	assert.Equal(t, mustGit(t, repo, "status", "--porcelain"), "?? .env\n")
}

func TestExcludeGivesTheUsersBytesBack(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"no file":             "-",
		"empty":               "",
		"git's template":      "# git ls-files --others --exclude-from=.git/info/exclude\n# *~\n",
		"no final line end":   "*.log\n*.tmp",
		"CRLF":                "*.log\r\n*.tmp\r\n",
		"byte order mark":     "\ufeff*.log\n",
		"only the mark":       "\ufeff",
		"blank lines":         "\n\n*.log\n\n",
		"not UTF-8":           "\xff\xfe\n",
		"our words elsewhere": "x # docker loom 1\n #docker loom 1\n# docker loom 10 \n# end of docker loom 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := find(t, newRepo(t, tempDir(t)))
			assert.NilError(t, os.Remove(excludeFile(r)))
			if before == "-" {
				assert.NilError(t, os.Remove(filepath.Dir(excludeFile(r))))
			} else {
				write(t, excludeFile(r), before)
			}
			for range 2 {
				assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/.env", "/x"}))
			}
			assert.NilError(t, r.Exclude(t.Context(), "feat/x", []string{"/y"}))
			with := content(t, r)
			assert.Equal(t, strings.Count(with, "# docker loom 1\n/.env\n/x\n# end of docker loom 1\n"), 1)
			assert.Equal(t, strings.Count(with, "# docker loom feat/x\n/y\n# end of docker loom feat/x\n"), 1)
			if before != "-" {
				assert.Assert(t, strings.HasSuffix(with, strings.TrimPrefix(before, "\ufeff")), "%q", with)
				assert.Equal(t, strings.HasPrefix(with, "\ufeff"), strings.HasPrefix(before, "\ufeff"))
			}
			assert.NilError(t, r.Unexclude(t.Context(), "1"))
			assert.NilError(t, r.Unexclude(t.Context(), "feat/x"))
			assert.NilError(t, r.Unexclude(t.Context(), "never there"))
			assert.Equal(t, content(t, r), before)
			entries, err := os.ReadDir(filepath.Dir(excludeFile(r)))
			assert.NilError(t, err)
			for _, e := range entries {
				assert.Equal(t, e.Name(), "exclude", "left behind")
			}
		})
	}
}

func TestExcludeReplacesTheOwnersLines(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	write(t, excludeFile(r), "user\n")
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/a", "/b"}))
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/c"}))
	assert.Equal(t, content(t, r), "# docker loom 1\n/c\n# end of docker loom 1\nuser\n")
	assert.NilError(t, r.Exclude(t.Context(), "1", nil))
	assert.Equal(t, content(t, r), "user\n")
}

func TestExcludeWritesNothingWhenNothingChanges(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/a"}))
	before, err := os.Stat(excludeFile(r))
	assert.NilError(t, err)
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/a"}))
	assert.NilError(t, r.Unexclude(t.Context(), "2"))
	after, err := os.Stat(excludeFile(r))
	assert.NilError(t, err)
	assert.Assert(t, os.SameFile(before, after))
}

func TestExcludeKeepsThePermissions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	r := find(t, newRepo(t, tempDir(t)))
	assert.NilError(t, os.Chmod(excludeFile(r), 0o660))
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/a"}))
	info, err := os.Stat(excludeFile(r))
	assert.NilError(t, err)
	assert.Equal(t, info.Mode().Perm(), os.FileMode(0o660))
}

func TestLinesThatTheUserAddedStay(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	write(t, excludeFile(r), "a")
	assert.NilError(t, r.Exclude(t.Context(), "1", []string{"/x"}))
	text := content(t, r)
	// An editor that writes CRLF, adds lines and copies our block.
	write(t, excludeFile(r), strings.ReplaceAll("before\n"+text+"\nafter\n"+text, "\n", "\r\n"))
	assert.NilError(t, r.Unexclude(t.Context(), "1"))
	assert.Equal(t, content(t, r), "before\r\na\r\nafter\r\na")
}

func TestBlockWithoutItsEndIsNotGuessed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"end is gone":         "a\n# docker loom 1\n/x\nuser\n",
		"another block first": "a\n# docker loom 1\n/x\n# docker loom 2\n/y\n# end of docker loom 2\n# end of docker loom 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := find(t, newRepo(t, tempDir(t)))
			write(t, excludeFile(r), text)
			want := excludeFile(r) + `: line 2: block "# docker loom 1" has no end`
			assert.Error(t, r.Unexclude(t.Context(), "1"), want)
			assert.Error(t, r.Exclude(t.Context(), "1", []string{"/x"}), want)
			assert.Equal(t, content(t, r), text)
		})
	}
}

func TestExcludeRefusesWhatIsNoLine(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	before := content(t, r)
	for _, owner := range []string{"", " ", "a\nb", "a\r", "\x00"} {
		assert.ErrorContains(t, r.Exclude(t.Context(), owner, []string{"/x"}), "is not one line of text")
		assert.ErrorContains(t, r.Unexclude(t.Context(), owner), "is not one line of text")
	}
	for _, pattern := range []string{"", "a\nb", Pattern("a\nb")} {
		assert.ErrorContains(t, r.Exclude(t.Context(), "1", []string{pattern}), "is not one line of text")
	}
	assert.ErrorContains(t, r.Exclude(t.Context(), "1", []string{"# end of docker loom 1"}), "is a comment")
	assert.Equal(t, content(t, r), before)
}

func TestExcludeWritesThroughNoLink(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	r := find(t, newRepo(t, filepath.Join(dir, "repo")))
	victim := filepath.Join(dir, "victim")
	write(t, victim, "a")
	assert.NilError(t, os.Remove(excludeFile(r)))
	if err := os.Symlink(victim, excludeFile(r)); err != nil {
		t.Skip(err)
	}
	assert.ErrorContains(t, r.Exclude(t.Context(), "1", []string{"/x"}), excludeFile(r))
	b, err := os.ReadFile(victim)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "a")
}

func TestExcludeWaitsForTheLockNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	unlock, err := lock(t.Context(), excludeFile(r)+".docker-loom.lock")
	assert.NilError(t, err)
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 4*lockRetry)
	defer cancel()
	assert.ErrorIs(t, r.Exclude(ctx, "1", []string{"/x"}), context.DeadlineExceeded)
}

func TestConcurrentExcludesLoseNothing(t *testing.T) {
	t.Parallel()
	if owner := os.Getenv("DOCKER_LOOM_TEST_OWNER"); owner != "" { // one of the processes below
		r := &Repository{CommonDir: os.Getenv("DOCKER_LOOM_TEST_COMMON")}
		for i := range 20 {
			assert.NilError(t, r.Exclude(t.Context(), owner, []string{fmt.Sprint("/", i)}))
			if i%5 == 4 {
				assert.NilError(t, r.Unexclude(t.Context(), owner))
			}
		}
		assert.NilError(t, r.Exclude(t.Context(), owner, []string{"/last"}))
		return
	}
	r := find(t, newRepo(t, tempDir(t)))
	before := content(t, r)
	var wg sync.WaitGroup
	owners := []string{}
	for i := range 8 {
		owner := fmt.Sprint("p", i)
		owners = append(owners, owner)
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConcurrentExcludesLoseNothing$")
			cmd.Env = append(os.Environ(), "DOCKER_LOOM_TEST_OWNER="+owner, "DOCKER_LOOM_TEST_COMMON="+r.CommonDir)
			out, err := cmd.CombinedOutput()
			assert.Check(t, err, "%s", out)
		})
	}
	for i := range 8 {
		owner := fmt.Sprint("g", i)
		owners = append(owners, owner)
		wg.Go(func() { assert.Check(t, r.Exclude(t.Context(), owner, []string{"/last"})) })
	}
	wg.Wait()
	text := content(t, r)
	for _, owner := range owners {
		assert.Equal(t, strings.Count(text, "# docker loom "+owner+"\n/last\n# end of docker loom "+owner+"\n"), 1, owner)
		assert.NilError(t, r.Unexclude(t.Context(), owner))
	}
	assert.Equal(t, content(t, r), before)
}

func TestAnyOrderOfExcludesGivesTheBytesBack(t *testing.T) {
	t.Parallel()
	r := find(t, newRepo(t, tempDir(t)))
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.StringMatching(`(\x{feff})?([a#!*/ \r\n]|# docker loom|end of){0,20}`).Draw(t, "before")
		assert.NilError(t, os.WriteFile(excludeFile(r), []byte(before), 0o644))
		present := map[string]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			owner := rapid.SampledFrom([]string{"1", "2", "feat/x"}).Draw(t, "owner")
			present[owner] = rapid.Bool().Draw(t, "there")
			if present[owner] {
				assert.NilError(t, r.Exclude(context.Background(), owner, []string{rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "pattern")}))
			} else {
				assert.NilError(t, r.Unexclude(context.Background(), owner))
			}
			for owner, there := range present {
				assert.Equal(t, strings.Contains(content(t, r), "# docker loom "+owner+"\n"), there)
			}
		}
		for owner := range present {
			assert.NilError(t, r.Unexclude(context.Background(), owner))
		}
		assert.Equal(t, content(t, r), before)
	})
}
