package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// haltedWriters are the IDs of the containers that a copy keeps from writing.
type haltedWriters struct {
	Paused  []string `json:"paused,omitempty"`
	Stopped []string `json:"stopped,omitempty"`
}

// haltWriters marks the copy, and then pauses the writers. If one of them cannot be paused, it stops them.
func (r *running) haltWriters(ctx context.Context) (mark string, err error) {
	var ids []string
	for _, w := range r.writers {
		ids = append(ids, w.ID)
	}
	if !r.copy.Stop {
		if mark, err = r.createMark(ctx, "-data-copy", haltedWriters{Paused: ids}); err != nil {
			return "", err
		}
		if err = r.pauseWriters(ctx); err == nil || ctx.Err() != nil {
			return mark, err
		}
		r.Teller.Debugf("%v", err)
		if err := r.resumeWriters(ctx, r.copy.Project); err != nil {
			return "", err
		}
	}
	stopMark, err := r.createMark(ctx, "-data-copy-stop", haltedWriters{Stopped: ids})
	if err != nil {
		return "", err
	}
	if mark != "" {
		if err := r.Engine.RemoveContainers(ctx, []string{mark}); err != nil {
			return "", err
		}
	}
	for _, w := range r.writers {
		r.step("Container "+w.Name, "Stopping", stack.Working)
		if err := r.Engine.Stop(ctx, w.ID, 0); err != nil {
			return "", fmt.Errorf("container %s: %w", w.Name, err)
		}
		r.step("Container "+w.Name, "Stopped", stack.Working)
	}
	return stopMark, nil
}

func (r *running) pauseWriters(ctx context.Context) error {
	for _, w := range r.writers {
		if err := r.Engine.Pause(ctx, w.ID); err != nil {
			return fmt.Errorf("pause container %s: %w", w.Name, err)
		}
		r.step("Container "+w.Name, "Paused", stack.Working)
	}
	return nil
}

// resumeWriters unpauses or starts the containers that copies into the project halted.
func (c *Copier) resumeWriters(ctx context.Context, project string) error {
	into, _, err := c.marks(ctx, project)
	for _, mark := range into {
		err = errors.Join(err, c.resumeFor(ctx, mark))
	}
	return err
}

// resumeFor unpauses or starts the containers that one copy halted.
func (c *Copier) resumeFor(ctx context.Context, mark engine.Container) error {
	var h haltedWriters
	if err := json.Unmarshal([]byte(mark.Labels[labelHalted]), &h); err != nil {
		return fmt.Errorf("container %s: label %s: %w", mark.Name, labelHalted, err)
	}
	var errs []error
	for _, id := range h.Paused {
		errs = append(errs, c.Engine.Unpause(ctx, id))
	}
	for _, id := range h.Stopped {
		if err := c.Engine.Start(ctx, id); !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// AwaitHealthchecks waits until the healthchecks of containers that were paused have run again, at most for the
// limit. Until then the engine calls the containers unhealthy, and what depends on them would not start.
func (c *Copier) AwaitHealthchecks(ctx context.Context, project string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		waiting, err := c.healthInterrupted(ctx, project)
		if err != nil {
			return err
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

// healthInterrupted reports whether a container of the project is unhealthy only because it was paused.
func (c *Copier) healthInterrupted(ctx context.Context, project string) (bool, error) {
	own, err := c.Engine.Containers(ctx, engine.Filter{Project: project})
	if err != nil {
		return false, err
	}
	for _, container := range own {
		if container.Health != "unhealthy" {
			continue
		}
		now, _, err := c.Engine.InspectListed(ctx, container)
		if err != nil {
			return false, err
		}
		if now.ProbeDue {
			return true, nil
		}
	}
	return false, nil
}
