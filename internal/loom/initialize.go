package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/permit"
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
	dev := d.facts.Dev
	if dev == nil || dev.Config.InitializeCommand == nil {
		return false, nil
	}
	c := *dev.Config.InitializeCommand
	err := l.permits.Ask(permit.Request{
		Entry: permit.EntryOf(d.facts), State: d.facts.State, Trusted: d.options.Trust,
		Access: []string{trust.RunsOnHost(*dev.Read.InitializeCommand)},
	})
	if err != nil {
		return false, err
	}
	l.Teller.Sayf("running the initializeCommand of %s", dev.Place.Path)
	if err := devbox.RunOnHost(ctx, c, dev.Place.Workspace, l.Teller.Stream()); err != nil {
		return false, &InitializeError{err}
	}
	return true, nil
}
