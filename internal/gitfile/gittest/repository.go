// Package gittest makes a git repository with work trees and a submodule for tests.
package gittest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// Run runs git in a folder, without the user's configuration, and returns what it prints, trimmed. An error of git
// ends the test.
func Run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@x", "GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@x")
	out, err := cmd.CombinedOutput()
	assert.NilError(t, err, "git %s: %s", args, out)
	return strings.TrimSpace(string(out))
}

// Repository makes a repository and returns the absolute folders, links resolved, of its main work tree and of a linked
// one beside it. The main work tree also holds a linked work tree, trees/other, and a submodule, deep/lib.
func Repository(t *testing.T) (main, linked string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	main, linked = filepath.Join(dir, "main"), filepath.Join(dir, "linked")
	Run(t, dir, "init", "-q", "lib")
	Run(t, dir+"/lib", "commit", "-q", "--allow-empty", "-m", "lib")
	Run(t, dir, "init", "-q", "main")
	Run(t, main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", dir+"/lib", "deep/lib")
	Run(t, main, "commit", "-q", "-m", "one")
	Run(t, main, "worktree", "add", "-q", linked)
	Run(t, main, "worktree", "add", "-q", "trees/other")
	return main, linked
}
