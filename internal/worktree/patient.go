package worktree

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// patience limits how long a git command is tried again while another process holds a lock of the repository. git waits
// for some locks itself, and gives up at once at others.
func patience() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(300*time.Millisecond), backoff.WithMaxElapsedTime(10*time.Second),
	)
}

// abandoned is the age of a branch's lock at which its process is dead: git holds one for milliseconds.
const abandoned = 3 * time.Second

// patient runs a git command that changes the repository, and tries again while another git process holds a lock. It
// must be harmless to run the command again after it failed.
func (r *Repository) patient(ctx context.Context, args ...string) ([]byte, error) {
	return r.patientWith(ctx, "", args...)
}

// patientWith is like patient, but also removes a lock of the branch that a killed git process left. The caller must
// keep other processes from working on the branch.
func (r *Repository) patientWith(ctx context.Context, branch string, args ...string) ([]byte, error) {
	out, err := backoff.RetryWithData(func() ([]byte, error) {
		out, err := git.Run(ctx, r.dir(), args...)
		if !inTheWay(err) {
			return out, backoff.Permanent(err)
		}
		if lock := filepath.Join(r.CommonDir, "refs", "heads", filepath.FromSlash(branch)+".lock"); branch != "" {
			if info, err := os.Stat(lock); err == nil && time.Since(info.ModTime()) > abandoned {
				_ = os.Remove(lock)
			}
		}
		return out, err
	}, backoff.WithContext(patience(), ctx))
	if err != nil && err == ctx.Err() { //nolint:errorlint // the wait's own error; that of git names the command
		return nil, context.Cause(ctx)
	}
	return out, err
}

// inTheWay reports whether git gave up because another process holds a lock, or is in the middle of adding or
// removing a work tree.
func inTheWay(err error) bool {
	text, ok := git.Said(err)
	if !ok {
		return false
	}
	return strings.Contains(text, ".lock'") && strings.Contains(text, "File exists") ||
		strings.Contains(text, "could not lock config file") ||
		strings.Contains(text, "unable to lock") ||
		strings.Contains(text, "failed to read") && strings.Contains(text, "worktrees/") ||
		// Another work tree was just removed, perhaps the last one, and the folder worktrees with it.
		strings.Contains(text, "No such file") &&
			(strings.Contains(text, "could not create") || strings.Contains(text, "worktrees/"))
}
