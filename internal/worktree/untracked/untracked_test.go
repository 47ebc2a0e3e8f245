package untracked

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// TestMain keeps the developer's git configuration out of the tests.
func TestMain(m *testing.M) {
	if err := os.Setenv("GIT_CONFIG_GLOBAL", os.DevNull); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// tempDir is a temporary folder as git spells it.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
}

// shop is a repository whose .gitignore has these lines.
func shop(t *testing.T, ignored string) *worktree.Repository {
	t.Helper()
	dir := tempDir(t)
	gittest.Run(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, ".gitignore"), ignored)
	write(t, filepath.Join(dir, ".env.example"), "")
	gittest.Run(t, dir, "add", "-f", ".")
	gittest.Run(t, dir, "commit", "-q", "-m", "x")
	r, err := worktree.Find(t.Context(), dir)
	assert.NilError(t, err)
	return r
}

func TestFindListsWhatANewWorkTreeNeeds(t *testing.T) {
	t.Parallel()
	r := shop(t, "*.db\n.env*\nbig/\n")
	for _, name := range []string{
		".env", ".env.local", ".env.test", ".env.test.local", ".env.a.b.c", ".envrc", "sub/.env", "other/.env", ".iloom/settings.local.json",
		".iloom/settings.json", "a.db", "data/b.db", "data/deep/c.db", "big/x.sqlite", "untracked.sqlite",
		".devcontainer.local.json", "sub/.devcontainer/devcontainer.local.json", "other/.devcontainer.local.json",
		".devcontainer/api/devcontainer.local.json", ".devcontainer/devcontainer.json",
		"sub/compose.override.yaml", "other/compose.override.yaml",
	} {
		write(t, filepath.Join(r.Main, filepath.FromSlash(name)), "")
	}
	gittest.Run(t, r.Main, "worktree", "add", "-q", filepath.Join(r.Main, "big", "tree"))
	files, err := Find(t.Context(), r, []string{".", "sub"}, []string{"data/*.db", "**/*.sqlite", "none/*"})
	assert.NilError(t, err)
	want := ".devcontainer.local.json .devcontainer/api/devcontainer.local.json .env .env.local .env.test .env.test.local .iloom/settings.local.json big/x.sqlite data/b.db " +
		"sub/.devcontainer/devcontainer.local.json sub/.env sub/compose.override.yaml"
	assert.Equal(t, filepath.ToSlash(strings.Join(files.Paths, " ")), want)

	_, err = Find(t.Context(), r, nil, []string{"../outside/*"})
	assert.ErrorContains(t, err, "settings: copyGitIgnoredPatterns: ")
}

// TestIncludeFileBringsIgnoredFilesOnly: the syntax is gitignore's, also with a line that takes something out again.
func TestIncludeFileBringsIgnoredFilesOnly(t *testing.T) {
	t.Parallel()
	r := shop(t, "*.local\ncerts/\nvendor/\n*.sock\nkeys\nsecret.*\n")
	write(t, filepath.Join(r.Main, IncludeFile), "# for looms\n\n**/*.local\n!b.local\n/certs/\nnotes.txt\nvendor\n*.sock\nkeys\n")
	for _, name := range []string{
		"a.local", "b.local", "deep/down/c.local", "certs/x.pem", "certs/sub/y.pem", "other/certs/z.pem", "notes.txt", "secret.txt",
	} {
		write(t, filepath.Join(r.Main, filepath.FromSlash(name)), "")
	}
	gittest.Run(t, r.Main, "init", "-q", filepath.Join("vendor", "lib"))
	write(t, filepath.Join(r.Main, "vendor", "lib", "file"), "")
	assert.NilError(t, syscall.Mkfifo(filepath.Join(r.Main, "certs", "pipe"), 0o600))
	assert.NilError(t, os.Symlink("/etc", filepath.Join(r.Main, "keys")))
	files, err := Find(t.Context(), r, nil, nil)
	assert.NilError(t, err)
	assert.Equal(t, strings.Join(files.Paths, " "), "a.local certs/sub/y.pem certs/x.pem deep/down/c.local keys")
	assert.DeepEqual(t, files.LeftOut, []string{"vendor: it has a git repository in it"})

	to := tempDir(t)
	_, err = Copy(r.Main, to, files.Paths, nil)
	assert.NilError(t, err)
	link, err := os.Readlink(filepath.Join(to, "keys"))
	assert.NilError(t, err)
	assert.Equal(t, link, "/etc")
}

// TestIncludeFileDoesNotWait: whoever writes the main work tree may have put a pipe there.
func TestIncludeFileDoesNotWait(t *testing.T) {
	t.Parallel()
	r := shop(t, "x\n")
	assert.NilError(t, syscall.Mkfifo(filepath.Join(r.Main, IncludeFile), 0o600))
	_, err := Find(t.Context(), r, nil, nil)
	assert.ErrorContains(t, err, IncludeFile+": ")
}

func TestAFolderWithTooMuchIsLeftOutWhole(t *testing.T) {
	t.Parallel()
	r := shop(t, "node_modules/\n")
	write(t, filepath.Join(r.Main, IncludeFile), "node_modules/\n")
	write(t, filepath.Join(r.Main, "node_modules", "small"), "")
	assert.NilError(t, os.Truncate(filepath.Join(r.Main, "node_modules", "small"), maxSize+1))
	files, err := Find(t.Context(), r, nil, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(files.Paths), 0)
	assert.Equal(t, len(files.LeftOut), 1)
	assert.Assert(t, strings.HasPrefix(files.LeftOut[0], "node_modules: it has more than"), files.LeftOut)
}
