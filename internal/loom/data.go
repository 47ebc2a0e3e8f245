package loom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// DataRequest asks for a loom's volumes to begin with the data of another loom.
type DataRequest struct {
	// From is the other loom's id; "" asks for nothing.
	From string
	// Live copies while the other's services write; Stop stops them meanwhile instead of pausing them, so that they write
	// first what they keep in memory.
	Live, Stop bool
}

// HasDataError says that a loom has volumes already, whose data a copy would replace.
type HasDataError struct {
	Loom, From string
	Volumes    []string
}

// Error names the volumes.
func (e *HasDataError) Error() string {
	return fmt.Sprintf("loom %s has data already, in %s", e.Loom, strings.Join(e.Volumes, ", "))
}

// NextStep says what the user does next.
func (e *HasDataError) NextStep() string {
	return fmt.Sprintf("docker loom down %s --volumes ends it with its data; docker loom up %s --data-from %s then begins anew",
		e.Loom, e.Loom, e.From)
}

// NoDataError says that a loom has nothing to copy.
type NoDataError struct{ From, Loom string }

// Error names both.
func (e *NoDataError) Error() string {
	return fmt.Sprintf("loom %s has no named volume that loom %s has too", e.From, e.Loom)
}

// NextStep says what the user does next.
func (*NoDataError) NextStep() string {
	return "leave --data-from out"
}

// SpaceError says that a copy does not fit on the engine's disk.
type SpaceError struct {
	Need, Free uint64
	Dir        string
}

// Error tells the sizes.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("the copy needs %s, and %s are free in %s", units.BytesSize(float64(e.Need)), units.BytesSize(float64(e.Free)), e.Dir)
}

// NextStep says what the user does next.
func (*SpaceError) NextStep() string {
	return "docker system prune, or docker loom prune"
}

// clone is the plan of a copy.
type clone struct {
	DataRequest
	source  *Target
	project string // the source's
	pairs   []pair
}

// pair is one volume and its copy.
type pair struct{ key, from, to string }

// The label of the container that marks a copy under way: the volumes of its project are not whole until it is gone. It is
// the engine's own note, so that it outlives this process and the registry.
const (
	labelCopy    = "ai.iloom.copy"         // the source's project
	labelVolumes = "ai.iloom.copy.volumes" // JSON: the volumes that are being filled
	labelHalted  = "ai.iloom.copy.halted"  // JSON of halted
)

// halted are the containers that must not write during a copy.
type halted struct {
	Paused  []string `json:"paused,omitempty"`
	Stopped []string `json:"stopped,omitempty"`
}

// dataSource finds the loom whose data is wanted, nil where none is.
func (l *Looms) dataSource(ctx context.Context, t *Target, req UpRequest) (*Target, error) {
	if req.Data.From == "" {
		return nil, nil
	}
	if req.FilesOnly {
		return nil, errors.New("files alone have no data: leave out --files-only or --data-from")
	}
	id, err := ParseID(req.Data.From)
	if err != nil {
		return nil, err
	}
	purpose := Reading
	if id == Main {
		// Plain docker compose may have made it, unknown to the registry.
		purpose = Making
	}
	source, err := l.Resolve(ctx, Where{ID: req.Data.From, Source: t.Source}, purpose)
	if err != nil {
		return nil, fmt.Errorf("--data-from: %w", err)
	}
	if source.ID == t.ID && source.Repository == t.Repository {
		return nil, fmt.Errorf("--data-from %s: it is the loom itself", req.Data.From)
	}
	return source, nil
}

// lock keeps other commands from the looms until release is called. Two looms are always locked in the same order, or two
// commands could wait for each other.
func (l *Looms) lock(ctx context.Context, targets ...*Target) (release func(), err error) {
	targets = slices.DeleteFunc(targets, func(t *Target) bool { return t == nil })
	slices.SortFunc(targets, func(a, b *Target) int {
		return strings.Compare(a.Repository+"\x00"+a.ID, b.Repository+"\x00"+b.ID)
	})
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
		}
	}
	for _, t := range targets {
		r, err := l.Registry.Lock(ctx, t.Repository, t.ID)
		if err != nil {
			release()
			return nil, err
		}
		releases = append(releases, r)
	}
	return release, nil
}

