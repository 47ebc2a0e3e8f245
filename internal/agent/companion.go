package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

var _ loom.Companion = (*Agents)(nil)

// Owns reports whether a container is an agent's sandbox or its sidecar.
func (a *Agents) Owns(c engine.Container) bool { return sandbox.IsSandbox(c.Labels) }

// ServicesUp joins services that were recreated to the networks of the loom's sandboxes.
func (a *Agents) ServicesUp(ctx context.Context, project string) error {
	own, err := a.engine.Containers(ctx, engine.Filter{Project: project})
	if err != nil {
		return err
	}
	for _, c := range own {
		if c.Service != sandbox.ServiceName(c.Labels[sandbox.LabelAgent]) || !a.Owns(c) {
			continue
		}
		if err := a.joinServices(ctx, own, sandbox.NetworkName(project, c.Service)); err != nil {
			return err
		}
	}
	return nil
}

// ServicesMountMore stops the loom's sandboxes: they were not made to hold what services mount of the work tree now,
// and what runs in them could put a link in its place. The next agent command recreates them.
func (a *Agents) ServicesMountMore(ctx context.Context, k *registry.Loom) error {
	ours := engine.Filter{Project: k.Project, Labels: map[string]string{sandbox.LabelAgent: ""}}
	own, err := a.engine.Containers(ctx, ours)
	if err != nil {
		return err
	}
	for _, c := range own {
		name := c.Labels[sandbox.LabelAgent]
		if !loom.IsRunning(c) || c.Service != sandbox.ServiceName(name) {
			continue
		}
		a.sayf("agent %s of loom %s is stopped: it could replace what services mount of the work tree now", name, k.ID)
		if err := a.engine.Stop(ctx, c.ID, 0); err != nil {
			return err
		}
	}
	return nil
}

