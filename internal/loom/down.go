package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
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
		return nil, &UnknownError{t.Name()}
	}
	r, err := l.takeDown(ctx, t, req)
	if err != nil || req.DryRun {
		return r, err
	}
	if req.Volumes {
		l.removeFeatures(ctx, t.Repository)
	}
	return r, l.forget(ctx, t, req.Volumes)
}

// takeDown is down without the end of the promises. The loom's lock must be held.
func (l *Looms) takeDown(ctx context.Context, t *Target, req DownRequest) (*Remains, error) {
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	if t.Known.Space != "" && t.Known.Space != space {
		return nil, &ElsewhereError{Name: t.Name(), Space: t.Known.Space}
	}
	if !req.DryRun {
		if err := l.copier().Recover(ctx, t.ID, t.Known.Project); err != nil {
			return nil, err
		}
	}
	e, err := l.planEnd(ctx, t, req)
	if err != nil || req.DryRun {
		return e.remains, err
	}
	if err := l.endBeside(ctx, t, e.own, req); err != nil {
		return nil, err
	}
	if t.ID == Main && host.IsDir(t.WorkTree) {
		return e.remains, l.downMain(ctx, t, e, req)
	}
	return e.remains, l.endProject(ctx, t, e, req)
}

// end is what down of a loom removes and leaves.
type end struct {
	own     []engine.Container
	volumes []string // that go
	files   []overrides.File
	remains *Remains
}

// planEnd looks at what a loom has, and decides what of it goes.
func (l *Looms) planEnd(ctx context.Context, t *Target, req DownRequest) (end, error) {
	r := &Remains{Loom: t.ID, Project: t.Known.Project, Volumes: []string{}, Ports: []string{}, Removed: []string{}}
	e := end{remains: r}
	var err error
	if e.own, err = l.Containers(ctx, t.Known); err != nil {
		return end{}, err
	}
	volumes, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: t.Known.Project})
	if err != nil {
		return end{}, err
	}
	for _, c := range e.own {
		r.Removed = append(r.Removed, "container "+c.Name)
	}
	for _, v := range volumes {
		// A volume that the settings share has none of our labels, whichever loom made it.
		if req.Volumes && (v.Labels[engine.LabelLoom] == t.ID || t.ID == Main) {
			e.volumes = append(e.volumes, v.Name)
			r.Removed = append(r.Removed, "volume "+v.Name)
		} else {
			r.Volumes = append(r.Volumes, v.Name)
		}
	}
	e.files = l.generated(t)
	for _, f := range e.files {
		r.Removed = append(r.Removed, "file "+f.Path)
	}
	if !req.Volumes && t.ID != Main {
		for _, lease := range t.Known.Ports {
			r.Ports = append(r.Ports, lease.String())
		}
	}
	return e, nil
}

// endBeside removes what is beside the loom's project: an adopted container, and what companions have.
func (l *Looms) endBeside(ctx context.Context, t *Target, own []engine.Container, req DownRequest) error {
	remove := func(c engine.Container) error { return l.Engine.RemoveContainers(ctx, []string{c.ID}) }
	if err := outside(own, t.Known, remove); err != nil {
		return err
	}
	return l.tellCompanions(func(c Companion) error {
		if err := c.End(ctx, t, own); err != nil || !req.Volumes {
			return err
		}
		return c.Forget(ctx, t)
	})
}

// endProject removes the loom's Compose project and its files.
func (l *Looms) endProject(ctx context.Context, t *Target, e end, req DownRequest) error {
	if err := l.applier().TakeImagesBack(ctx, e.own); err != nil {
		return err
	}
	project, own := t.Known.Project, slices.DeleteFunc(e.own, l.isCompanion)
	there, err := l.anything(ctx, project, own)
	if err != nil {
		return err
	}
	if there {
		o := stack.DownOptions{Project: l.hooks(t, own), Timeout: req.Timeout}
		if err := l.Stack.Down(ctx, project, o); err != nil {
			return err
		}
	}
	if err := l.Engine.RemoveVolumes(ctx, e.volumes); err != nil {
		return err
	}
	if _, err := overrides.Write(e.files); err != nil {
		return err
	}
	if t.Known.Confined != nil {
		// Made for the services' read-only view of it; one with settings in it stays.
		_ = os.Remove(filepath.Join(t.WorkTree, survey.SettingsFolder))
	}
	return nil
}

