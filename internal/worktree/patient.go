package worktree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

// abandoned is the age of a branch's lock at which its process is no more: git holds one for milliseconds.
const abandoned = 3 * time.Second

// patient runs a git command that changes the repository, again while another git process is in its way. What it runs
// must be harmless when run again after it failed.
func (r *Repository) patient(ctx context.Context, args ...string) ([]byte, error) {
	return r.patientWith(ctx, "", args...)
}

// patientWith is patient, and takes away the lock of a branch that a git process has left which was killed. Only one who
// keeps others from working on the branch may do that.
func (r *Repository) patientWith(ctx context.Context, branch string, args ...string) ([]byte, error) {
	until := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		out, err := git(ctx, r.dir(), args...)
		if !inTheWay(err) || time.Now().After(until) {
			return out, err
		}
		if lock := filepath.Join(r.CommonDir, "refs", "heads", filepath.FromSlash(branch)+".lock"); branch != "" {
			if info, err := os.Stat(lock); err == nil && time.Since(info.ModTime()) > abandoned {
				_ = os.Remove(lock)
			}
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
		strings.Contains(text, "failed to read") && strings.Contains(text, "worktrees/") ||
		// Another one has just gone, perhaps the last one and the folder of all with it.
		strings.Contains(text, "No such file") && (strings.Contains(text, "could not create") || strings.Contains(text, "worktrees/"))
}
