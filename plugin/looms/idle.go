package looms

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func runStopIdle(ctx context.Context, env *command.Environment, o stopOptions, args []string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	// To look for idle looms is no use of them.
	l.Unnoticed = true
	req := loom.IdleRequest{After: o.idle, Ignore: o.ignore, Timeout: o.timeout, DryRun: o.dryRun}
	targets := func() ([]*loom.Target, error) {
		where, err := env.Where(nil)
		if err != nil {
			return nil, err
		}
		if o.allRepositories {
			return l.Everywhere(ctx, where.Source)
		}
		return l.Targets(ctx, where.Source, args, len(args) == 0)
	}
	if o.watch {
		return l.WatchIdle(ctx, o.interval, targets, req, func(verdicts []loom.Verdict, err error) {
			if err == nil {
				err = tellIdle(env, o, verdicts)
			}
			if err != nil {
				fmt.Fprintln(env.Docker.Err(), "warning: "+err.Error())
			}
		})
	}
	list, err := targets()
	if err != nil {
		return err
	}
	verdicts, err := l.StopIdle(ctx, list, req)
	if err != nil {
		return err
	}
	if len(verdicts) == 0 {
		fmt.Fprintln(env.Docker.Err(), "no loom is running")
	}
	return tellIdle(env, o, verdicts)
}

// tellIdle tells what was stopped and, unless it watches, why the others were not.
func tellIdle(env *command.Environment, o stopOptions, verdicts []loom.Verdict) error {
	doc := []Moved{}
	var errs []error
	for _, v := range verdicts {
		switch {
		case v.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", v.ID, v.Err))
			continue
		case v.Idle:
			doc = append(doc, Moved{v.ID, v.Known.Project, "stopped", v.Why})
			continue
		}
		doc = append(doc, Moved{v.ID, v.Known.Project, "running", v.Why})
		if !o.watch && o.format == "" {
			fmt.Fprintf(env.Docker.Err(), "loom %s left running: %s\n", v.ID, v.Why)
		}
	}
	err := output.Write(env.Docker.Out(), o.format, doc, func(w io.Writer) {
		how := "stopped"
		if o.dryRun {
			how = "would be stopped"
		}
		for _, m := range doc {
			if m.State == "stopped" {
				fmt.Fprintf(w, "loom %s %s: %s\n", m.Loom, how, m.Why)
			}
		}
	})
	return errors.Join(append(errs, err)...)
}
