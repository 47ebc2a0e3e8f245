//go:build !windows

package worktree

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/poll"
)

// held is a work tree whose branch git cannot delete: git takes the branch's lock, and then waits for the one of
// packed-refs, which is here.
func held(t *testing.T) (r *Repository, path, branchLock, lock string) {
	t.Helper()
	r = shopRepo(t)
	path = mustAdd(t, r, wishFor("1"))
	lock = filepath.Join(r.CommonDir, "packed-refs.lock")
	write(t, lock, "")
	return r, path, filepath.Join(r.CommonDir, "refs", "heads", "feat", "issue-1.lock"), lock
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll.WaitOn(t, func(poll.LogT) poll.Result {
		if ok() {
			return poll.Success()
		}
		return poll.Continue("not yet: %s", what)
	}, poll.WithTimeout(time.Minute), poll.WithDelay(time.Millisecond))
}

func TestCancelledRemoveLeavesNoLock(t *testing.T) {
	t.Parallel()
	r, path, branchLock, lock := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.RemoveWithBranch(ctx, path) }()
	// git makes the file first, and notes a moment later that a signal must remove it.
	until(t, "git waits while it holds the branch", func() bool {
		info, err := os.Stat(branchLock)
		return err == nil && time.Since(info.ModTime()) > 200*time.Millisecond
	})
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
	assert.Assert(t, gone(branchLock))

	assert.NilError(t, os.Remove(lock))
	assert.NilError(t, r.RemoveWithBranch(t.Context(), path))
}

// TestKilledRemoveLeavesNoLock: git ends what it has begun when docker loom and all of its process group are killed.
func TestKilledRemoveLeavesNoLock(t *testing.T) {
	if path := os.Getenv("DOCKER_LOOM_TEST_REMOVE"); path != "" {
		t.Log(find(t, os.Getenv("DOCKER_LOOM_TEST_REPOSITORY")).RemoveWithBranch(t.Context(), path))
		return
	}
	t.Parallel()
	r, path, branchLock, lock := held(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledRemoveLeavesNoLock$")
	cmd.Env = append(os.Environ(), "DOCKER_LOOM_TEST_REMOVE="+path, "DOCKER_LOOM_TEST_REPOSITORY="+r.Main)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	assert.NilError(t, cmd.Start())
	until(t, "git holds the branch", func() bool { return !gone(branchLock) })
	assert.NilError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	_ = cmd.Wait()

	assert.NilError(t, os.Remove(lock))
	until(t, "git has deleted the branch", func() bool { return gone(branchLock) && gone(lock) })
	assert.Equal(t, mustGit(t, r.Main, "for-each-ref", "refs/heads/feat"), "")
	assert.NilError(t, r.RemoveWithBranch(t.Context(), path))
}