// planData decides which volumes are copied, and refuses what would replace data. Without a source it is nil.
func (l *Looms) planData(ctx context.Context, plan *Plan, source *Target, req UpRequest) (*clone, error) {
	if source == nil {
		return nil, nil
	}
	project, err := l.dataProject(ctx, source)
	if err != nil {
		return nil, err
	}
	theirs, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: project})
	if err != nil {
		return nil, err
	}
	all, err := l.Engine.Volumes(ctx, nil)
	if err != nil {
		return nil, err
	}
	c := &clone{DataRequest: req.Data, source: source, project: project}
	var notes []string
	c.pairs, notes = pairs(plan.Project.Volumes, theirs)
	if len(c.pairs) == 0 {
		return nil, &NoDataError{From: source.ID, Loom: plan.ID}
	}
	exists := &HasDataError{Loom: plan.ID, From: req.Data.From}
	for _, v := range all {
		if slices.ContainsFunc(c.pairs, func(p pair) bool { return p.to == v.Name }) {
			exists.Volumes = append(exists.Volumes, v.Name)
		}
	}
	if len(exists.Volumes) > 0 {
		return nil, exists
	}
	plan.Notes = append(plan.Notes, notes...)
	for _, p := range c.pairs {
		plan.Findings = append(plan.Findings, finding.Finding{
			Level: finding.Info, Subject: "volume " + p.key, Message: fmt.Sprintf("%s begins with the data of %s, of loom %s", p.to, p.from, source.ID),
		})
	}
	return c, nil
}

// dataProject is the Compose project of the loom whose data is wanted.
func (l *Looms) dataProject(ctx context.Context, source *Target) (string, error) {
	if source.ID == Main {
		plan, err := l.Plan(ctx, source, Options{DryRun: true})
		if err != nil {
			return "", fmt.Errorf("loom %s: %w", source.ID, err)
		}
		return plan.Entry.Project, nil
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return "", err
	}
	if source.Known.Space != "" && source.Known.Space != space {
		return "", &ElsewhereError{Name: source.Name(), Space: source.Known.Space}
	}
	return source.Known.Project, nil
}

// pairs matches the volumes of a project with those of another copy of it, by their keys in the files. What both share is
// no copy. notes tell what is left out.
func pairs(own types.Volumes, theirs []engine.Volume) (list []pair, notes []string) {
	for _, key := range slices.Sorted(maps.Keys(own)) {
		v := own[key]
		i := slices.IndexFunc(theirs, func(t engine.Volume) bool { return t.Labels[stack.LabelVolume] == key })
		switch {
		case bool(v.External) || i >= 0 && theirs[i].Name == v.Name:
			notes = append(notes, fmt.Sprintf("volume %s is shared by both looms and not copied", v.Name))
		case v.DriverOpts["type"] == "tmpfs":
			notes = append(notes, fmt.Sprintf("volume %s is in memory and keeps nothing to copy", v.Name))
		case i < 0:
			notes = append(notes, fmt.Sprintf("volume %s begins empty: the other loom has none", v.Name))
		default:
			list = append(list, pair{key: key, from: theirs[i].Name, to: v.Name})
		}
	}
	return list, notes
}

// fill makes the volumes of the plan with the data of the other loom, or leaves none of them.
func (l *Looms) fill(ctx context.Context, plan *Plan, c *clone) error {
	if c == nil {
		return nil
	}
	if err := l.copyData(ctx, plan, c); err != nil {
		return fmt.Errorf("data of loom %s: %w", c.source.ID, err)
	}
	return nil
}

func (l *Looms) copyData(ctx context.Context, plan *Plan, c *clone) (err error) {
	sizes, err := l.roomFor(ctx, plan, c)
	if err != nil {
		return err
	}
	var from, to []string
	for _, p := range c.pairs {
		from, to = append(from, p.from), append(to, p.to)
	}
	var writers []engine.Container
	if !c.Live {
		if writers, err = l.Engine.Writers(ctx, from); err != nil {
			return err
		}
	}
	image, err := l.Engine.ImportEmpty(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := l.Engine.RemoveImages(context.WithoutCancel(ctx), []string{image}); err != nil {
			l.Teller.Debugf("%v", err)
		}
	}()
	// Whatever comes: the other loom goes on, and what is not whole is gone. What cannot be done now, the mark tells the next
	// up of.
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_, undone := l.undoCopies(after, plan.Entry.Project)
		err = errors.Join(err, undone)
	}()
	return l.Stack.Progress(ctx, "Copying data", func(ctx context.Context, step stack.Step) error {
		mark, err := l.halt(ctx, plan, c, image, to, writers, step)
		if err != nil {
			return err
		}
		var reading, writing []engine.Mount
		for i, p := range c.pairs {
			if err := l.Stack.CreateVolume(ctx, plan.Project, p.key); err != nil {
				return fmt.Errorf("volume %s: %w", p.to, err)
			}
			name := fmt.Sprintf("v%d", i)
			reading = append(reading, engine.Mount{Volume: p.from, Target: "/from/" + name, ReadOnly: true})
			writing = append(writing, engine.Mount{Volume: p.to, Target: "/into/" + name})
		}
		labels := map[string]string{stack.LabelProject: plan.Entry.Project, stack.LabelOneOff: "True"}
		from, err := l.Engine.CreateShelf(ctx, plan.Entry.Project+"-data-copy-from", image, labels, reading)
		if err != nil {
			return err
		}
		into, err := l.Engine.CreateShelf(ctx, plan.Entry.Project+"-data-copy-into", image, labels, writing)
		if err != nil {
			return err
		}
		for i, p := range c.pairs {
			if err := l.copyVolume(ctx, from, into, fmt.Sprintf("v%d", i), p, sizes[p.from], step); err != nil {
				return err
			}
		}
		if err := l.resume(ctx, plan.Entry.Project); err != nil {
			return err
		}
		for _, w := range writers {
			step("Container "+w.Name, "Running", stack.Done)
		}
		if err := l.Engine.RemoveContainers(ctx, []string{from, into}, true); err != nil {
			return err
		}
		// With the mark gone the volumes are the loom's: this is the moment at which the copy is done.
		return l.Engine.RemoveContainers(ctx, []string{mark}, true)
	})
}

