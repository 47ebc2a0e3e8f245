package loom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// networkName is the name of a network of the project on the engine.
func networkName(project, key string) string { return project + "_" + key }

// reachable tells whether a service's container can be joined to a sandbox's network.
func reachable(c engine.Container) bool {
	if c.State != "running" && c.State != "paused" || isAside(c) || len(c.Networks) == 0 {
		return false
	}
	return !slices.Contains(c.Networks, "host") && !slices.Contains(c.Networks, "none")
}

// isAside tells a sandbox, and the sidecar that services leave through, from the loom's own services.
func isAside(c engine.Container) bool { return isSandbox(c) || c.Service == egressService }

// joinServices joins the loom's services to a sandbox's network under their names; they go on running.
func (l *Looms) joinServices(ctx context.Context, own []engine.Container, network string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, c := range own {
		if !reachable(c) || slices.Contains(c.Networks, network) {
			continue
		}
		g.Go(func() error {
			aliases, err := l.Engine.Aliases(ctx, c.ID)
			if err != nil {
				return err
			}
			if !c.OneOff && !slices.Contains(aliases, c.Service) {
				aliases = append(aliases, c.Service)
			}
			l.Teller.Debugf("container %s joins network %s as %v", c.Name, network, aliases)
			return l.Engine.Connect(ctx, network, c.ID, aliases)
		})
	}
	return g.Wait()
}

// rejoin joins services that were made anew to the networks of the loom's sandboxes.
func (l *Looms) rejoin(ctx context.Context, project string) error {
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: project})
	if err != nil {
		return err
	}
	for _, c := range own {
		if !isSandbox(c) || c.Service != sandbox.ServiceName(c.Labels[sandbox.LabelAgent]) {
			continue
		}
		if err := l.joinServices(ctx, own, networkName(project, c.Service)); err != nil {
			return err
		}
	}
	return nil
}

// keepSandboxes keeps Compose from taking sandboxes, which are in no file, for orphans.
func (l *Looms) keepSandboxes(ctx context.Context, plan *Plan) error {
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project, Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		return err
	}
	var services []string
	for _, c := range own {
		services = append(services, c.Service)
	}
	stack.Keep(plan.Project, services)
	return nil
}

// endSandboxes removes the sandboxes of a project, their sidecars and networks; what else is on these is taken off first,
// since a network cannot be removed under a container.
func (l *Looms) endSandboxes(ctx context.Context, t *Target, own []engine.Container) error {
	project := t.Known.Project
	var ids []string
	for _, c := range own {
		if isSandbox(c) && c.Project == project {
			ids = append(ids, c.ID)
		}
	}
	if err := l.Engine.RemoveContainers(ctx, ids, true); err != nil {
		return err
	}
	if len(ids) > 0 && isDir(t.Known.WorkTree) {
		git, err := guardedGit(t)
		if err == nil && git != nil {
			err = gitview.Unprepare(git)
		}
		if err != nil {
			// It must still go down.
			l.Teller.Sayf("warning: git's folder of %s: %v", t.Known.WorkTree, firstLine(err))
		}
	}
	networks, err := l.Engine.Networks(ctx, map[string]string{stack.LabelProject: project})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if !isSandboxKey(n.Labels[stack.LabelNetwork]) {
			continue
		}
		attached, ok, err := l.Engine.Attached(ctx, n.ID)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := l.Engine.Detach(ctx, n.ID, attached, true); err != nil {
			return err
		}
		if err := l.Engine.RemoveNetwork(ctx, n.ID); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

// forgetSandboxes ends what is left of a loom's sandboxes when the loom ends: their homes, and what is on this machine.
func (l *Looms) forgetSandboxes(ctx context.Context, t *Target) error {
	volumes, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: t.Known.Project})
	if err != nil {
		return err
	}
	var homes []string
	for _, v := range volumes {
		if isSandboxKey(v.Labels[stack.LabelVolume]) && v.Labels[engine.LabelLoom] == t.ID {
			homes = append(homes, v.Name)
		}
	}
	if err := l.Engine.RemoveVolumes(ctx, homes); err != nil {
		return err
	}
	dir := l.sandboxDir(t.Known.Project)
	if !isDir(dir) {
		return nil
	}
	if isDir(t.Known.WorkTree) {
		if err := l.takeRights(ctx, t); err != nil {
			l.Teller.Sayf("warning: rights of sandboxes stay in %s: %v", t.Known.WorkTree, firstLine(err))
		}
	}
	return os.RemoveAll(dir)
}

// guardedGit is what sandboxes know of the git folders of a loom's work tree, nil without.
func guardedGit(t *Target) (*gitview.Repository, error) {
	at, err := worktree.Points(t.Known.WorkTree)
	if err != nil || at == nil {
		return nil, err
	}
	git, _, err := gitview.Read(followed(t.Known.WorkTree), followed(at.CommonDir()), followed(at.GitDir()))
	return git, err
}

// takeRights takes the entries for the sandboxes' user away from the files of a work tree that is not its own. Folders of
// git that all work trees share keep them while another loom has a sandbox.
func (l *Looms) takeRights(ctx context.Context, t *Target) error {
	states, err := filepath.Glob(filepath.Join(l.sandboxDir(t.Known.Project), "*", "state.json"))
	if err != nil {
		return err
	}
	users := map[int]bool{}
	for _, path := range states {
		if s, ok := l.readBox(t.Known.Project, filepath.Base(filepath.Dir(path))); ok && s.Owner != 0 {
			users[s.Owner] = true
		}
	}
	if len(users) == 0 {
		return nil
	}
	paths := []string{followed(t.Known.WorkTree)}
	git, err := guardedGit(t)
	if err != nil {
		return err
	}
	if git != nil {
		paths = append(paths, git.Dir)
		state, err := l.Registry.Read(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool {
			return k.Repository == t.Repository && k.ID != t.ID && k.Sandboxed
		}) {
			paths = append(paths, git.Common)
		}
	}
	for uid := range users {
		if err := l.giveBack(ctx, followed(t.Known.WorkTree), git); err != nil {
			return err
		}
		if _, err := acl.Revoke(paths, uid); err != nil {
			return err
		}
	}
	return nil
}

// giveBack gives what sandboxes made in a work tree to its owner, where the engine is the owner's own: there that is root of
// the containers, and nobody else can do it.
func (l *Looms) giveBack(ctx context.Context, workTree string, git *gitview.Repository) error {
	info, err := l.Engine.Info(ctx)
	if err != nil || !info.Confines.Rootless {
		return err
	}
	image, err := l.egressImage(ctx)
	if err != nil {
		return err
	}
	paths := []string{workTree}
	if git != nil {
		paths = append(paths, git.Writable()...)
	}
	once := engine.Once{
		Image: image, User: "0:0", Network: "none", CapAdd: []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"},
		Cmd: append([]string{sandbox.Program, "egress", "give", strconv.Itoa(sandbox.FixedID), "0:0"}, paths...),
	}
	for _, p := range paths {
		once.Mounts = append(once.Mounts, engine.Mount{Volume: p, Target: p})
	}
	_, why, code, err := l.Engine.RunOnce(ctx, once)
	if err == nil && code != 0 {
		err = errors.New(string(why))
	}
	return err
}

// isSandboxKey tells the networks and volumes of sandboxes by their keys.
func isSandboxKey(key string) bool {
	ours := sandbox.ServiceName(DefaultAgent)
	return key == ours || strings.HasPrefix(key, ours+"-")
}
