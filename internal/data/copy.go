package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Copier carries copies out.
//
// The engine itself copies, out of one container that is never started into another. A helper container with our own
// binary would not pass the data through this machine, but we have that binary only if the engine runs on this
// platform.
type Copier struct {
	Engine *engine.Engine
	Stack  *stack.Stack
	Teller tell.Teller
}

// cleanupTimeout bounds what is undone after a copy that failed or was interrupted.
const cleanupTimeout = time.Minute

// Run makes the volumes of the project with the data of the source, or leaves none of them. The locks of both looms
// must be held.
func (c *Copier) Run(ctx context.Context, project *types.Project, cp *Copy) error {
	err := c.copyWithRecovery(ctx, project, cp)
	if err != nil {
		return fmt.Errorf("data of loom %s: %w", cp.Source, err)
	}
	return nil
}

func (c *Copier) copyWithRecovery(ctx context.Context, project *types.Project, cp *Copy) (err error) {
	r := &running{Copier: c, copy: cp, project: project}
	if r.sizes, err = c.checkSpace(ctx, project, cp); err != nil {
		return err
	}
	if !cp.Live {
		from, _ := cp.names()
		if r.writers, err = c.Engine.Writers(ctx, from); err != nil {
			return err
		}
	}
	if r.image, err = c.Engine.ImportEmpty(ctx); err != nil {
		return err
	}
	defer func() { c.removeImage(context.WithoutCancel(ctx), r.image) }()
	// Whatever happens, the source must go on and incomplete volumes must go. If that fails now, the mark tells the next
	// up.
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_, undoErr := c.undoAll(after, cp.Project)
		err = errors.Join(err, undoErr)
	}()
	return c.Stack.Progress(ctx, stack.Phase{Title: "Copying data"}, func(ctx context.Context, step stack.Step) error {
		r.step = step
		return r.copyAll(ctx)
	})
}

// checkSpace returns the sizes of the source's volumes. It refuses a copy that does not fit.
func (c *Copier) checkSpace(ctx context.Context, project *types.Project, cp *Copy) (map[string]int64, error) {
	sizes, err := c.Engine.VolumeSizes(ctx)
	if err != nil {
		// Without sizes there is only less progress to show, and a full disk is noticed later.
		c.Teller.Debugf("%v", err)
		return nil, nil
	}
	var need uint64
	for _, p := range cp.Pairs {
		v := project.Volumes[p.Key]
		if isLocal := v.Driver == "" || v.Driver == "local"; isLocal && len(v.DriverOpts) == 0 {
			need += uint64(max(sizes[p.From], 0))
		}
	}
	info, err := c.Engine.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	if free := c.Engine.Machine().FreeSpace(info.RootDir); free > 0 && need > free {
		return nil, &SpaceError{Need: need, Free: free, Dir: info.RootDir}
	}
	return sizes, nil
}

// running is a copy under way.
type running struct {
	*Copier
	copy    *Copy
	project *types.Project
	// sizes are those of the source's volumes, as far as they are known.
	sizes map[string]int64
	// writers are the running containers that can write to the source's volumes.
	writers []engine.Container
	// image is the empty image that the mark and the containers to copy with are made of.
	image string
	step  stack.Step
}

// copyAll pauses or stops the writers, copies the volumes, and lets the writers go on.
func (r *running) copyAll(ctx context.Context) error {
	mark, err := r.haltWriters(ctx)
	if err != nil {
		return err
	}
	from, to, err := r.createContainers(ctx)
	if err != nil {
		return err
	}
	for i, p := range r.copy.Pairs {
		if err := r.copyVolume(ctx, from, to, mountName(i), p); err != nil {
			return err
		}
	}
	if err := r.resumeWriters(ctx, r.copy.Project); err != nil {
		return err
	}
	for _, w := range r.writers {
		r.step("Container "+w.Name, "Running", stack.Done)
	}
	if err := r.Engine.RemoveContainers(ctx, []string{from, to}); err != nil {
		return err
	}
	// Without the mark the volumes are the loom's. This is the moment at which the copy is done.
	return r.Engine.RemoveContainers(ctx, []string{mark})
}

// Where the two containers have the volumes mounted.
const (
	fromDir = "/from/"
	toDir   = "/into/"
)

func mountName(i int) string { return fmt.Sprintf("v%d", i) }

// createContainers makes the new volumes and the two containers that the engine copies from and to. They are never
// started.
func (r *running) createContainers(ctx context.Context) (from, to string, err error) {
	var reading, writing []engine.Mount
	for i, p := range r.copy.Pairs {
		if err := r.Stack.CreateVolume(ctx, r.project, p.Key); err != nil {
			return "", "", fmt.Errorf("volume %s: %w", p.To, err)
		}
		reading = append(reading, engine.Mount{Volume: p.From, Target: fromDir + mountName(i), ReadOnly: true})
		writing = append(writing, engine.Mount{Volume: p.To, Target: toDir + mountName(i)})
	}
	labels := map[string]string{stack.LabelProject: r.copy.Project, stack.LabelOneOff: "True"}
	if from, err = r.Engine.CreateShelf(ctx, r.copy.Project+"-data-copy-from", r.image, labels, reading); err != nil {
		return "", "", err
	}
	to, err = r.Engine.CreateShelf(ctx, r.copy.Project+"-data-copy-into", r.image, labels, writing)
	return from, to, err
}

// copyVolume copies one volume, and shows how far it is once a second.
func (r *running) copyVolume(ctx context.Context, from, to, name string, p Pair) error {
	id := "Volume " + p.To
	text := func(n int64) string {
		s := units.HumanSize(float64(n))
		if size := r.sizes[p.From]; size > 0 {
			s += " of " + units.HumanSize(float64(size))
		}
		return "Copying " + s
	}
	r.step(id, text(0), stack.Working)
	var shownAt time.Time
	var copied int64
	source, target := engine.Folder{Container: from, Path: fromDir + name}, engine.Folder{Container: to, Path: toDir}
	err := r.Engine.CopyTree(ctx, source, target, func(n int64) {
		copied = n
		if now := time.Now(); now.Sub(shownAt) > time.Second {
			if !shownAt.IsZero() {
				r.step(id, text(n), stack.Working)
			}
			shownAt = now
		}
	})
	if err != nil {
		r.step(id, "Error", stack.Failed)
		return fmt.Errorf("volume %s: %w", p.From, err)
	}
	r.step(id, "Copied "+units.HumanSize(float64(copied))+" from "+p.From, stack.Done)
	return nil
}