// roomFor gives the sizes of the volumes that are copied, and refuses what does not fit.
func (l *Looms) roomFor(ctx context.Context, plan *Plan, c *clone) (map[string]int64, error) {
	sizes, err := l.Engine.VolumeSizes(ctx)
	if err != nil {
		// Sizes are for progress and for an early no.
		l.Teller.Debugf("%v", err)
		return nil, nil
	}
	var need uint64
	for _, p := range c.pairs {
		if v := plan.Project.Volumes[p.key]; (v.Driver == "" || v.Driver == "local") && len(v.DriverOpts) == 0 {
			need += uint64(max(sizes[p.from], 0))
		}
	}
	info, err := l.Engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.Free > 0 && need > info.Free {
		return nil, &SpaceError{Need: need, Free: info.Free, Dir: info.RootDir}
	}
	return sizes, nil
}

// mark puts the note on the engine that a copy is under way, before anything that a killed process would leave half done.
func (l *Looms) mark(ctx context.Context, plan *Plan, c *clone, name, image string, volumes []string, h halted) (string, error) {
	names, err := json.Marshal(volumes)
	if err != nil {
		return "", err
	}
	held, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	return l.Engine.CreateShelf(ctx, name, image, map[string]string{
		stack.LabelProject: plan.Entry.Project, stack.LabelOneOff: "True",
		engine.LabelLoom: plan.ID, engine.LabelRepo: plan.Repository,
		labelCopy: c.project, labelVolumes: string(names), labelHalted: string(held),
	}, nil)
}

// halt marks the copy and keeps the containers from writing: paused, or where that cannot be, stopped.
func (l *Looms) halt(ctx context.Context, plan *Plan, c *clone, image string, volumes []string, writers []engine.Container, step stack.Step) (mark string, err error) {
	var h halted
	for _, w := range writers {
		h.Paused = append(h.Paused, w.ID)
	}
	name := plan.Entry.Project + "-data-copy"
	if !c.Stop {
		if mark, err = l.mark(ctx, plan, c, name, image, volumes, h); err != nil {
			return "", err
		}
		if err = l.pause(ctx, writers, step); err == nil || ctx.Err() != nil {
			return mark, err
		}
		l.Teller.Debugf("%v", err)
		if err := l.resume(ctx, plan.Entry.Project); err != nil {
			return "", err
		}
	}
	stopping, err := l.mark(ctx, plan, c, name+"-stop", image, volumes, halted{Stopped: h.Paused})
	if err != nil {
		return "", err
	}
	if mark != "" {
		if err := l.Engine.RemoveContainers(ctx, []string{mark}, true); err != nil {
			return "", err
		}
	}
	for _, w := range writers {
		step("Container "+w.Name, "Stopping", stack.Working)
		if err := l.Engine.StopContainer(ctx, w.ID); err != nil {
			return "", fmt.Errorf("container %s: %w", w.Name, err)
		}
		step("Container "+w.Name, "Stopped", stack.Working)
	}
	return stopping, nil
}

func (l *Looms) pause(ctx context.Context, writers []engine.Container, step stack.Step) error {
	for _, w := range writers {
		if err := l.Engine.Pause(ctx, w.ID); err != nil {
			return fmt.Errorf("pause container %s: %w", w.Name, err)
		}
		step("Container "+w.Name, "Paused", stack.Working)
	}
	return nil
}

