package loom

import (
	"context"
	"sync"
	"time"

	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

// guardEvery is how often guarded files are looked at while a command runs. Looking is some twenty system calls.
const guardEvery = 500 * time.Millisecond

// unguarded reports whether a file that the sandbox guards was replaced on this host since the sandbox was started: it is
// the agent's to write then ([sandbox.ReadOnlyOverlays]).
func (s boxState) unguarded() bool { return s.Stamp != sandbox.Fingerprint(s.Guard) }

// guard stops the sandbox where a guarded file is replaced while a command runs in it, until end is called.
func (l *Looms) guard(ctx context.Context, b *box) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(guardEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !b.state.unguarded() {
				continue
			}
			err := l.Engine.Stop(ctx, b.id, time.Second)
			l.Teller.Sayf("%s", "warning: the sandbox was stopped: "+replaced)
			if err != nil && ctx.Err() == nil {
				l.Teller.Sayf("warning: it could not be: %v", firstLine(err))
			}
			return
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// replaced is what happened, for people.
const replaced = "one of git's files that it guards was replaced on this host (by git config, git push -u or the like), and the agent could " +
	"have written the new one; look at .git/config before running git there"

// tellAltered warns of what git on this host would stumble over in what the agent wrote.
func (l *Looms) tellAltered(t *Target) {
	git, err := guardedGit(t)
	if err != nil {
		l.Teller.Sayf("warning: %v", firstLine(err))
		return
	}
	found, err := gitview.FindAltered(followed(t.Known.WorkTree), git)
	if err != nil {
		l.Teller.Sayf("warning: %v", firstLine(err))
	}
	for _, f := range found {
		l.Teller.Sayf("%s", f)
	}
}
