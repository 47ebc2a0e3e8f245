package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// observed is what a cheap look shows of a sandbox.
type observed struct {
	agentContainers
	// starts are when the sandbox and its sidecar were started.
	starts [2]string
	// network is the only one that the sandbox belongs on.
	network string
	// imageID is what the image's name means now.
	imageID string
}

// findReady returns the sandbox if it runs, was checked as it runs, and is as wanted, as far as a cheap look can tell.
// Otherwise it returns nil. asItIs accepts a sandbox that is not as wanted.
func (a *Agents) findReady(ctx context.Context, t *loom.Target, w *wanted.Sandbox, asItIs bool) (*readySandbox, error) {
	project, name := t.Known.Project, w.Policy.Agent
	state, ok := a.records().Read(project, name)
	if !ok {
		return nil, nil
	}
	own, err := a.containers(ctx, t.Projects)
	if err != nil {
		return nil, err
	}
	network := sandbox.NetworkName(project, sandbox.ServiceName(name))
	seen := observed{agentContainers: containersOf(inProject(own, t.Known), name), network: network}
	if !seen.areRunning() || seen.sandbox.ID != state.Sandbox || seen.sidecar.ID != state.Egress {
		return nil, nil
	}
	git, err := worktree.Points(state.WorkTree)
	if err != nil || git.String() != state.GitPointers {
		a.debugf("git's files of the work tree lead elsewhere: %v", err)
		return nil, nil
	}
	refs, err := a.observe(ctx, &seen, git, imageOf(state, asItIs))
	if err != nil {
		return nil, err
	}
	why := seen.whyNotReady(state)
	if why == "" && !asItIs {
		digest, err := a.digestOf(t, w, own, state)
		if why = seen.whyNotWanted(state, digest); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		a.debugf("the sandbox is not ready: %s", why)
		return nil, nil
	}
	names := namesOfContainers(t.Projects, own)
	if err := a.joinServices(ctx, own, names, seen.network); err != nil {
		return nil, err
	}
	return &readySandbox{
		backend: a.backend, target: t, containerID: seen.sandbox.ID, state: state, services: names.all, refs: refs,
	}, nil
}

// digestOf is the digest of what is wanted of a loom's sandbox now.
func (b backend) digestOf(
	t *loom.Target, w *wanted.Sandbox, own []engine.Container, state record.Sandbox,
) (string, error) {
	k := t.Known
	in := record.Inputs{
		Policy: w.Policy, Images: w.Images, Services: w.Services, Mounts: w.Mounts, Version: b.looms.Version,
		Project: k.Project, WorkTree: k.WorkTree, Confined: k.Confined, GitPointers: state.GitPointers,
		SourcesDigest: record.SourcesDigest(state.Sources),
	}
	var err error
	if in.SidecarImage, err = b.images().EgressRef(); err != nil {
		return "", err
	}
	root, err := os.Stat(k.WorkTree)
	if err != nil {
		return "", err
	}
	in.UID, in.GID = host.OwnerOf(root)
	if k.Accepted != nil {
		in.HostAccess = k.Accepted.HostAccess
	}
	for _, o := range t.Projects {
		if o.Project == k.Project {
			continue
		}
		// A project that was added or ended is another input, even if it asks for nothing.
		other := record.OtherProject{Project: o.Project, Confined: o.Confined}
		if o.Accepted != nil {
			other.HostAccess = o.Accepted.HostAccess
		}
		in.Others = append(in.Others, other)
	}
	if dev := loom.DevContainerOf(own); dev != nil {
		in.DevImageID = dev.ImageID
	}
	return in.Digest()
}

// imageOf names the image to look at, "" for none.
func imageOf(state record.Sandbox, asItIs bool) string {
	if asItIs {
		return ""
	}
	return state.Image
}

// observe asks the engine for what a list of containers does not tell, and git for the refs, all at once.
func (a *Agents) observe(
	ctx context.Context, seen *observed, git *worktree.Pointers, image string,
) (refs map[string]string, err error) {
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range []*engine.Container{seen.sandbox, seen.sidecar} {
		g.Go(func() error {
			rt, err := a.engine.Inspect(gctx, c.ID)
			seen.starts[i] = rt.StartedAt
			return err
		})
	}
	if image != "" {
		g.Go(func() (err error) {
			seen.imageID, err = a.engine.ImageID(gctx, image)
			return err
		})
	}
	g.Go(func() error {
		// What fails here is told when the refs are compared.
		if git != nil {
			refs, _ = git.Refs(gctx)
		}
		return nil
	})
	return refs, g.Wait()
}

// whyNotReady returns why the sandbox must be checked again before a command runs in it, "" if it need not be.
func (seen observed) whyNotReady(s record.Sandbox) string {
	switch {
	case seen.starts != [2]string{s.SandboxStart, s.EgressStart}:
		return "it was started again since its last check"
	case !slices.Equal(seen.sandbox.Networks, []string{seen.network}):
		return fmt.Sprintf("it is on the networks %v", seen.sandbox.Networks)
	case s.GuardedFilesChanged():
		return "a guarded file was replaced since it was started"
	}
	return ""
}

// whyNotWanted returns why the sandbox may have been made for something else than what is wanted, "" if it was not.
func (seen observed) whyNotWanted(s record.Sandbox, digest string) string {
	switch {
	case seen.imageID != s.ImageID:
		return "its image was replaced"
	case digest != s.WantedDigest:
		return "something else is wanted of it"
	}
	return ""
}