func (l *Looms) copyVolume(ctx context.Context, from, into, name string, p pair, size int64, step stack.Step) error {
	id := "Volume " + p.to
	tell := func(n int64) string {
		s := units.HumanSize(float64(n))
		if size > 0 {
			s += " of " + units.HumanSize(float64(size))
		}
		return "Copying " + s
	}
	step(id, tell(0), stack.Working)
	var told time.Time
	var copied int64
	err := l.Engine.CopyTree(ctx, from, "/from/"+name, into, "/into", func(n int64) {
		copied = n
		if now := time.Now(); now.Sub(told) > time.Second {
			if !told.IsZero() {
				step(id, tell(n), stack.Working)
			}
			told = now
		}
	})
	if err != nil {
		step(id, "Error", stack.Failed)
		return fmt.Errorf("volume %s: %w", p.from, err)
	}
	step(id, "Copied "+units.HumanSize(float64(copied))+" from "+p.from, stack.Done)
	return nil
}

// marks are the copies under way, or left by a process that was killed, that fill a project's volumes or read them.
func (l *Looms) marks(ctx context.Context, project string) (filling, reading []engine.Container, err error) {
	all, err := l.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{labelCopy: ""}})
	for _, c := range all {
		if c.Project == project {
			filling = append(filling, c)
		} else if c.Labels[labelCopy] == project {
			reading = append(reading, c)
		}
	}
	return filling, reading, err
}

// undoCopies removes what a copy into the project left that did not come to its end, and lets the containers go on that it
// halted. It reports whether there was one. The loom's lock must be held: then no copy is under way.
func (l *Looms) undoCopies(ctx context.Context, project string) (bool, error) {
	filling, reading, err := l.marks(ctx, project)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, mark := range filling {
		errs = append(errs, l.undo(ctx, mark))
	}
	for _, mark := range reading {
		// The other loom's own up removes the rest.
		errs = append(errs, l.release(ctx, mark))
	}
	return len(filling) > 0, errors.Join(errs...)
}

// recoverData is undoCopies for what a killed process left. It tells of it.
func (l *Looms) recoverData(ctx context.Context, id, project string) error {
	undone, err := l.undoCopies(ctx, project)
	if undone && err == nil {
		l.Teller.Sayf("a copy of data into loom %s had not come to its end: its volumes were removed", id)
	}
	return err
}

func (l *Looms) undo(ctx context.Context, mark engine.Container) error {
	if err := l.release(ctx, mark); err != nil {
		return err
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: mark.Project})
	if err != nil {
		return err
	}
	var shelves []string
	for _, c := range own {
		if c.ID != mark.ID && c.OneOff && c.ImageID == mark.ImageID {
			shelves = append(shelves, c.ID)
		}
	}
	if err := l.Engine.RemoveContainers(ctx, shelves, true); err != nil {
		return err
	}
	var volumes []string
	if err := json.Unmarshal([]byte(mark.Labels[labelVolumes]), &volumes); err != nil {
		return fmt.Errorf("container %s: label %s: %w", mark.Name, labelVolumes, err)
	}
	if err := l.removeVolumes(ctx, volumes); err != nil {
		return err
	}
	if err := l.Engine.RemoveContainers(ctx, []string{mark.ID}, true); err != nil {
		return err
	}
	if err := l.Engine.RemoveImages(ctx, []string{mark.ImageID}); err != nil {
		l.Teller.Debugf("%v", err)
	}
	return nil
}

// removeVolumes removes volumes that the engine may still be writing to for a client that has gone.
func (l *Looms) removeVolumes(ctx context.Context, names []string) error {
	for tries := 0; ; tries++ {
		err := l.Engine.RemoveVolumes(ctx, names)
		if err == nil || tries == 50 {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// resume lets the containers go on that the copy into the project halted.
func (l *Looms) resume(ctx context.Context, project string) error {
	filling, _, err := l.marks(ctx, project)
	for _, mark := range filling {
		err = errors.Join(err, l.release(ctx, mark))
	}
	return err
}

func (l *Looms) release(ctx context.Context, mark engine.Container) error {
	var h halted
	if err := json.Unmarshal([]byte(mark.Labels[labelHalted]), &h); err != nil {
		return fmt.Errorf("container %s: label %s: %w", mark.Name, labelHalted, err)
	}
	var errs []error
	for _, id := range h.Paused {
		errs = append(errs, l.Engine.Unpause(ctx, id))
	}
	for _, id := range h.Stopped {
		errs = append(errs, l.Engine.StartContainer(ctx, id))
	}
	return errors.Join(errs...)
}

// probedAgain waits until the healthchecks of containers that were paused have run again, at most for a time: until then
// the engine calls them unhealthy, and what depends on them would not start.
func (l *Looms) probedAgain(ctx context.Context, project string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		own, err := l.Engine.Containers(ctx, engine.Filter{Project: project})
		if err != nil {
			return err
		}
		waiting := false
		for _, c := range own {
			if c.Health != "unhealthy" || waiting {
				continue
			}
			if waiting, err = l.Engine.HealthInterrupted(ctx, c.ID); err != nil {
				return err
			}
		}
		if !waiting || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
