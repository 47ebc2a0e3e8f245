package inside

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type portOptions struct {
	protocol string
	format   string
}

func newPortCommand(env *command.Environment) *cobra.Command {
	var o portOptions
	cmd := &cobra.Command{
		Use:   "port [OPTIONS] [ID] SERVICE PORT",
		Short: "Print the host address of a port of a loom's service",
		Long: `Print the host address of a port of a loom's service, as docker compose port does. PORT is the container's, as
in 80 or 53/udp. Without an ID it is the loom of this folder.`,
		Example: "  docker loom port 123 web 80\n  docker loom port db 5432\n  docker loom port 123 dns 53 --protocol udp",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return command.Usagef(cmd, "%s takes [ID] SERVICE PORT, not %d argument(s)", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runPort(cmd.Context(), env, cmd, o, args) },
	}
	cmd.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp or udp")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runPort(ctx context.Context, env *command.Environment, cmd *cobra.Command, o portOptions, args []string) error {
	service, port := args[len(args)-2], args[len(args)-1]
	target, protocol, ok := strings.Cut(port, "/")
	if !ok {
		protocol = o.protocol
	}
	if n, err := strconv.Atoi(target); err != nil || n < 1 || n > 65535 {
		return command.Usagef(cmd, "a port is a number from 1 to 65535, not %q", port)
	}
	switch protocol {
	case "tcp", "udp", "sctp":
	default:
		return command.Usagef(cmd, "protocol must be tcp or udp, not %q", protocol)
	}
	l, t, err := env.OneService(ctx, args[:len(args)-2], service)
	if err != nil {
		return err
	}
	p, err := command.Ports(l).Address(ctx, t, service, target+"/"+protocol)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, p, func(w io.Writer) {
		fmt.Fprintln(w, endpoint.Published(p.HostIP, p.Published))
	})
}
