package loom

import (
	"context"
	"slices"
	"strings"
)

// lock keeps other commands from the looms until release is called. Several looms are always locked in the same order;
// otherwise two commands could wait for each other.
func (l *Looms) lock(ctx context.Context, targets ...*Target) (release func(), err error) {
	targets = slices.DeleteFunc(targets, func(t *Target) bool { return t == nil })
	slices.SortFunc(targets, func(a, b *Target) int {
		return strings.Compare(a.Repository+"\x00"+a.ID, b.Repository+"\x00"+b.ID)
	})
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
			l.granted.Locks--
		}
		releases = nil
	}
	for _, t := range targets {
		r, err := l.Registry.Lock(ctx, t.Repository, t.ID)
		if err != nil {
			release()
			return nil, err
		}
		releases = append(releases, r)
		l.granted.Locks++
	}
	return release, nil
}

// LockTarget locks a loom, and reads its registry entry as the last command left it.
func (l *Looms) LockTarget(ctx context.Context, t *Target) (release func(), err error) {
	if release, err = l.lock(ctx, t); err != nil {
		return nil, err
	}
	if err := l.Refresh(ctx, t); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Refresh reads the loom's registry entry again: another command may have held the lock meanwhile.
func (l *Looms) Refresh(ctx context.Context, t *Target) error {
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return err
	}
	if now := t.State.Projects(t.Repository, t.ID); len(now) > 0 || !t.Recovered {
		// A loom without an entry was ended: its leases may be another loom's by now.
		t.SetProjects(now)
		t.Recovered = false
	}
	return nil
}
