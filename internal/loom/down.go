package loom

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// Labelled removes only what bears docker loom's labels: not what other tools made that the loom has taken over.
	Labelled bool
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
	// Left says what is in the loom's project or folder and stays, with the reason.
	Left []string `json:"left"`
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
	// stays reports that containers of the loom stay, as DownRequest.Labelled wants it.
	stays bool
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
	if err != nil {
		return nil, err
	}
	if r.req.DryRun {
		files, unread := tree.Generated(r.target)
		r.listFiles(files, unread, e.remains)
		return e.remains, nil
	}
	if err := r.endBeside(ctx, e.containers); err != nil {
		return nil, err
	}
	r.stays = e.unlabelled
	if err := r.endProject(ctx, e); err != nil {
		return nil, err
	}
	r.endFiles(e.remains)
	return e.remains, r.endCompanions(ctx, e.containers)
}

// end is what down of a loom removes and leaves.
type end struct {
	*belongings
	remains *Remains
}

// planEnd looks at what the engine has of a loom, and decides what of it goes. It reads no file.
func (r *downRun) planEnd(ctx context.Context) (end, error) {
	t := r.target
	b, err := r.belongings(ctx, t, r.req.Labelled)
	if err != nil {
		return end{}, err
	}
	remains := &Remains{
		Loom: t.ID, Project: t.Known.Project, Ports: []string{}, Removed: []string{},
		Volumes: append([]string{}, b.kept...), Left: append([]string{}, b.left...),
	}
	for _, c := range b.containers {
		remains.Removed = append(remains.Removed, "container "+c.Name)
	}
	for _, v := range b.volumes {
		if r.req.Volumes {
			remains.Removed = append(remains.Removed, "volume "+v.Name)
		} else {
			remains.Volumes = append(remains.Volumes, v.Name)
		}
	}
	slices.Sort(remains.Volumes)
	if !r.req.Volumes && t.ID != Main {
		for _, lease := range t.Known.Ports {
			remains.Ports = append(remains.Ports, lease.String())
		}
	}
	return end{b, remains}, nil
}

// listFiles says which generated files go, and which files may be such and cannot be read.
func (r *downRun) listFiles(files []overrides.File, unread []error, remains *Remains) {
	for _, f := range files {
		remains.Removed = append(remains.Removed, "file "+f.Path)
	}
	for _, err := range unread {
		remains.Left = append(remains.Left, "file "+err.Error())
	}
}

// endBeside removes the containers beside the loom's services: an adopted one, and those of companions.
func (r *downRun) endBeside(ctx context.Context, own []engine.Container) error {
	remove := func(c engine.Container) error { return r.Engine.RemoveContainers(ctx, []string{c.ID}) }
	if err := outside(own, r.target.Known, remove); err != nil {
		return err
	}
	return r.Companions.tell(func(c Companion) error { return c.End(ctx, r.target, own) })
}

// endCompanions removes what companions have in the loom's folders and, if the loom ends, what is left of them.
func (r *downRun) endCompanions(ctx context.Context, own []engine.Container) error {
	return r.Companions.tell(func(c Companion) error {
		c.Ended(r.target, own)
		if !r.req.Volumes {
			return nil
		}
		return c.Forget(ctx, r.target)
	})
}

// endProject removes the loom's Compose project.
func (r *downRun) endProject(ctx context.Context, e end) error {
	if r.target.ID != Main {
		if err := r.applier().TakeImagesBack(ctx, e.containers); err != nil {
			return err
		}
	}
	project, own := r.target.Known.Project, slices.DeleteFunc(slices.Clone(e.containers), r.Companions.Own)
	there, err := r.hasProject(ctx, e)
	if err != nil {
		return err
	}
	if there {
		inUse, err := r.Stack.Down(ctx, project, stack.DownOptions{
			Own: e.inStack(r.Companions.Own), Project: recordedHooks(r.Teller, r.target, own),
			KeepImages: r.target.ID == Main, Timeout: r.req.Timeout,
		})
		if err != nil {
			return err
		}
		e.leaveInUse("network", inUse)
	}
	if r.req.Volumes {
		if err := r.removeVolumes(ctx, e); err != nil {
			return err
		}
	}
	if r.target.ID == Main {
		r.removeBuilt(ctx, own)
	}
	return nil
}

// removeVolumes removes the loom's named volumes, but for those that other containers use.
func (r *downRun) removeVolumes(ctx context.Context, e end) error {
	inUse := map[string][]string{}
	for _, v := range e.volumes {
		err := r.Engine.RemoveVolumes(ctx, []string{v.Name})
		if used, ok := errors.AsType[*engine.VolumeInUseError](err); ok {
			inUse[v.Name] = used.By
		} else if err != nil {
			return err
		}
	}
	e.leaveInUse("volume", inUse)
	return nil
}

// leaveInUse notes what stays because other containers use it.
func (e end) leaveInUse(kind string, inUse map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(inUse)) {
		gone := kind + " " + name
		e.remains.Removed = slices.DeleteFunc(e.remains.Removed, func(what string) bool { return what == gone })
		e.remains.Left = append(e.remains.Left, usedBy(kind, name, inUse[name]))
	}
}

// endFiles removes the loom's files. It comes after the containers, and a file that cannot be read or written stays:
// whoever writes the work tree must not keep a loom up.
func (r *downRun) endFiles(remains *Remains) {
	files, unread := tree.Generated(r.target)
	for _, f := range files {
		if _, err := overrides.Write([]overrides.File{f}); err != nil {
			unread = append(unread, err)
			continue
		}
		remains.Removed = append(remains.Removed, "file "+f.Path)
	}
	r.listFiles(nil, unread, remains)
	if r.target.Known.Confined != nil {
		// Made for the services' read-only view of it; one with settings in it stays.
		_ = os.Remove(filepath.Join(r.target.Known.WorkTree, survey.SettingsFolder))
	}
}

// hasProject reports whether there is something that Compose's down would remove. It warns if there is nothing.
func (r *downRun) hasProject(ctx context.Context, e end) (bool, error) {
	own := e.inStack(r.Companions.Own)
	if len(own.Containers)+len(own.Networks) > 0 {
		return true, nil
	}
	project := r.target.Known.Project
	images, err := r.Engine.Images(ctx, "", map[string]string{stack.LabelProject: project})
	return slices.ContainsFunc(images, func(i engine.Image) bool {
		return len(own.Tags(project, i.Labels, i.Tags)) > 0
	}), err
}

// removeBuilt removes the image of main's dev container. No compose file names it, so that docker compose down would
// never find it.
func (r *downRun) removeBuilt(ctx context.Context, own []engine.Container) {
	image := r.target.Known.Project + "-" + devcontainer.Service
	if !slices.ContainsFunc(own, func(c engine.Container) bool {
		return c.Service == devcontainer.Service && c.Image == image
	}) {
		return
	}
	if err := r.Engine.RemoveImages(ctx, []string{image, image + "-base"}); err != nil {
		r.Teller.Debugf("%v", err)
	}
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
	ends := (r.req.Volumes || t.ID == Main) && !r.stays
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
