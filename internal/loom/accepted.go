package loom

import (
	"cmp"
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// Trust is what the files of a loom ask of this machine beyond a container of their own.
type Trust struct {
	Loom       string `json:"loom"`
	Repository string `json:"repository"`
	// Checked says that others may have written the work tree, so that up asks before it does more than was accepted.
	Checked bool `json:"checked"`
	// Accepted are the requests that were accepted, Added those that are new, Gone those that are no longer made.
	Accepted []string `json:"accepted"`
	Added    []string `json:"added,omitempty"`
	Gone     []string `json:"gone,omitempty"`

	draft *draft
	now   *registry.Accepted
}

// Name addresses the loom from anywhere.
func (t Trust) Name() string { return registry.Name(t.Repository, t.Loom) }

// Visible is text of a work tree for a terminal: what a terminal would obey, and line ends, are written out.
func Visible(text string) string { return trust.Printable(text) }

func trustOf(k *registry.Loom) Trust {
	t := Trust{Loom: k.ID, Repository: k.Repository, Checked: trust.WrittenByOthers(k), Accepted: []string{}}
	if k.Accepted != nil {
		t.Accepted = append(t.Accepted, k.Accepted.HostAccess...)
	}
	return t
}

// Trusts lists what was accepted for each loom.
func Trusts(ctx context.Context, r *registry.Registry) ([]Trust, error) {
	state, err := r.Read(ctx)
	if err != nil {
		return nil, err
	}
	list := []Trust{}
	for _, k := range state.Looms {
		list = append(list, trustOf(k))
	}
	slices.SortFunc(list, func(a, b Trust) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

// TrustDiff compares what the files of a loom ask of this machine now with what was accepted. It changes nothing.
func (l *Looms) TrustDiff(ctx context.Context, where Where) (*Trust, error) {
	target, err := l.Finder().Resolve(ctx, where, Reading)
	if err != nil {
		return nil, err
	}
	d, err := l.planner().shown(ctx, target, Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	t := trustOf(target.Known)
	t.draft = d
	if t.now, err = accepted(d); err != nil {
		return nil, err
	}
	t.Added = l.permission().notAccepted(&d.Entry, d.facts.State, d.Access)
	for _, access := range t.Accepted {
		if !slices.Contains(d.Access, access) {
			t.Gone = append(t.Gone, access)
		}
	}
	return &t, nil
}

// AcceptTrust records that the user accepts what [Looms.TrustDiff] found. What the files ask since then is not
// accepted.
func (l *Looms) AcceptTrust(ctx context.Context, t *Trust) error {
	release, err := l.lock(ctx, t.draft.facts.Target)
	if err != nil {
		return err
	}
	defer release()
	if err := tellMountsMore(ctx, l.Companions, t.draft, t.now); err != nil {
		return err
	}
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.Find(t.draft.Repository, t.draft.ID); k != nil {
			k.Accepted = t.now
		}
		return nil
	})
}
