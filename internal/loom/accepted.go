package loom

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// Trust is what the files of a loom ask of this machine beyond a container of their own.
type Trust struct {
	Loom       string `json:"loom"`
	Repository string `json:"repository"`
	// Folder is that of the project, as --project takes it.
	Folder string `json:"folder"`
	// Checked says that others may have written the work tree, so that up asks before it does more than was accepted.
	Checked bool `json:"checked"`
	// Since is when that began, nil if it is not known. Why says who may have written there.
	Since *time.Time `json:"since,omitempty"`
	Why   []string   `json:"why"`
	// Accepted are the requests that were accepted, Added those that are new, Gone those that are no longer made.
	Accepted []string `json:"accepted"`
	Added    []string `json:"added,omitempty"`
	Gone     []string `json:"gone,omitempty"`
	// Changed are the files that decide what up does and are not as they were accepted.
	Changed []string `json:"changed,omitempty"`
	// Digest is over all that up would obey.
	Digest string `json:"digest,omitempty"`
	// Error says why the files cannot be compared.
	Error string `json:"error,omitempty"`

	where Where
	draft *draft
	now   *registry.Accepted
}

// FilesChangedError says that the files of a loom are not as they were shown to the user. Nothing was accepted.
type FilesChangedError struct{ ID, Loom string }

// Error names the loom.
func (e *FilesChangedError) Error() string {
	return "the files of loom " + e.Loom + " changed since they were shown"
}

// NextStep says what the user does next.
func (e *FilesChangedError) NextStep() string {
	return "docker loom trust diff " + e.ID + " shows what they ask now"
}

// Name addresses the loom from anywhere.
func (t Trust) Name() string { return registry.Name(t.Repository, t.Loom) }

// Visible is text of a work tree for a terminal: what a terminal would obey, and line ends, are written out.
func Visible(text string) string { return trust.Printable(text) }

func trustOf(k *registry.Loom) Trust {
	t := Trust{
		Loom: k.ID, Repository: k.Repository, Folder: k.Folder(), Checked: trust.WrittenByOthers(k),
		Accepted: []string{}, Why: trust.Reasons(k),
	}
	if t.Checked && !k.WrittenSince.IsZero() {
		t.Since = &k.WrittenSince
	}
	if k.Accepted != nil {
		t.Accepted = append(t.Accepted, k.Accepted.HostAccess...)
	}
	return t
}

// Trusts lists what was accepted for each loom, and for those that are checked what their files ask beyond it. Work
// trees that others wrote are listed too if up was refused there, so that no loom has them yet.
func (l *Looms) Trusts(ctx context.Context) ([]Trust, error) {
	// A list does not count as use of the looms.
	l.InUse.Unnoticed = true
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	looms := slices.Clone(state.Looms)
	for _, w := range l.Registry.WrittenTrees() {
		if w.ID != "" && state.Find(w.Repository, w.ID) == nil && host.IsDir(w.WorkTree) {
			k := &registry.Loom{ID: w.ID, Repository: w.Repository, WorkTree: w.WorkTree}
			k.Inherit(state, w)
			looms = append(looms, k)
		}
	}
	list := []Trust{}
	for _, k := range looms {
		t := trustOf(k)
		if t.Checked && host.IsDir(k.WorkTree) {
			l.addPending(ctx, &t, k)
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Trust) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Folder, b.Folder))
	})
	return list, nil
}

// addPending adds what the files of a loom ask now. One loom whose files cannot be read does not spoil the list.
func (l *Looms) addPending(ctx context.Context, t *Trust, k *registry.Loom) {
	dir := k.WorkTree
	if host.IsDir(k.Dir) {
		dir = k.Dir
	}
	now, err := l.TrustDiff(ctx, Where{ID: k.ID, Source: stack.Source{Dir: dir}, Project: k.Folder()})
	refused, ok := errors.AsType[*AccessError](err)
	switch {
	case ok:
		t.Added = refused.Added
	case err != nil:
		t.Error = err.Error()
	default:
		t.Added, t.Gone, t.Changed, t.Digest = now.Added, now.Gone, now.Changed, now.Digest
	}
}

// TrustDiff compares what the files of a loom ask of this machine now with what was accepted. It changes nothing.
func (l *Looms) TrustDiff(ctx context.Context, where Where) (*Trust, error) {
	target, err := l.Finder().Resolve(ctx, where, Reading)
	if _, ok := errors.AsType[*find.UnknownError](err); ok {
		target, err = l.refusedTarget(ctx, where, err)
	}
	if err != nil {
		return nil, err
	}
	d, err := l.planner().shown(ctx, target, Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	t := trustOf(&d.Entry)
	t.where, t.draft = where, d
	if t.now, err = accepted(d); err != nil {
		return nil, err
	}
	t.Added = l.permission().NotAccepted(d.request())
	for _, access := range t.Accepted {
		if !slices.Contains(d.Access, access) {
			t.Gone = append(t.Gone, access)
		}
	}
	t.Changed = trust.ChangedFiles(d.Entry.Accepted, t.now, d.WorkTree)
	t.Digest = trust.Digest([]byte(t.now.Hash), []byte(trust.Digest(parts(t.now.HostAccess)...)))[:32]
	return &t, nil
}

// refusedTarget is a loom that up refused to make: nothing is promised to it, but its work tree is remembered as
// written by others.
func (l *Looms) refusedTarget(ctx context.Context, where Where, unknown error) (*Target, error) {
	target, err := l.Finder().Resolve(ctx, where, Making)
	if err != nil {
		return nil, err
	}
	if w := l.Registry.Written(target.WorkTree); w == nil || w.ID != target.ID {
		return nil, unknown
	}
	return target, nil
}

func parts(lines []string) [][]byte {
	all := make([][]byte, len(lines))
	for i, line := range lines {
		all[i] = []byte(line)
	}
	return all
}

// AcceptTrust records that the user accepts what [Looms.TrustDiff] found. It refuses if the files changed meanwhile;
// what they ask after that is not accepted.
func (l *Looms) AcceptTrust(ctx context.Context, t *Trust) error {
	d := t.draft
	again, err := l.TrustDiff(ctx, t.where)
	if err != nil {
		return err
	}
	if again.Digest != t.Digest {
		return &FilesChangedError{ID: d.ID, Loom: d.Name()}
	}
	release, err := l.lock(ctx, d.facts.Target)
	if err != nil {
		return err
	}
	defer release()
	if err := tellMountsMore(ctx, l.Companions, d, t.now); err != nil {
		return err
	}
	known := false
	err = l.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.ProjectOf(&d.Entry); k != nil {
			known, k.Accepted = true, t.now
		}
		return nil
	})
	if err != nil || known {
		return err
	}
	// The loom that is made there later begins with it.
	entry := d.Entry
	entry.Accepted = t.now
	_, err = l.Registry.KeepAccepted(&entry)
	return err
}
