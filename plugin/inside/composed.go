package inside

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// composed is a command that Docker's compose plugin runs for a loom, with the same flags.
type composed struct {
	name, usage, short, example string
	needsService                bool
	flags                       func(*pflag.FlagSet)
}

var composedCommands = []composed{
	{
		name: "watch", usage: "[SERVICE...]", short: "Rebuild or refresh services when their files change",
		example: "watch 123|watch 123 web",
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("no-up", false, "Do not build & start services before watching")
			flags.Bool("prune", true, "Prune dangling images on rebuild")
			flags.Bool("quiet", false, "hide build output")
		},
	},
	{
		name: "attach", usage: "SERVICE", short: "Attach standard input and output to a running container of a loom",
		example: "attach 123 web|attach web --no-stdin", needsService: true,
		flags: func(flags *pflag.FlagSet) {
			flags.String("detach-keys", "", "Override the key sequence for detaching from a container")
			flags.Int("index", 0, "Index of the container if service has multiple replicas")
			flags.Bool("no-stdin", false, "Do not attach STDIN")
			flags.Bool("sig-proxy", true, "Proxy all received signals to the process")
		},
	},
	{
		name: "events", usage: "[SERVICE...]", short: "Receive real time events from a loom's containers",
		example: "events 123|events 123 web --json",
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("json", false, "Output events as a stream of json objects")
			flags.String("since", "", "Show all events created since timestamp")
			flags.String("until", "", "Stream events until this timestamp")
		},
	},
	{
		name: "wait", usage: "SERVICE...", short: "Wait until containers of a loom stop, and print their exit codes",
		example: "wait 123 migrate|wait migrate", needsService: true,
	},
}

// newComposedCommands returns a command for each line of the table.
func newComposedCommands(env *command.Environment) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range composedCommands {
		list = append(list, newComposedCommand(env, c))
	}
	return list
}

func newComposedCommand(env *command.Environment, c composed) *cobra.Command {
	cmd := &cobra.Command{
		Use:   c.name + " [OPTIONS] [ID] " + c.usage,
		Short: c.short,
		Long: fmt.Sprintf("%s, as docker compose %s does. This needs Docker's compose plugin.\n\n%s",
			c.short, c.name, idOrService),
		Example: examples(c.example),
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runComposed(cmd.Context(), env, cmd, c, args) },
	}
	if c.needsService {
		cmd.Args = command.MinArgs(1, "a service")
	}
	if c.flags != nil {
		c.flags(cmd.Flags())
	}
	return cmd
}

func runComposed(ctx context.Context, env *command.Environment, cmd *cobra.Command, c composed, args []string) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	if c.needsService && len(services) == 0 {
		return whichService(ctx, env, l, t, "docker loom "+c.name+" ID")
	}
	line := []string{c.name}
	own := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	if c.flags != nil {
		c.flags(own)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil {
			line = append(line, "--"+f.Name+"="+f.Value.String())
		}
	})
	return runComposePlugin(ctx, env, l, t, append(line, services...))
}

// whichService is the error for a command that needs a service and has none. line is the command before it.
func whichService(
	ctx context.Context, env *command.Environment, l *loom.Looms, t *loom.Target, line string,
) error {
	services, err := l.Services(ctx, t)
	if err != nil || len(services) == 0 {
		return command.Usagef(nil, "loom %s: no service is named", t.ID)
	}
	return command.Usagef(nil, "which service of loom %s? %s", t.ID,
		env.WithProject(line+" "+find.ShellWord(services[0])))
}
