package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// loomEnd takes the projects of a loom down that its target means.
type loomEnd struct {
	*Looms
	target *Target
	req    DownRequest
	// stays reports that something of the loom stays that a later down has to find.
	stays bool
}

// isWhole reports whether no project of the loom stays.
func (e *loomEnd) isWhole() bool { return !e.target.Part || len(e.target.Projects) == 1 }

// takeDown is down without the end of the promises. The loom's lock must be held. The newest project goes first; what
// an older one of the loom uses of it goes at the end.
func (e *loomEnd) takeDown(ctx context.Context) (*Remains, error) {
	var runs []*downRun
	for _, k := range slices.Backward(e.target.Meant()) {
		run := &downRun{Looms: e.Looms, target: e.target.Of(k), req: e.req}
		if _, err := run.takeDown(ctx); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	for _, run := range runs {
		if len(runs) > 1 && len(run.inUse) > 0 {
			if err := run.endUsed(ctx); err != nil {
				return nil, err
			}
		}
	}
	if !e.req.DryRun {
		e.applier().UnlockTrees(ctx, e.target.Repository)
	}
	slices.Reverse(runs)
	all := runs[0].remains
	all.Project, all.Projects = e.target.Known.Project, []ProjectName{}
	for i, run := range runs {
		all.Projects = append(all.Projects, report.NameOf(run.target.Known))
		// What siblings use of a project that ended must be found by the down that ends those.
		e.stays = e.stays || run.stays || e.target.Part && len(run.inUse) > 0
		if i > 0 {
			all.add(run.remains)
		}
	}
	return all, nil
}

// add adds what is left of another project.
func (r *Remains) add(o *Remains) {
	r.Volumes = append(r.Volumes, o.Volumes...)
	r.Ports = append(r.Ports, o.Ports...)
	r.Removed = append(r.Removed, o.Removed...)
	r.Left = append(r.Left, o.Left...)
}

// endUsed removes the networks and volumes that containers of the loom's other projects used.
func (r *downRun) endUsed(ctx context.Context) error {
	used := r.inUse
	r.inUse = nil
	again, err := r.planEnd(ctx)
	if err != nil {
		return err
	}
	if err := r.endProject(ctx, again); err != nil {
		return err
	}
	r.remains.Left = slices.DeleteFunc(r.remains.Left, func(left string) bool { return slices.Contains(used, left) })
	r.remains.Left = append(r.remains.Left, r.inUse...)
	r.remains.Removed = append(r.remains.Removed, again.remains.Removed...)
	return nil
}

// unexclude takes the loom's lines out of info/exclude: from the repository, not the work tree, which may be gone,
// since all its work trees share the file.
func unexclude(ctx context.Context, t *Target) error {
	if !host.IsDir(t.Repository) {
		return nil
	}
	repo, err := worktree.Find(ctx, t.Repository)
	if err != nil || repo == nil {
		return err
	}
	return repo.Unexclude(ctx, owner(t))
}

// forget ends the promises that the end of a loom, or of a project of it, ends. Leases go last, so that an interrupted
// down can be run again.
func (e *loomEnd) forget(ctx context.Context) error {
	t := e.target
	ends := (e.req.Volumes || t.ID == Main) && !e.stays
	if ends && e.isWhole() {
		if err := unexclude(ctx, t); err != nil {
			// A repository that git cannot read must not keep its leases for ever.
			e.Teller.Sayf("lines of loom %s stay in info/exclude of %s: %v", t.ID, t.Repository, tell.FirstLine(err))
		}
		e.Finder().ForgetUse(t)
	}
	for _, k := range t.Meant() {
		if ends && host.IsDir(k.WorkTree) {
			if err := e.rememberTree(k); err != nil {
				return err
			}
		}
	}
	return e.Registry.Update(ctx, func(state *registry.State) error {
		for _, k := range t.Meant() {
			if ends {
				state.RemoveProject(k)
				continue
			}
			if state.ProjectOf(k) == nil {
				state.Put(*k)
			}
			now := state.ProjectOf(k)
			now.Files = false
			if e.isWhole() {
				// While another project of the loom is up, its sandbox may be.
				now.Confined = nil
			}
		}
		return nil
	})
}

// rememberTree notes what was accepted of a work tree that others may have written: the tree outlives the loom.
func (e *loomEnd) rememberTree(k *registry.Loom) error {
	if k.Sandboxed {
		_, err := e.Registry.KeepWritten(k)
		return err
	}
	if k.Accepted == nil {
		return nil
	}
	_, err := e.Registry.KeepAccepted(k)
	return err
}
