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

	"github.com/docker-loom/docker-loom/internal/belongings"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/tree"
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
	Loom string `json:"loom"`
	// Project is that of the folder, Projects are all that went down.
	Project  string        `json:"project"`
	Projects []ProjectName `json:"projects"`
	Volumes  []string      `json:"volumes"`
	Ports    []string      `json:"ports"`
	// Removed says what went, or with DryRun would go.
	Removed []string `json:"removed"`
	// Left says what is in the loom's project or folder and stays, with the reason.
	Left []string `json:"left"`
}

// ProjectName says which project of a loom is meant: the one of this folder.
type ProjectName = report.ProjectName

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

// Down takes one loom down, or the project of it that the target names. It needs neither the files nor the work tree:
// what the loom has is found by its labels.
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
		return nil, &UnknownError{Name: t.Name(), ID: t.ID}
	}
	e := &loomEnd{Looms: l, target: t, req: req}
	r, err := e.takeDown(ctx)
	if err != nil || req.DryRun {
		return r, err
	}
	if req.Volumes {
		l.Images().RemoveFeatures(ctx, survey.FeaturesImage(t.Repository))
	}
	return r, e.forget(ctx)
}

// downRun is down of one project, step by step.
type downRun struct {
	*Looms
	target *Target
	req    DownRequest
	// remains is what became of it. stays reports that containers stay, as DownRequest.Labelled wants it.
	remains *Remains
	stays   bool
	// inUse are the networks and volumes that stay because other containers use them.
	inUse []string
}

// takeDown is down of the project without the end of its promises. The loom's lock must be held.
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
	r.remains = e.remains
	if r.req.DryRun {
		files, unread := tree.Generated(r.target)
		r.listFiles(files, unread, e.remains)
		return e.remains, nil
	}
	if err := r.endBeside(ctx, e.Containers); err != nil {
		return nil, err
	}
	r.stays = e.Unlabelled
	if err := r.endProject(ctx, e); err != nil {
		return nil, err
	}
	r.endFiles(e.remains)
	return e.remains, r.endCompanions(ctx, e.Containers)
}

// end is what down of a loom removes and leaves.
type end struct {
	*belongings.Belongings
	remains *Remains
}

// planEnd looks at what the engine has of a loom, and decides what of it goes. It reads no file.
func (r *downRun) planEnd(ctx context.Context) (end, error) {
	t := r.target
	own, err := r.Containers(ctx, t.Known)
	if err != nil {
		return end{}, err
	}
	b, err := belongings.Find(ctx, r.Engine, belongings.Search{Target: t, LabelledOnly: r.req.Labelled}, own)
	if err != nil {
		return end{}, err
	}
	remains := &Remains{
		Loom: t.ID, Project: t.Known.Project, Ports: []string{}, Removed: []string{},
		Volumes: append([]string{}, b.Kept...), Left: append([]string{}, b.Left...),
	}
	for _, c := range b.Containers {
		remains.Removed = append(remains.Removed, "container "+c.Name)
	}
	for _, v := range b.Volumes {
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
		if err := r.applier().TakeImagesBack(ctx, e.Containers); err != nil {
			return err
		}
	}
	project, own := r.target.Known.Project, slices.DeleteFunc(slices.Clone(e.Containers), r.Companions.Own)
	if in := e.InStack(r.Companions.Own); len(in.Containers)+len(in.Networks) > 0 {
		inUse, err := r.Stack.Down(ctx, project, stack.DownOptions{
			Own: in, Project: recordedHooks(r.Teller, r.target, own), Timeout: r.req.Timeout,
		})
		if err != nil {
			return err
		}
		r.leaveInUse(e, "network", inUse)
	}
	if r.req.Volumes {
		if err := r.removeVolumes(ctx, e); err != nil {
			return err
		}
	}
	kept, err := e.RemoveImages(ctx, r.Engine, r.Stack)
	for _, image := range kept {
		e.remains.Left = append(e.remains.Left, "image "+image+", which a container uses")
	}
	return err
}

// removeVolumes removes the loom's named volumes, but for those that other containers use.
func (r *downRun) removeVolumes(ctx context.Context, e end) error {
	inUse := map[string][]string{}
	for _, v := range e.Volumes {
		err := r.Engine.RemoveVolumes(ctx, []string{v.Name})
		if used, ok := errors.AsType[*engine.VolumeInUseError](err); ok {
			inUse[v.Name] = used.By
		} else if err != nil {
			return err
		}
	}
	r.leaveInUse(e, "volume", inUse)
	return nil
}

// leaveInUse notes what stays because other containers use it.
func (r *downRun) leaveInUse(e end, kind string, inUse map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(inUse)) {
		gone := kind + " " + name
		e.remains.Removed = slices.DeleteFunc(e.remains.Removed, func(what string) bool { return what == gone })
		left := belongings.UsedBy(kind, name, inUse[name])
		e.remains.Left = append(e.remains.Left, left)
		r.inUse = append(r.inUse, left)
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
	if t := r.target; t.Known.Confined != nil && (len(t.Projects) < 2 || !t.Part && t.Known == t.Projects[0]) {
		// Made for the services' read-only view of it; one with settings in it stays. While another project of the loom is
		// up, its services and a sandbox have the view: without the folder they could make one.
		_ = os.Remove(filepath.Join(r.target.Known.WorkTree, survey.SettingsFolder))
	}
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