// End removes the sandboxes of a loom, their sidecars and networks.
func (a *Agents) End(ctx context.Context, t *loom.Target, own []engine.Container) error {
	project := t.Known.Project
	var ids []string
	for _, c := range own {
		if a.Owns(c) && c.Project == project {
			ids = append(ids, c.ID)
		}
	}
	if err := a.engine.RemoveContainers(ctx, ids); err != nil {
		return err
	}
	if len(ids) > 0 && host.IsDir(t.Known.WorkTree) {
		git, err := gitOf(t)
		if err == nil && git != nil {
			err = gitview.Unprepare(git)
		}
		if err != nil {
			// It must still go down.
			a.sayf("warning: git's folder of %s: %v", t.Known.WorkTree, tell.FirstLine(err))
		}
	}
	networks, err := a.engine.Networks(ctx, map[string]string{stack.LabelProject: project})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if !sandbox.IsKey(n.Labels[stack.LabelNetwork]) {
			continue
		}
		if err := a.removeNetwork(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// removeNetwork removes a network. Its containers are taken off first: a network cannot be removed under a container.
func (a *Agents) removeNetwork(ctx context.Context, n engine.Network) error {
	attached, ok, err := a.engine.Attached(ctx, n.ID)
	if err != nil || !ok {
		return err
	}
	if err := a.engine.Detach(ctx, n.ID, attached); err != nil {
		return err
	}
	if err := a.engine.RemoveNetwork(ctx, n.ID); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	return nil
}

// Forget removes what is left of a loom's sandboxes when the loom ends: their home volumes, and their files on this
// machine.
func (a *Agents) Forget(ctx context.Context, t *loom.Target) error {
	volumes, err := a.engine.Volumes(ctx, map[string]string{stack.LabelProject: t.Known.Project})
	if err != nil {
		return err
	}
	var homes []string
	for _, v := range volumes {
		if sandbox.IsKey(v.Labels[stack.LabelVolume]) && v.Labels[engine.LabelLoom] == t.ID {
			homes = append(homes, v.Name)
		}
	}
	if err := a.engine.RemoveVolumes(ctx, homes); err != nil {
		return err
	}
	dir := a.projectDir(t.Known.Project)
	if !host.IsDir(dir) {
		return nil
	}
	if host.IsDir(t.Known.WorkTree) {
		if err := a.revokeRights(ctx, t); err != nil {
			a.sayf("warning: rights of sandboxes stay in %s: %v", t.Known.WorkTree, tell.FirstLine(err))
		}
	}
	return os.RemoveAll(dir)
}

// revokeRights takes the entries for the sandboxes' users away from the files of a work tree that is not theirs. Git
// folders that all work trees share keep them while another loom has a sandbox.
func (a *Agents) revokeRights(ctx context.Context, t *loom.Target) error {
	users, err := a.grantedUIDs(t.Known.Project)
	if err != nil || len(users) == 0 {
		return err
	}
	tree := host.RealPath(t.Known.WorkTree)
	git, err := gitOf(t)
	if err != nil {
		return err
	}
	paths := []string{tree}
	if git != nil {
		paths = append(paths, git.Dir)
		state, err := a.looms.Registry.Read(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool {
			return k.Repository == t.Repository && k.ID != t.ID && k.Sandboxed
		}) {
			paths = append(paths, git.Common)
		}
	}
	for _, uid := range users {
		if err := a.giveFilesToOwner(ctx, tree, git); err != nil {
			return err
		}
		if _, err := acl.Revoke(paths, uid); err != nil {
			return err
		}
	}
	return nil
}

// grantedUIDs are the users of this machine that sandboxes of a project gave rights to.
func (a *Agents) grantedUIDs(project string) ([]int, error) {
	states, err := filepath.Glob(filepath.Join(a.projectDir(project), "*", "state.json"))
	if err != nil {
		return nil, err
	}
	var users []int
	for _, path := range states {
		s, ok := a.readState(project, filepath.Base(filepath.Dir(path)))
		if ok && s.GrantedUID != 0 && !slices.Contains(users, s.GrantedUID) {
			users = append(users, s.GrantedUID)
		}
	}
	return users, nil
}

// giveFilesToOwner gives the files that sandboxes made in a work tree to its owner if the engine is rootless. There
// the owner is root of the containers, and nobody else can do it.
func (a *Agents) giveFilesToOwner(ctx context.Context, workTree string, git *gitview.Repository) error {
	info, err := a.engine.Capabilities(ctx)
	if err != nil || !info.Confines.Rootless {
		return err
	}
	image, err := a.images().EnsureEgress(ctx)
	if err != nil {
		return err
	}
	paths := []string{workTree}
	if git != nil {
		paths = append(paths, git.Writable()...)
	}
	once := asRoot(image, append([]string{"give", strconv.Itoa(sandbox.FixedID), "0:0"}, paths...)...)
	for _, p := range paths {
		once.Mounts = append(once.Mounts, engine.Mount{Volume: p, Target: p})
	}
	return a.runOnce(ctx, once)
}

// canJoin reports whether a service's container can be joined to a sandbox's network.
func canJoin(c engine.Container) bool {
	if !loom.IsRunning(c) || !isService(c) || len(c.Networks) == 0 {
		return false
	}
	return !slices.Contains(c.Networks, "host") && !slices.Contains(c.Networks, "none")
}

// joinServices joins the loom's services to a sandbox's network under their names; they go on running.
func (a *Agents) joinServices(ctx context.Context, own []engine.Container, network string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, c := range own {
		if !canJoin(c) || slices.Contains(c.Networks, network) {
			continue
		}
		g.Go(func() error {
			now, err := a.engine.Inspect(ctx, c.ID)
			if err != nil {
				return err
			}
			aliases := now.Aliases
			if !c.OneOff && !slices.Contains(aliases, c.Service) {
				aliases = append(aliases, c.Service)
			}
			a.debugf("container %s joins network %s as %v", c.Name, network, aliases)
			return a.engine.Connect(ctx, network, c.ID, aliases)
		})
	}
	return g.Wait()
}
