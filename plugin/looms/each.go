package looms

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker-loom/docker-loom/plugin/command"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/output"
	"github.com/docker-loom/docker-loom/plugin/upkeep"
)

type eachOptions struct {
	scope  command.Scope
	format string
	done   string // the word for what was done
}

// each does one thing to every loom that is named. If it fails for one, the others still get it.
func each(
	ctx context.Context, env *command.Environment, args []string, o eachOptions,
	do func(*loom.Looms, *loom.Target) error,
) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	targets, err := env.Targets(ctx, l, args, o.scope)
	if err != nil {
		return err
	}
	doc := []upkeep.Moved{}
	var errs []error
	for _, t := range targets {
		if err := do(l, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		if o.format == "" {
			fmt.Fprintf(env.Docker.Out(), "%s %s\n", command.Subject(t.ID, env.Project), o.done)
		}
		doc = append(doc, upkeep.Moved{Loom: t.ID, Project: t.Known.Project, State: o.done})
	}
	if o.format != "" {
		errs = append(errs, output.Write(env.Docker.Out(), o.format, doc, func(w io.Writer) {
			for _, m := range doc {
				fmt.Fprintf(w, "%s %s\n", command.Subject(m.Loom, env.Project), m.State)
			}
		}))
	}
	return errors.Join(errs...)
}
