package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

var _ loom.Companion = (*Companion)(nil)

// Companion lets the sandboxes of looms follow what up and down do with the looms.
type Companion struct{ backend }

// NewCompanion returns the companion of the looms.
func NewCompanion(l *loom.Looms) *Companion { return &Companion{backend{looms: l, engine: l.Engine}} }

// Owns reports whether a container is an agent's sandbox or its sidecar.
func (co *Companion) Owns(c engine.Container) bool { return sandbox.IsSandbox(c.Labels) }

// ServicesUp joins services that were recreated to the networks of the loom's sandboxes.
func (co *Companion) ServicesUp(ctx context.Context, projects []*registry.Loom) error {
	own, err := co.containers(ctx, projects)
	if err != nil {
		return err
	}
	names := namesOfContainers(projects, own)
	for _, c := range own {
		if !isSandbox(c) {
			continue
		}
		if err := co.joinServices(ctx, own, names, sandbox.NetworkName(c.Project, c.Service)); err != nil {
			return err
		}
		proxy := containersOf(inProject(own, &registry.Loom{Project: c.Project}), c.Labels[sandbox.LabelAgent]).sidecar
		if proxy == nil || !loom.IsRunning(*proxy) || len(names.all) == 0 {
			continue
		}
		// Its configuration has the services that there were when it was made.
		if err := co.tellProxy(ctx, *proxy, append([]string{"services"}, names.all...)); err != nil {
			return err
		}
	}
	return nil
}

// ServicesMountMore stops the loom's sandboxes: they were not made to hold what services mount of the work tree now,
// and what runs in them could put a link in its place. The next agent command recreates them. They are in one project
// of the loom, which need not be the one whose services mount more.
func (co *Companion) ServicesMountMore(ctx context.Context, k *registry.Loom) error {
	ours := engine.Filter{Labels: map[string]string{
		sandbox.LabelAgent: "", engine.LabelLoom: k.ID, engine.LabelRepo: k.Repository,
	}}
	own, err := co.engine.Containers(ctx, ours)
	if err != nil {
		return err
	}
	for _, c := range own {
		if !loom.IsRunning(c) || !isSandbox(c) {
			continue
		}
		co.warnf("agent %s of loom %s is stopped: it could replace what services mount of the work tree now",
			c.Labels[sandbox.LabelAgent], k.ID)
		if err := co.engine.Stop(ctx, c.ID, 0); err != nil {
			return err
		}
	}
	return nil
}

// End removes the sandboxes of a project, their sidecars and networks. If the project is not the one that the loom's
// sandboxes are in, nothing goes.
func (co *Companion) End(ctx context.Context, t *loom.Target, own []engine.Container) error {
	project := t.Known.Project
	var ids []string
	for _, c := range own {
		if co.Owns(c) && c.Project == project {
			ids = append(ids, c.ID)
		}
	}
	if err := co.engine.RemoveContainers(ctx, ids); err != nil {
		return err
	}
	networks, err := co.engine.Networks(ctx, map[string]string{stack.LabelProject: project})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if !sandbox.IsKey(n.Labels[stack.LabelNetwork]) || !isOf(t, n.Labels) {
			continue
		}
		if err := co.removeNetwork(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Ended takes what was put into git's folder for the sandboxes out of it again, once the project that they were in is
// down. While that is up, they need it.
func (co *Companion) Ended(t *loom.Target, own []engine.Container) {
	lead := co.recordedLead(t.Projects)
	if lead == nil && len(t.Projects) > 0 {
		lead = t.Projects[0]
	}
	if lead != nil && lead.Project != t.Known.Project && !slices.ContainsFunc(own, co.Owns) {
		return
	}
	if !t.Known.Sandboxed && !slices.ContainsFunc(own, co.Owns) || !host.IsDir(t.Known.WorkTree) {
		return
	}
	git, err := gitOf(t)
	if err == nil && git != nil {
		err = gitview.Unprepare(git)
	}
	if err != nil {
		co.warnf("warning: git's folder of %s: %v", t.Known.WorkTree, tell.FirstLine(err))
	}
}

// isOf reports whether labels say that an object was made for the loom.
func isOf(t *loom.Target, labels map[string]string) bool {
	return labels[engine.LabelLoom] == t.ID && labels[engine.LabelRepo] == t.Repository
}

// removeNetwork removes a network. Its containers are taken off first: a network cannot be removed under a container.
func (co *Companion) removeNetwork(ctx context.Context, n engine.Network) error {
	attached, ok, err := co.engine.Attached(ctx, n.ID)
	if err != nil || !ok {
		return err
	}
	if err := co.engine.Detach(ctx, n.ID, attached); err != nil {
		return err
	}
	if err := co.engine.RemoveNetwork(ctx, n.ID); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	return nil
}

// Forget removes what is left of a loom's sandboxes when the project that they were in ends: their home volumes, and
// their files on this machine. Another project has none.
func (co *Companion) Forget(ctx context.Context, t *loom.Target) error {
	volumes, err := co.engine.Volumes(ctx, map[string]string{stack.LabelProject: t.Known.Project})
	if err != nil {
		return err
	}
	var homes []string
	for _, v := range volumes {
		if sandbox.IsKey(v.Labels[stack.LabelVolume]) && isOf(t, v.Labels) {
			homes = append(homes, v.Name)
		}
	}
	if err := co.engine.RemoveVolumes(ctx, homes); err != nil {
		return err
	}
	dir := co.records().ProjectDir(t.Known.Project)
	if !host.IsDir(dir) {
		return nil
	}
	// Until the folder is gone: siblings that end meanwhile would each leave the rights for the other.
	release, err := co.looms.Registry.LockRights(ctx, t.Repository)
	if err != nil {
		return err
	}
	defer release()
	if host.IsDir(t.Known.WorkTree) {
		if err := co.revokeRights(ctx, t); err != nil {
			co.warnf("warning: rights of sandboxes stay in %s: %v", t.Known.WorkTree, tell.FirstLine(err))
		}
	}
	return os.RemoveAll(dir)
}
