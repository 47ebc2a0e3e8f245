// Package apply carries a plan out, step by step: files, containers, and the wait until all is ready.
package apply

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/stack/buildx"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// Applier does what plans say.
type Applier struct {
	Stack  *stack.Stack
	Engine *engine.Engine
	Teller tell.Teller
	// Builds is what the user asks of builds.
	Builds buildx.Target
}

// Options are the choices of up that change nothing in the plan.
type Options struct {
	stack.CreateOptions
	// CreateOnly creates the containers and starts none.
	CreateOnly bool
	// Timeout bounds the wait until all is ready; RequirePorts makes a port that nobody answers on an error.
	WaitTimeout  time.Duration
	RequirePorts bool
}

// Files puts the loom's files in place. owner is how the loom is called in the repository's info/exclude, which all its
// work trees share.
func (a *Applier) Files(ctx context.Context, p *plan.Plan, git *worktree.Repository, owner string) error {
	if git != nil && len(p.Excluded) > 0 {
		// First the names, then the files: git never sees them in between.
		if err := git.Exclude(ctx, owner, p.Excluded); err != nil {
			return err
		}
	}
	if git != nil && (p.MountsGit || worktree.IsKept(git.CommonDir)) {
		if err := git.Keep(); err != nil {
			return err
		}
	}
	if p.Confined() != nil {
		// Services get the folder read-only: neither they nor the engine may make it.
		if err := gitview.PrepareSettingsFolder(p.RealWorkTree); err != nil {
			return err
		}
	}
	changed, err := overrides.Write(p.Files)
	a.Teller.Debugf("files written: %v", changed)
	return err
}

// Containers brings the loom's containers to what is planned. own are those that were there when it was planned.
func (a *Applier) Containers(ctx context.Context, p *plan.Plan, own []engine.Container, o Options) error {
	if p.Recreated != "" && !o.CreateOnly {
		a.Teller.Sayf("service %s: %s: recreated", p.Dev.Service, p.Recreated)
	}
	if !o.RemoveOrphans && !o.CreateOnly {
		if err := p.Orphan(own); err != nil {
			return err
		}
	}
	if err := a.removeSidecar(ctx, p, own); err != nil {
		return err
	}
	keepSandboxes(p, own)
	if o.CreateOnly {
		if err := a.Stack.Create(ctx, p.Project, o.CreateOptions); err != nil {
			return a.Explain(ctx, SubjectOf(p), err)
		}
	} else if err := a.Stack.Up(ctx, p.Project, o.CreateOptions); err != nil {
		return a.Explain(ctx, SubjectOf(p), err)
	}
	return a.lendImage(ctx, p)
}

// removeSidecar removes what a confined loom had and this plan has no more, so that the services can publish their
// ports again.
func (a *Applier) removeSidecar(ctx context.Context, p *plan.Plan, own []engine.Container) error {
	if p.Confined() != nil {
		return nil
	}
	var ids []string
	for _, c := range own {
		if c.Service == plan.EgressService && c.Labels[engine.LabelLoom] == p.ID {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 || isMain(p) {
		return nil
	}
	return a.Engine.RemoveContainers(ctx, ids)
}

// keepSandboxes keeps Compose from taking sandboxes, which are in no file, for orphans.
func keepSandboxes(p *plan.Plan, own []engine.Container) {
	var services []string
	for _, c := range own {
		if c.Labels[sandbox.LabelAgent] != "" {
			services = append(services, c.Service)
		}
	}
	stack.Keep(p.Project, services)
}

// lendImage gives the dev container's image the name too that the files have for it, unless an image of that name is
// there that is not the loom's: before the reference CLI starts a stopped container it inspects the image by the files'
// name, and would try to pull it.
func (a *Applier) lendImage(ctx context.Context, p *plan.Plan) error {
	if p.Dev == nil || p.Dev.NameInFiles == "" {
		return nil
	}
	have, err := a.Engine.ImageID(ctx, p.Dev.NameInFiles)
	if err != nil || have != "" && have != p.Dev.LentImage {
		return err
	}
	image := stack.Image(p.Project.Services[p.Dev.Service], p.Project.Name)
	return a.Engine.Tag(ctx, image, p.Dev.NameInFiles)
}

// TakeImagesBack removes the names that were lent to the images of these containers.
func (a *Applier) TakeImagesBack(ctx context.Context, own []engine.Container) error {
	for _, c := range own {
		name := c.Labels[plan.LabelImage]
		if name == "" {
			continue
		}
		id, err := a.Engine.ImageID(ctx, name)
		if err != nil {
			return err
		}
		if id == c.ImageID {
			if err := a.Engine.RemoveImages(ctx, []string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}
