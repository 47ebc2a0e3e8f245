package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// The labels of the mark: a container that is never started. As long as it exists, the volumes of its project are not
// complete. It is on the engine, and so outlives this process and the registry.
const (
	LabelCopy    = "ai.iloom.copy"         // the source's project
	labelVolumes = "ai.iloom.copy.volumes" // JSON: names of the volumes that are being written
	labelHalted  = "ai.iloom.copy.halted"  // JSON of haltedWriters
)

// createMark makes the mark, before anything that a killed process would leave half done.
func (r *running) createMark(ctx context.Context, suffix string, h haltedWriters) (string, error) {
	_, to := r.copy.names()
	names, err := json.Marshal(to)
	if err != nil {
		return "", err
	}
	halted, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	return r.Engine.CreateShelf(ctx, r.copy.Project+suffix, r.image, map[string]string{
		stack.LabelProject: r.copy.Project, stack.LabelOneOff: "True",
		engine.LabelLoom: r.copy.Loom, engine.LabelRepo: r.copy.Repository,
		LabelCopy: r.copy.SourceProject, labelVolumes: string(names), labelHalted: string(halted),
	}, nil)
}

// marks lists the marks of copies into the project and out of it. They are under way, or a killed process left them.
func (c *Copier) marks(ctx context.Context, project string) (into, outOf []engine.Container, err error) {
	all, err := c.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{LabelCopy: ""}})
	for _, mark := range all {
		if mark.Project == project {
			into = append(into, mark)
		} else if mark.Labels[LabelCopy] == project {
			outOf = append(outOf, mark)
		}
	}
	return into, outOf, err
}

// Recover removes what a killed process left of a copy into the project or out of it. The loom's lock must be held:
// then no copy is under way.
func (c *Copier) Recover(ctx context.Context, loom, project string) error {
	undone, err := c.undoAll(ctx, project)
	if undone && err == nil {
		c.Teller.Sayf("a copy of data into loom %s had not come to its end: its volumes were removed", loom)
	}
	return err
}

// undoAll undoes every incomplete copy into the project, and reports whether there was one. For copies out of the
// project it only lets the writers go on: the rest is for the next up of the other loom.
func (c *Copier) undoAll(ctx context.Context, project string) (bool, error) {
	into, outOf, err := c.marks(ctx, project)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, mark := range into {
		errs = append(errs, c.undo(ctx, mark))
	}
	for _, mark := range outOf {
		errs = append(errs, c.resumeFor(ctx, mark))
	}
	return len(into) > 0, errors.Join(errs...)
}

// undo lets the writers go on, and removes the volumes of an incomplete copy. The mark goes last.
func (c *Copier) undo(ctx context.Context, mark engine.Container) error {
	if err := c.resumeFor(ctx, mark); err != nil {
		return err
	}
	own, err := c.Engine.Containers(ctx, engine.Filter{Project: mark.Project})
	if err != nil {
		return err
	}
	var copying []string
	for _, o := range own {
		if o.ID != mark.ID && o.OneOff && o.ImageID == mark.ImageID {
			copying = append(copying, o.ID)
		}
	}
	if err := c.Engine.RemoveContainers(ctx, copying); err != nil {
		return err
	}
	var volumes []string
	if err := json.Unmarshal([]byte(mark.Labels[labelVolumes]), &volumes); err != nil {
		return fmt.Errorf("container %s: label %s: %w", mark.Name, labelVolumes, err)
	}
	if err := c.removeVolumes(ctx, volumes); err != nil {
		return err
	}
	if err := c.Engine.RemoveContainers(ctx, []string{mark.ID}); err != nil {
		return err
	}
	c.removeImage(ctx, mark.ImageID)
	return nil
}

// removeVolumes removes volumes, which the engine may still write to for a client that has gone.
func (c *Copier) removeVolumes(ctx context.Context, names []string) error {
	return untilFree(ctx, func() error { return c.Engine.RemoveVolumes(ctx, names) })
}

// removeImage removes the empty image, of which the engine may still make a container for a client that has gone.
func (c *Copier) removeImage(ctx context.Context, id string) {
	if err := untilFree(ctx, func() error { return c.Engine.RemoveImages(ctx, []string{id}) }); err != nil {
		c.Teller.Debugf("%v", err)
	}
}

// untilFree tries for 5 s to remove what the engine may still use.
func untilFree(ctx context.Context, remove func() error) error {
	every := backoff.WithMaxRetries(backoff.NewConstantBackOff(100*time.Millisecond), 50)
	return backoff.Retry(remove, backoff.WithContext(every, ctx))
}
