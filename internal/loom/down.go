package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// DownRequest asks for looms to be taken down.
type DownRequest struct {
	Where
	// Volumes ends the loom: its named volumes, leases and exclude lines go too.
	Volumes bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
	DryRun  bool
}

// Remains is what down left of a loom, or would leave.
type Remains struct {
	Loom    string   `json:"loom"`
	Project string   `json:"project"`
	Volumes []string `json:"volumes"`
	Ports   []string `json:"ports"`
	// Removed says what went, or with DryRun would go.
	Removed []string `json:"removed"`
}

// ElsewhereError says that a loom is on another engine than the one asked: here there is nothing of it to take down,
// and to forget it would free what it holds there.
type ElsewhereError struct{ Name, Space string }

// Error names the loom and says what to do.
func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("loom %s is on another engine (%s): choose its context, as in docker --context NAME loom down",
		e.Name, e.Space)
}

// NextStep says what the user does next.
func (*ElsewhereError) NextStep() string {
	return "docker context ls shows the contexts"
}

// Down takes one loom down. It needs neither the files nor the work tree: what the loom has is found by its labels.
func (l *Looms) Down(ctx context.Context, t *Target, req DownRequest) (*Remains, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	if !req.DryRun {
		release, err := l.LockTarget(ctx, t)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if t.Known == nil {
		return nil, &UnknownError{Name: t.Name()}
	}
	run := &downRun{Looms: l, target: t, req: req}
	r, err := run.takeDown(ctx)
	if err != nil || req.DryRun {
		return r, err
	}
	if req.Volumes {
		l.Images().RemoveFeatures(ctx, survey.FeaturesImage(t.Repository))
	}
	return r, run.forget(ctx)
}

// downRun is one down, step by step.
type downRun struct {
	*Looms
	target *Target
	req    DownRequest
}

// takeDown is down without the end of the promises. The loom's lock must be held.
func (r *downRun) takeDown(ctx context.Context) (*Remains, error) {
	space, err := r.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	if r.target.Known.Space != "" && r.target.Known.Space != space {
		return nil, &ElsewhereError{Name: r.target.Name(), Space: r.target.Known.Space}
	}
	if !r.req.DryRun {
		if err := r.copier().Recover(ctx, r.target.ID, r.target.Known.Project); err != nil {
			return nil, err
		}
	}
	e, err := r.planEnd(ctx)
	if err != nil || r.req.DryRun {
		return e.remains, err
	}
	if err := r.endBeside(ctx, e.own); err != nil {
		return nil, err
	}
	if r.target.ID == Main && host.IsDir(r.target.WorkTree) {
		return e.remains, r.downMain(ctx, e)
	}
	return e.remains, r.endProject(ctx, e)
}

// end is what down of a loom removes and leaves.
type end struct {
	own     []engine.Container
	volumes []string // that go
	files   []overrides.File
	remains *Remains
}

// planEnd looks at what a loom has, and decides what of it goes.
func (r *downRun) planEnd(ctx context.Context) (end, error) {
	t := r.target
	remains := &Remains{
		Loom: t.ID, Project: t.Known.Project, Volumes: []string{}, Ports: []string{}, Removed: []string{},
	}
	e := end{remains: remains}
	var err error
	if e.own, err = r.Containers(ctx, t.Known); err != nil {
		return end{}, err
	}
	volumes, err := r.Engine.Volumes(ctx, map[string]string{stack.LabelProject: t.Known.Project})
	if err != nil {
		return end{}, err
	}
	for _, c := range e.own {
		remains.Removed = append(remains.Removed, "container "+c.Name)
	}
	for _, v := range volumes {
		// A volume that the settings share has none of our labels, whichever loom made it.
		if r.req.Volumes && (v.Labels[engine.LabelLoom] == t.ID || t.ID == Main) {
			e.volumes = append(e.volumes, v.Name)
			remains.Removed = append(remains.Removed, "volume "+v.Name)
		} else {
			remains.Volumes = append(remains.Volumes, v.Name)
		}
	}
	e.files = tree.Generated(t)
	for _, f := range e.files {
		remains.Removed = append(remains.Removed, "file "+f.Path)
	}
	if !r.req.Volumes && t.ID != Main {
		for _, lease := range t.Known.Ports {
			remains.Ports = append(remains.Ports, lease.String())
		}
	}
	return e, nil
}

// endBeside removes what is beside the loom's project: an adopted container, and what companions have.
func (r *downRun) endBeside(ctx context.Context, own []engine.Container) error {
	remove := func(c engine.Container) error { return r.Engine.RemoveContainers(ctx, []string{c.ID}) }
	if err := outside(own, r.target.Known, remove); err != nil {
		return err
	}
	return r.Companions.tell(func(c Companion) error {
		if err := c.End(ctx, r.target, own); err != nil || !r.req.Volumes {
			return err
		}
		return c.Forget(ctx, r.target)
	})
}

// endProject removes the loom's Compose project and its files.
func (r *downRun) endProject(ctx context.Context, e end) error {
	if err := r.applier().TakeImagesBack(ctx, e.own); err != nil {
		return err
	}
	project, own := r.target.Known.Project, slices.DeleteFunc(e.own, r.Companions.Own)
	there, err := r.hasProject(ctx, own)
	if err != nil {
		return err
	}
	if there {
		o := stack.DownOptions{Project: recordedHooks(r.Teller, r.target, own), Timeout: r.req.Timeout}
		if err := r.Stack.Down(ctx, project, o); err != nil {
			return err
		}
	}
	if err := r.Engine.RemoveVolumes(ctx, e.volumes); err != nil {
		return err
	}
	if _, err := overrides.Write(e.files); err != nil {
		return err
	}
	if r.target.Known.Confined != nil {
		// Made for the services' read-only view of it; one with settings in it stays.
		_ = os.Remove(filepath.Join(r.target.WorkTree, survey.SettingsFolder))
	}
	return nil
}

// hasProject reports whether there is something that Compose's down would remove. It warns if there is nothing.
func (r *downRun) hasProject(ctx context.Context, own []engine.Container) (bool, error) {
	if len(own) > 0 {
		return true, nil
	}
	byProject := map[string]string{stack.LabelProject: r.target.Known.Project}
	networks, err := r.Engine.Networks(ctx, byProject)
	if err != nil || len(networks) > 0 {
		return true, err
	}
	images, err := r.Engine.Images(ctx, "", byProject)
	return len(images) > 0, err
}

// downMain is docker compose down: main has nothing of its own, and another folder may use its project name too. The
// files are loaded only if the labels of its containers do not say enough.
func (r *downRun) downMain(ctx context.Context, e end) error {
	own := slices.DeleteFunc(slices.Clone(e.own), r.Companions.Own)
	if !r.req.Volumes && len(r.target.Source.Files) == 0 && isMadeForMain(r.target, own) {
		return r.downMadeForMain(ctx, own)
	}
	project, err := r.LoadProject(ctx, r.target)
	if err != nil {
		return err
	}
	o := stack.DownOptions{Volumes: r.req.Volumes, Timeout: r.req.Timeout}
	if err := r.Stack.DownFromFiles(ctx, project, o); err != nil {
		return err
	}
	if s, ok := project.Services[devcontainer.Service]; ok && s.Build != nil && s.Image == "" {
		r.removeBuilt(ctx, stack.Image(s, project.Name))
	}
	_, err = overrides.Write(tree.Generated(r.target))
	return err
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

// forget ends the promises that a loom's end ends. Leases go last, so that an interrupted down can be run again.
func (r *downRun) forget(ctx context.Context) error {
	t := r.target
	ends := r.req.Volumes || t.ID == Main
	if ends {
		if err := unexclude(ctx, t); err != nil {
			// A repository that git cannot read must not keep its leases for ever.
			r.Teller.Sayf("lines of loom %s stay in info/exclude of %s: %v", t.ID, t.Repository, tell.FirstLine(err))
		}
	}
	if ends {
		r.Finder().ForgetUse(t)
	}
	if ends && host.IsDir(t.Known.WorkTree) {
		if err := r.rememberTree(t.Known); err != nil {
			return err
		}
	}
	return r.Registry.Update(ctx, func(state *registry.State) error {
		if ends {
			state.Remove(t.Repository, t.ID)
			return nil
		}
		if k := state.Find(t.Repository, t.ID); k != nil {
			k.Files, k.Confined = false, nil
		} else {
			state.Put(*t.Known)
		}
		return nil
	})
}

// rememberTree notes what was accepted of a work tree that others may have written: the tree outlives the loom.
func (r *downRun) rememberTree(k *registry.Loom) error {
	if k.Sandboxed {
		_, err := r.Registry.KeepWritten(k)
		return err
	}
	if k.Accepted == nil {
		return nil
	}
	_, err := r.Registry.KeepAccepted(k.WorkTree, k.Accepted)
	return err
}

// recordedHooks are the pre_stop hooks of the loom's services, as up recorded them. What cannot be read must not keep
// a loom up.
func recordedHooks(teller tell.Teller, t *Target, own []engine.Container) *types.Project {
	if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.State == "running" }) {
		return nil
	}
	var labels []map[string]string
	for _, c := range own {
		labels = append(labels, c.Labels)
	}
	project, err := stack.RecordedHooks(t.Known.Project, labels)
	if err != nil {
		teller.Sayf("pre_stop hooks of loom %s do not run: %v", t.ID, err)
	}
	return project
}
