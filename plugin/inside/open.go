package inside

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type openOptions struct {
	print   bool
	timeout time.Duration
}

func newOpenCommand(env *command.Environment) *cobra.Command {
	var o openOptions
	cmd := &cobra.Command{
		Use:   "open [OPTIONS] [ID] [SERVICE|PORT]",
		Short: "Open a loom's web port in the browser",
		Long: `Open a loom's web port in the browser, once somebody answers there, and print its URL. PORT is the container's
port or the host's. Without SERVICE or PORT it is the project's one web port: the only one that speaks HTTP, or the one
with the base capabilities.web.basePort of the settings, or that of a service called web.

A first argument that is not a loom's id is a service or port of this folder's loom. If the loom has several projects,
and neither the folder nor --project tells which, it is the oldest that has a web port. The browser is $BROWSER if that
is set, otherwise the desktop's own.`,
		Example: "  docker loom open 123\n  docker loom open 123 mail\n  docker loom open --print",
		Args:    command.MaxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return command.Usagef(cmd, "--timeout must be longer than 0, not %s", o.timeout)
			}
			return runOpen(cmd.Context(), env, o, args)
		},
	}
	cmd.Flags().BoolVar(&o.print, "print", false, "Print the URL at once and open nothing")
	o.timeout = 30 * time.Second
	command.DurationVar(cmd.Flags(), &o.timeout, "timeout", "", "How long to wait until somebody answers")
	return cmd
}

func runOpen(ctx context.Context, env *command.Environment, o openOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	ports := command.Ports(l)
	asked := strings.Join(args[min(1, len(args)):], "")
	t, err := ports.Choose(ctx, where, asked)
	if unknown := (*loom.UnknownError)(nil); errors.As(err, &unknown) && len(args) == 1 {
		// No loom of that name: then it is a service or a port of this folder's.
		where.ID = ""
		here, hereErr := ports.Choose(ctx, where, args[0])
		if !errors.As(hereErr, &unknown) {
			t, err, asked = here, hereErr, args[0]
		}
	}
	if err != nil {
		return err
	}
	env.NoteProject(t)
	port, err := ports.Web(ctx, t, asked)
	if err != nil {
		return err
	}
	if o.print {
		_, err := fmt.Fprintln(env.Docker.Out(), port.URL)
		return err
	}
	err = ports.Await(ctx, t, port, o.timeout, func() { fmt.Fprintln(env.Docker.Err(), "waiting for "+port.URL) })
	if err != nil {
		return err
	}
	fmt.Fprintln(env.Docker.Out(), port.URL)
	return command.Browse(ctx, env, port.URL)
}
