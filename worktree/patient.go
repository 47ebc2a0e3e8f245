package worktree

import (
	"context"
	"errors"
	"strings"
	"time"
)

// How long a git command that changes the repository is tried again while another process holds a lock of git's. Git
// itself waits for some of its locks, and gives up at once at others.
const (
	patience  = 10 * time.Second
	firstWait = 10 * time.Millisecond
	mostWait  = 300 * time.Millisecond
)

// patient runs a git command that changes the repository, again while another git process is in its way. What it runs
// must be harmless when run again after it failed.
func (r *Repository) patient(ctx context.Context, args ...string) ([]byte, error) {
	until := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		out, err := git(ctx, r.dir(), args...)
		if !inTheWay(err) || time.Now().After(until) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// inTheWay tells whether git gave up because another process holds a lock, or is in the middle of adding or removing a
// work tree.
func inTheWay(err error) bool {
	var failed *gitError
	if !errors.As(err, &failed) {
		return false
	}
	text := failed.stderr
	return strings.Contains(text, ".lock'") && strings.Contains(text, "File exists") ||
		strings.Contains(text, "could not lock config file") ||
		strings.Contains(text, "unable to lock") ||
		strings.Contains(text, "failed to read") && strings.Contains(text, "worktrees/")
}
