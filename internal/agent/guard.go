package agent

import (
	"context"
	"sync"
	"time"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// guardInterval is how often guarded files are looked at while a command runs. A look is some twenty system calls.
const guardInterval = 500 * time.Millisecond

// stopIfGuardedFilesChange stops the sandbox if a guarded file is replaced while a command runs in it, until end is
// called.
func (s *readySandbox) stopIfGuardedFilesChange(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(guardInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !s.state.GuardedFilesChanged() {
				continue
			}
			err := s.engine.Stop(ctx, s.containerID, time.Second)
			s.warnf("%s", "warning: the sandbox was stopped: "+guardedFileReplaced)
			if err != nil && ctx.Err() == nil {
				s.warnf("warning: it could not be: %v", tell.FirstLine(err))
			}
			return
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// guardedFileReplaced is what happened, for people.
const guardedFileReplaced = "one of git's files that it guards was replaced on this host " +
	"(by git config, git push -u or the like), and the agent could have written the new one; " +
	"look at .git/config before running git there"

// tellAltered warns of what the agent wrote that git on this host would obey.
func (s *readySandbox) tellAltered() {
	t := s.target
	git, err := gitOf(t)
	if err != nil {
		s.warnf("warning: %v", tell.FirstLine(err))
		return
	}
	found, err := gitview.FindAltered(host.RealPath(t.Known.WorkTree), git)
	if err != nil {
		s.warnf("warning: %v", tell.FirstLine(err))
	}
	for _, f := range found {
		s.warnf("%s", f)
	}
}

// gitOf is what sandboxes know of the git folders of a loom's work tree, nil without git.
func gitOf(t *loom.Target) (*gitview.Repository, error) {
	at, err := worktree.Points(t.Known.WorkTree)
	if err != nil || at == nil {
		return nil, err
	}
	tree, common, dir := host.RealPath(t.Known.WorkTree), host.RealPath(at.CommonDir()), host.RealPath(at.GitDir())
	git, _, err := gitview.Read(tree, common, dir)
	return git, err
}
