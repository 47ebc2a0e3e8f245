package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// ensure brings the loom up with its services confined as the agent wants it, and the sandbox to its wanted state;
// then the sandbox is checked.
func (a *Agents) ensure(ctx context.Context, w *wanted.Sandbox, req *Request) (*readySandbox, error) {
	t, err := a.resolve(ctx, req.Where)
	if err != nil {
		return nil, err
	}
	var s *readySandbox
	err = a.looms.Locked(ctx, t, loom.Options{Trust: req.Trust}, func() error {
		s, err = a.ensureLocked(ctx, t, w, req)
		return err
	})
	return s, err
}

// ensureLocked is ensure of a loom, whose lock it takes: two commands at once would make the sandbox twice.
func (a *Agents) ensureLocked(
	ctx context.Context, t *loom.Target, w *wanted.Sandbox, req *Request,
) (*readySandbox, error) {
	release, err := a.looms.LockTarget(ctx, t)
	if err != nil {
		return nil, err
	}
	defer release()
	if len(t.Projects) == 0 {
		return nil, &loom.UnknownError{Name: t.Name(), ID: t.ID}
	}
	// Until the lock was ours, another command may have made a sandbox, or ended the project that it was in.
	if t, err = a.withLead(ctx, t); err != nil {
		return nil, err
	}
	if host.IsGone(t.Known.WorkTree) {
		// up would go on in the folder that it was called in. That is the user's, and nothing was said of an agent in it.
		return nil, &GoneError{Loom: t.ID, WorkTree: t.Known.WorkTree}
	}
	if err := a.looms.PermitPolicy(ctx, t, loom.Options{Trust: req.Trust}); err != nil {
		return nil, err
	}
	// Another command may have done it meanwhile.
	if s, err := a.findReady(ctx, t, w, req.AsItIs); s != nil || err != nil {
		return s, err
	}
	plans, err := a.upServices(ctx, t, w, req)
	if err != nil {
		return nil, err
	}
	d := &draft{backend: a.backend, target: t, plans: plans, wanted: w}
	if err := d.specify(ctx); err != nil {
		return nil, err
	}
	a.tellFindings(d.findings)
	return d.converge(ctx)
}

// upServices is up of all projects of the loom, with their services confined as the agent wants it.
func (a *Agents) upServices(
	ctx context.Context, t *loom.Target, w *wanted.Sandbox, req *Request,
) ([]*loom.Plan, error) {
	if err := a.checkRuntime(ctx, w.Policy.Runtime); err != nil {
		return nil, err
	}
	if _, err := a.images().EnsureEgress(ctx); err != nil {
		return nil, err
	}
	own, err := a.containers(ctx, t.Projects)
	if err != nil {
		return nil, err
	}
	confined, err := a.confinementOf(ctx, t, w, own)
	if err != nil {
		return nil, err
	}
	if t.ID == loom.Main && confined != nil {
		return nil, &MainServicesError{t.Name()}
	}
	if err := a.ensureImage(ctx, t, w, own, loom.Options{Trust: req.Trust}); err != nil {
		return nil, err
	}
	if err := a.setConfined(ctx, t, confined); err != nil {
		return nil, err
	}
	return a.upProjects(ctx, t, own, req)
}

// ensureImage makes the sandbox's image before the services are touched: if it cannot be had, they stay as they are.
// The image of a dev container that has no containers yet is up's to make, before it touches anything.
func (a *Agents) ensureImage(
	ctx context.Context, t *loom.Target, w *wanted.Sandbox, own []engine.Container, o loom.Options,
) error {
	if len(own) == 0 && !a.images().IsSet(w.Images) {
		plans, err := a.plansOf(ctx, t, own, o)
		switch {
		case errors.As(err, new(*permit.QuestionError)), errors.Is(err, permit.ErrFetchLater):
			return err
		case err != nil, slices.ContainsFunc(plans, func(p *loom.Plan) bool { return p.Dev != nil }):
			return nil //nolint:nilerr // up, which also runs the initializeCommand, says what is wrong
		}
	}
	_, _, err := a.images().ForAgent(ctx, w.Images, devImage(own))
	return err
}

