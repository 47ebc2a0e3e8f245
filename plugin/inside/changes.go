package inside

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// idOrService is the paragraph of help on what the first argument means.
const idOrService = `The first argument is a loom if there is a loom of that name, otherwise a service of this folder's
loom. Without an ID it is the loom of this folder.`

// changeOptions are the flags of the commands that change containers or images.
type changeOptions struct {
	dryRun bool
	format string
}

func (o *changeOptions) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would be done and change nothing")
	output.AddFormat(flags, &o.format)
}

// change is a command that does to a loom's containers what docker compose does with the command of the same name.
type change struct {
	name, short string
	long        string // what the help says beyond the short sentence
	example     string
	flags       func(*pflag.FlagSet, *changeFlags)
	done        func(*changeFlags) string
	do          func(context.Context, *loom.Looms, *loom.Target, []string, *changeFlags) (*inside.Acted, error)
}

// changeFlags are the flags that some of these commands have.
type changeFlags struct {
	changeOptions
	signal  string
	noDeps  bool
	timeout time.Duration
	timed   bool // --timeout was given: 0 means at once
}

func done(word string) func(*changeFlags) string { return func(*changeFlags) string { return word } }

var changes = []change{
	{
		name: "restart", short: "Restart the containers of a loom", done: done("restarted"),
		long:    " Changes of the compose files are not applied: up does that.",
		example: "restart 123|restart 123 web|restart web -t 0",
		flags: func(flags *pflag.FlagSet, o *changeFlags) {
			flags.BoolVar(&o.noDeps, "no-deps", false, "Don't restart dependent services")
			command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
		},
		do: func(
			ctx context.Context, l *loom.Looms, t *loom.Target, services []string, o *changeFlags,
		) (*inside.Acted, error) {
			req := stack.RestartOptions{Services: services, NoDeps: o.noDeps}
			if o.timed {
				req.Timeout = &o.timeout
			}
			return command.Containers(l).Restart(ctx, t, req, inside.DryRun(o.dryRun))
		},
	},
	{
		name: "kill", short: "Kill the running containers of a loom, or send them a signal",
		done: func(o *changeFlags) string {
			if o.signal == killSignal {
				return "killed"
			}
			return "signalled with " + o.signal
		},
		example: "kill 123|kill 123 web --signal SIGHUP",
		flags: func(flags *pflag.FlagSet, o *changeFlags) {
			flags.StringVarP(&o.signal, "signal", "s", killSignal, "SIGNAL to send to the container")
		},
		do: func(
			ctx context.Context, l *loom.Looms, t *loom.Target, services []string, o *changeFlags,
		) (*inside.Acted, error) {
			return command.Containers(l).Kill(ctx, t, services, o.signal, inside.DryRun(o.dryRun))
		},
	},
	{
		name: "pause", short: "Pause the running containers of a loom", done: done("paused"),
		example: "pause 123|pause 123 db",
		do: func(
			ctx context.Context, l *loom.Looms, t *loom.Target, services []string, o *changeFlags,
		) (*inside.Acted, error) {
			return command.Containers(l).Pause(ctx, t, services, inside.DryRun(o.dryRun))
		},
	},
	{
		name: "unpause", short: "Let the paused containers of a loom continue", done: done("unpaused"),
		example: "unpause 123|unpause 123 db",
		do: func(
			ctx context.Context, l *loom.Looms, t *loom.Target, services []string, o *changeFlags,
		) (*inside.Acted, error) {
			return command.Containers(l).Unpause(ctx, t, services, inside.DryRun(o.dryRun))
		},
	},
}

const killSignal = "SIGKILL"

// newChangeCommands returns a command for each line of the table.
func newChangeCommands(env *command.Environment) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range changes {
		list = append(list, newChangeCommand(env, c))
	}
	return list
}

func newChangeCommand(env *command.Environment, c change) *cobra.Command {
	var o changeFlags
	cmd := &cobra.Command{
		Use:   c.name + " [OPTIONS] [ID] [SERVICE...]",
		Short: c.short,
		Long: c.short + ", or of some of its services." + c.long + "\n\n" + idOrService +
			"\nWithout services it is all projects of the loom, unless --project names one.",
		Example: examples(c.example),
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.timed = cmd.Flags().Changed("timeout")
			return runChange(cmd.Context(), env, c, &o, args)
		},
	}
	if c.flags != nil {
		c.flags(cmd.Flags(), &o)
	}
	o.flags(cmd.Flags())
	return cmd
}

// examples are command lines without docker loom, separated by |.
func examples(text string) string {
	return "  docker loom " + strings.ReplaceAll(text, "|", "\n  docker loom ")
}

func runChange(ctx context.Context, env *command.Environment, c change, o *changeFlags, args []string) error {
	l, t, services, err := env.NamedWhole(ctx, args)
	if err != nil {
		return err
	}
	acted, err := command.Containers(l).Each(t, services, func(t *loom.Target) (*inside.Acted, error) {
		return c.do(ctx, l, t, services, o)
	})
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, acted, func(w io.Writer) {
		what := "loom " + acted.Loom
		if len(services) > 0 {
			what = strings.Join(acted.Services, ", ") + " of loom " + acted.Loom
		}
		would := ""
		if o.dryRun {
			would = "would be "
		}
		fmt.Fprintf(w, "%s %s%s\n", what, would, c.done(o))
	})
}

// tellImages says which images were built or pulled, a line each.
func tellImages(env *command.Environment, o changeOptions, images *inside.Images, done string) error {
	if o.dryRun {
		done = "would be " + done
	}
	return output.Write(env.Docker.Out(), o.format, images, func(w io.Writer) {
		if len(images.Images) == 0 {
			fmt.Fprintf(w, "loom %s: no image is to be %s\n", images.Loom, done)
		}
		for _, i := range images.Images {
			fmt.Fprintf(w, "%s of loom %s %s: %s\n", i.Service, images.Loom, done, i.Image)
		}
	})
}