// anything tells whether the project has something that Compose's down would remove; it warns where there is nothing.
func (l *Looms) anything(ctx context.Context, project string, own []engine.Container) (bool, error) {
	if len(own) > 0 {
		return true, nil
	}
	byProject := map[string]string{stack.LabelProject: project}
	networks, err := l.Engine.Networks(ctx, byProject)
	if err != nil || len(networks) > 0 {
		return true, err
	}
	images, err := l.Engine.Images(ctx, "", byProject)
	return len(images) > 0, err
}

// downMain is docker compose down: main has nothing of its own, and another folder may use its project name too. The
// files are loaded only if the labels of its containers do not say enough.
func (l *Looms) downMain(ctx context.Context, t *Target, e end, req DownRequest) error {
	own := slices.DeleteFunc(slices.Clone(e.own), l.isCompanion)
	if !req.Volumes && len(t.Source.Files) == 0 && isMadeForMain(t, own) {
		return l.downMadeForMain(ctx, t, own, req)
	}
	project, err := l.loadOnly(ctx, t)
	if err != nil {
		return err
	}
	o := stack.DownOptions{Volumes: req.Volumes, Timeout: req.Timeout}
	if err := l.Stack.DownFromFiles(ctx, project, o); err != nil {
		return err
	}
	if s, ok := project.Services[devcontainer.Service]; ok && s.Build != nil && s.Image == "" {
		l.removeBuilt(ctx, stack.Image(s, project.Name))
	}
	_, err = overrides.Write(l.generated(t))
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
func (l *Looms) forget(ctx context.Context, t *Target, volumes bool) error {
	ends := volumes || t.ID == Main
	if ends {
		if err := unexclude(ctx, t); err != nil {
			// A repository that git cannot read must not keep its leases for ever.
			l.Teller.Sayf("lines of loom %s stay in info/exclude of %s: %v", t.ID, t.Repository, tell.FirstLine(err))
		}
	}
	if ends {
		l.unattend(t)
	}
	if ends && t.Known.Sandboxed && host.IsDir(t.Known.WorkTree) {
		if err := l.Registry.KeepWritten(t.Known); err != nil {
			return err
		}
	}
	return l.Registry.Update(ctx, func(state *registry.State) error {
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

// generated lists the files of the loom in its folder as they shall be without it. Only what says that it is this
// loom's is touched, whatever the registry says.
func (l *Looms) generated(t *Target) []overrides.File {
	dir := t.Known.Dir
	if dir == "" || !host.IsDir(dir) {
		return nil
	}
	var files []overrides.File
	for _, name := range []string{overrides.OverrideFile, overrides.NamedFile} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if overrides.GeneratedFor(path) == t.Name() {
			files = append(files, overrides.File{Path: path})
		}
	}
	// The block is in the project directory, or above it where a COMPOSE_FILE there names the files.
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, overrides.EnvFile)
		env, err := os.ReadFile(path)
		if id, _, ok := overrides.Block(env); err == nil && ok && id == t.ID {
			rest := overrides.Cut(env)
			if len(rest) == 0 && overrides.MadeFile(env) {
				rest = nil
			}
			files = append(files, overrides.File{Path: path, Content: rest})
		}
		if dir == t.Known.WorkTree || dir == filepath.Dir(dir) || !strings.HasPrefix(dir, t.Known.WorkTree) {
			return files
		}
	}
}

// hooks are the pre_stop hooks of the loom's services, as up recorded them. What cannot be read must not keep a loom
// up.
func (l *Looms) hooks(t *Target, own []engine.Container) *types.Project {
	if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.State == "running" }) {
		return nil
	}
	var labels []map[string]string
	for _, c := range own {
		labels = append(labels, c.Labels)
	}
	project, err := stack.RecordedHooks(t.Known.Project, labels)
	if err != nil {
		l.Teller.Sayf("pre_stop hooks of loom %s do not run: %v", t.ID, err)
	}
	return project
}

// Everywhere lists all looms of all repositories on this engine.
func (l *Looms) Everywhere(ctx context.Context, src stack.Source) ([]*Target, error) {
	state, err := l.promises(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	var targets []*Target
	for _, k := range state.Looms {
		if k.Space != space {
			continue
		}
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: k.Clone(), Source: src}
		if err := l.moveTo(ctx, t, k.WorkTree); err != nil {
			l.Teller.Debugf("%s: %v", t.Name(), err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}
