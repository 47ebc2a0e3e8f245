package looms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type downOptions struct {
	volumes, all, allRepositories bool
	force, dryRun, quiet          bool
	timeout                       time.Duration
	format                        string
	// project is the folder of the project that is meant, "" for all of a loom.
	project string
}

func newDownCommand(env *command.Environment) *cobra.Command {
	var o downOptions
	cmd := &cobra.Command{
		Use:   "down [OPTIONS] [ID...]",
		Short: "Remove the containers, networks and files of looms; with --volumes end them",
		Long: `Remove the containers, networks, anonymous volumes, built images and generated files of looms. Named volumes
and port leases stay, so that up brings the same loom back; --volumes removes these too and ends the loom.

What else is in a loom's Compose project, and was not made for the loom, is named and stays. With --all and
--all-repositories only what bears docker loom's labels goes: a dev container that an editor made, or what docker
compose made in the main checkout, goes when its loom is named.

A loom goes down with all its projects; --project FOLDER takes one of them down, or with --volumes ends it.

--all --volumes and --all-repositories list what goes and ask; --force goes ahead without asking. With --volumes a loom
that does not exist is already ended: down says so and succeeds.`,
		Example: `  docker loom down 123
  docker loom down 123 124 --volumes
  docker loom down 123 --project apps/web
  docker loom down --all`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.all || o.allRepositories) && len(args) > 0 {
				return command.Usagef(cmd, "--all takes no ids")
			}
			return runDown(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.volumes, "volumes", "v", false, "End the looms: remove named volumes and leases too")
	flags.BoolVar(&o.all, "all", false, "All looms of this repository")
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	flags.BoolVarP(&o.force, "force", "f", false, "Do not prompt for confirmation")
	flags.BoolVarP(&o.force, "yes", "y", false, "The same as --force")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runDown(ctx context.Context, env *command.Environment, o downOptions, args []string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	scope := command.Scope{Repository: o.all, Everything: o.allRepositories, Ended: o.volumes}
	targets, err := env.Targets(ctx, l, args, scope)
	if err != nil {
		return err
	}
	if err := o.ask(ctx, env, l, targets); err != nil {
		return err
	}
	remains := []*loom.Remains{}
	var kept []string
	var errs []error
	for _, t := range targets {
		r, err := l.Down(ctx, t, o.request())
		if err != nil {
			// One loom that cannot go down must not keep the others up.
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		remains = append(remains, r)
		for _, what := range r.Left {
			fmt.Fprintf(env.Docker.Err(), "warning: loom %s: %s, stays\n", r.Loom, env.WithProject(what))
		}
		// What a loom that ended leaves is not its own, and its name leads to nothing any more.
		if len(r.Volumes)+len(r.Ports) > 0 && !o.volumes {
			word := l.InUse.Words([]string{t.ID})
			if o.allRepositories {
				word = []string{find.ShellWord(t.Name())}
			}
			kept = append(kept, word...)
		}
	}
	o.project = env.Project
	err = output.Write(env.Docker.Out(), o.format, remains, func(w io.Writer) { tellDown(w, o, remains) })
	if err != nil {
		return err
	}
	if !o.quiet && !o.dryRun && o.format == "" {
		hintKept(env.Docker.Err(), kept, env.WithProject)
	}
	return errors.Join(errs...)
}

func (o downOptions) request() loom.DownRequest {
	return loom.DownRequest{
		Volumes: o.volumes, Labelled: o.all || o.allRepositories, Timeout: o.timeout, DryRun: o.dryRun,
	}
}

// ask asks before looms go that nobody named: with their volumes, or of other repositories.
func (o downOptions) ask(
	ctx context.Context, env *command.Environment, l *loom.Looms, targets []*loom.Target,
) error {
	if o.force || o.dryRun || len(targets) == 0 || !o.allRepositories && (!o.all || !o.volumes) {
		return nil
	}
	question := "take all of these down"
	if o.volumes {
		question = "end all of these with their volumes"
	}
	req := o.request()
	req.DryRun = true
	for _, t := range targets {
		fmt.Fprintf(env.Docker.Err(), "  %s (%s)\n", t.Name(), t.WorkTree)
		if !o.volumes {
			continue
		}
		// What cannot be looked at is told when the loom goes down.
		if r, err := l.Down(ctx, t, req); err == nil {
			for _, what := range r.Removed {
				if strings.HasPrefix(what, "volume ") {
					fmt.Fprintf(env.Docker.Err(), "    %s\n", what)
				}
			}
		}
	}
	return env.Ask(question, "--force")
}

func tellDown(w io.Writer, o downOptions, remains []*loom.Remains) {
	for _, r := range remains {
		what := command.Subject(r.Loom, o.project)
		switch {
		case o.dryRun:
			fmt.Fprintf(w, "%s would go down\n", what)
			for _, what := range r.Removed {
				fmt.Fprintf(w, "  remove %s\n", what)
			}
		case o.volumes:
			fmt.Fprintf(w, "%s ended\n", what)
		default:
			fmt.Fprintf(w, "%s is down\n", what)
		}
		for _, v := range r.Volumes {
			if o.volumes {
				v += ", which was not made for the loom"
			}
			fmt.Fprintf(w, "  kept volume %s\n", v)
		}
		if len(r.Ports) > 0 {
			fmt.Fprintf(w, "  kept ports %s\n", strings.Join(r.Ports, ", "))
		}
	}
}

// hintKept says which command ends what was kept. kept are the looms as one types them. withProject adds the project if
// one was named.
func hintKept(w io.Writer, kept []string, withProject func(string) string) {
	if len(kept) > 0 {
		step := fmt.Sprintf("docker loom down %s --volumes ends what was kept", strings.Join(kept, " "))
		fmt.Fprintln(w, "hint: "+withProject(step))
	}
}
