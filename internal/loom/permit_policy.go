package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// PermitPolicy stops if the settings of the main work tree, which say what agents of all looms may do, ask for more
// than was accepted while a sandbox may write that work tree.
func (l *Looms) PermitPolicy(ctx context.Context, t *Target, o Options) error {
	if t.WorkTree == t.Repository {
		// Then the plan has them in its access.
		return nil
	}
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return err
	}
	state := t.State
	in := state.InFolder(t.Repository)
	if len(in) == 0 {
		// main may be down.
		k := &registry.Loom{ID: Main, Repository: t.Repository, WorkTree: t.Repository}
		k.Inherit(state, l.Registry.Written(k.WorkTree))
		in = append(in, k)
	}
	set, err := settings.Read(settings.Sources{WorkTree: t.Repository})
	if err != nil {
		return err
	}
	access := trust.PolicyAccess(set, sandbox.DefaultAgent)
	for _, k := range in {
		if !trust.WrittenByOthers(k) {
			continue
		}
		if err := l.permission().Ask(permit.Request{Entry: k, State: state, Access: access, Trusted: o.Trust}); err != nil {
			return err
		}
	}
	return nil
}
