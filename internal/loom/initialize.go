package loom

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// InitializeError says that the initializeCommand failed: nothing else was done.
type InitializeError struct{ Err error }

// Error is the command's own.
func (e *InitializeError) Error() string { return "initializeCommand: " + e.Err.Error() }

// NextStep says what the user does next.
func (*InitializeError) NextStep() string {
	return "correct initializeCommand in the devcontainer.json"
}

// Unwrap gives the cause.
func (e *InitializeError) Unwrap() error { return e.Err }

// initialize runs the initializeCommand of the devcontainer.json, and reports whether there is one. That comes before
// anything else is looked at: it may write what the project is made from.
func (l *upRun) initialize(ctx context.Context, d *draft) (bool, error) {
	dev, t := d.facts.Dev, d.facts.Target
	if dev == nil || dev.Config.InitializeCommand == nil {
		return false, nil
	}
	c := *dev.Config.InitializeCommand
	entry := &registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		entry = t.Known.Clone()
	}
	entry.WorkTree = t.WorkTree
	entry.Inherit(d.facts.State, d.facts.Written)
	if err := l.ask(entry, d.facts.State, []string{trust.RunsOnHost(c)}, d.options.Trust); err != nil {
		return false, err
	}
	l.Teller.Sayf("running the initializeCommand of %s", dev.Place.Path)
	if err := runHere(ctx, c, dev.Place.Workspace, l.Teller.Stream()); err != nil {
		return false, &InitializeError{err}
	}
	return true, nil
}

// runHere runs a command on this machine, with its output on w. Commands that are parallel all end before the first
// failure of one is returned.
func runHere(ctx context.Context, c devcontainer.Command, dir string, w io.Writer) error {
	if c.Parallel == nil {
		args := c.Exec
		if args == nil {
			args = []string{"/bin/sh", "-c", c.Shell}
			if runtime.GOOS == "windows" {
				args = []string{"cmd", "/c", c.Shell}
			}
		}
		if len(args) == 0 || args[0] == "" {
			return nil
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, w
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		return nil
	}
	var mu sync.Mutex
	errs := make([]error, len(c.Parallel))
	var wg sync.WaitGroup
	for i, named := range c.Parallel {
		wg.Go(func() {
			if err := runHere(ctx, named.Command, dir, &lockedWriter{mu: &mu, w: w}); err != nil {
				errs[i] = fmt.Errorf("%s: %w", named.Name, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lockedWriter keeps the writes of several commands apart.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