// upProjects is up of each project. No sandbox may start while the services of one are as they were before.
func (a *Agents) upProjects(
	ctx context.Context, t *loom.Target, own []engine.Container, req *Request,
) ([]*loom.Plan, error) {
	var plans []*loom.Plan
	// Each up reads the entries again.
	for i := range len(t.Projects) {
		k := t.Projects[i]
		if ok, err := canComeUp(t, k, own); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		up := loom.UpRequest{
			Where: req.Where, Options: loom.Options{Trust: req.Trust},
			WaitTimeout: 3 * time.Minute, Hooks: devbox.HookOptions{Output: a.looms.Teller.Stream()},
		}
		if req.Quiet {
			up.Hooks.Output = nil
		}
		p, _, err := a.looms.UpLocked(ctx, t.Of(k), nil, up)
		if err != nil {
			return nil, ofProject(t, k, err)
		}
		if p.Project == nil {
			// A dev container of another tool, whose mounts no sandbox can hold.
			return nil, &plan.OpenDevContainerError{Loom: t.Name(), Container: "of project " + k.Folder()}
		}
		for _, f := range p.Findings {
			if f.Level == finding.Warning {
				a.sayf("%s", f.String())
			}
		}
		plans = append(plans, p)
		if err := a.looms.Refresh(ctx, t); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// canComeUp reports whether a project of the loom can come up. One whose folder is gone cannot; if it has containers,
// nothing can confine them, which is an error.
func canComeUp(t *loom.Target, k *registry.Loom, own []engine.Container) (bool, error) {
	if len(t.Projects) < 2 || k.Dir == "" || host.IsDir(k.Dir) {
		return true, nil
	}
	if len(inProject(own, k)) > 0 {
		return false, &GoneProjectError{Loom: t.ID, Folder: k.Folder()}
	}
	return false, nil
}

// ofProject says which of several projects an error is about.
func ofProject(t *loom.Target, k *registry.Loom, err error) error {
	if len(t.Projects) < 2 {
		return err
	}
	return fmt.Errorf("project %s: %w", k.Folder(), err)
}

// checkRuntime returns an error if the engine has no such container runtime.
func (a *Agents) checkRuntime(ctx context.Context, runtime string) error {
	if runtime == "" {
		return nil
	}
	info, err := a.engine.Capabilities(ctx)
	if err != nil {
		return err
	}
	if there := info.Confines.Runtimes; !slices.Contains(there, runtime) {
		return &RuntimeError{runtime, there}
	}
	return nil
}

// otherSidecars are the configurations of the sidecars that run for other agents of the loom.
func (a *Agents) otherSidecars(ctx context.Context, own []engine.Container, agent string) ([]string, error) {
	var configs []string
	for _, o := range own {
		name := o.Labels[sandbox.LabelAgent]
		if name == "" || name == agent || o.Service != sandbox.EgressName(name) || !loom.IsRunning(o) {
			continue
		}
		rt, ok, err := a.engine.InspectListed(ctx, o)
		if err != nil {
			return nil, err
		}
		if ok {
			configs = append(configs, rt.Env[egress.ConfigVariable])
		}
	}
	return configs, nil
}

// confinementOf is how the loom's services may leave while the agent is there.
func (a *Agents) confinementOf(
	ctx context.Context, t *loom.Target, w *wanted.Sandbox, own []engine.Container,
) (*registry.Confined, error) {
	sidecarImage, err := a.images().EgressRef()
	if err != nil {
		return nil, err
	}
	others, err := a.otherSidecars(ctx, own, w.Policy.Agent)
	if err != nil {
		return nil, err
	}
	return w.ConfinementBeside(others, sidecarImage, plan.ConfinementOf(t)), nil
}

// devImage names the image of the loom's dev container, "" without one.
func devImage(own []engine.Container) string {
	if dev := loom.DevContainerOf(own); dev != nil {
		return dev.Image
	}
	return ""
}
