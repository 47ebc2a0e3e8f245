package upkeep

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type holdOptions struct {
	duration time.Duration
	release  bool
	format   string
}

// HeldLoom is what hold --format json prints.
type HeldLoom struct {
	Loom      string     `json:"loom"`
	Project   string     `json:"project"`
	Held      bool       `json:"held"`
	HeldUntil *time.Time `json:"heldUntil"` // null until it is released
}

func newHoldCommand(env *command.Environment) *cobra.Command {
	var o holdOptions
	cmd := &cobra.Command{
		Use:   "hold [OPTIONS] [ID]",
		Short: "Keep a loom from being stopped for idleness",
		Long: `Keep a loom from being stopped by docker loom stop --idle: for a time, or until it is released. docker loom ls
shows what is held. A hold keeps nobody from stopping the loom by its id.`,
		Example: "  docker loom hold 123\n  docker loom hold 123 --for 2h\n  docker loom hold 123 --release",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && o.duration <= 0 {
				return command.Usagef(cmd, "--for must be longer than 0, not %s", o.duration)
			}
			if o.release && o.duration > 0 {
				return command.Usagef(cmd, "--release takes no --for")
			}
			return runHold(cmd.Context(), env, o, args)
		},
	}
	command.DurationVar(cmd.Flags(), &o.duration, "for", "", "How long, as in 2h (default: until it is released)")
	cmd.Flags().BoolVar(&o.release, "release", false, "End the hold")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runHold(ctx context.Context, env *command.Environment, o holdOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	where.WholeLoom = true
	t, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if err != nil {
		return err
	}
	if o.release {
		held, err := idle.Release(ctx, l, t)
		if err != nil {
			return err
		}
		return output.Write(env.Docker.Out(), o.format, HeldLoom{Loom: t.ID, Project: t.Known.Project}, func(w io.Writer) {
			if !held {
				fmt.Fprintf(env.Docker.Err(), "loom %s was not held\n", t.ID)
				return
			}
			fmt.Fprintf(w, "loom %s released\n", t.ID)
		})
	}
	doc := HeldLoom{Loom: t.ID, Project: t.Known.Project, Held: true}
	var until time.Time
	how := "until it is released"
	if o.duration > 0 {
		until = time.Now().Add(o.duration).Truncate(time.Second)
		how = "until " + until.Format(time.DateTime)
		doc.HeldUntil = &until
	}
	if err := idle.Hold(ctx, l, t, until); err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, doc, func(w io.Writer) {
		fmt.Fprintf(w, "loom %s held %s\n", t.ID, how)
	})
}
