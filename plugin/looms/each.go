package looms

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker-loom/docker-loom/plugin/command"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// each does one thing to every loom that is named. One that fails must not keep the others from it.
func each(ctx context.Context, env *command.Environment, args []string, all, everywhere bool, format string, do func(*loom.Looms, *loom.Target) error, done string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	targets, err := env.Targets(ctx, l, args, all, everywhere)
	if err != nil {
		return err
	}
	doc := []Moved{}
	var errs []error
	for _, t := range targets {
		if err := do(l, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		if format == "" {
			fmt.Fprintf(env.Docker.Out(), "loom %s %s\n", t.ID, done)
		}
		doc = append(doc, Moved{Loom: t.ID, Project: t.Known.Project, State: done})
	}
	if format != "" {
		errs = append(errs, output.Write(env.Docker.Out(), format, doc, func(w io.Writer) {
			for _, m := range doc {
				fmt.Fprintf(w, "loom %s %s\n", m.Loom, m.State)
			}
		}))
	}
	return errors.Join(errs...)
}

// Moved is one loom of what stop and start --format json print.
type Moved struct {
	Loom    string `json:"loom"`
	Project string `json:"project"`
	// State is stopped, started or, with --idle, running where it was left so.
	State string `json:"state"`
	// Why it was stopped for idleness, or was not.
	Why string `json:"why,omitempty"`
}
