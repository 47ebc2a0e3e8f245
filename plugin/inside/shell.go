package inside

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// loginShell becomes the user's shell in the container: $SHELL, or that of the passwd file, or bash, or sh. The passwd
// file of a user who may not log in names a program that is not a shell.
const loginShell = `s=$SHELL
[ -n "$s" ] || s=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f7)
[ -n "$s" ] || s=$(grep "^[^:]*:[^:]*:$(id -u):" /etc/passwd 2>/dev/null | cut -d: -f7)
case $s in */nologin|*/false|*/sh) s= ;; esac
[ -n "$s" ] && [ -x "$s" ] || s=$(command -v bash) || s=/bin/sh
exec "$s"`

func newShellCommand(env *command.Environment) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "shell [OPTIONS] [ID] [SERVICE]",
		Short: "Open a shell in a container of a loom",
		Long: `Open a shell in a container of a loom: in its dev container, as the user, in the folder and with the
environment that devcontainer.json says. Without a dev container it opens in the service that is named, or in the only
service, or in the only one that serves HTTP. If standard input is not a terminal, the shell reads commands from it.`,
		Example: "  docker loom shell 123\n  docker loom shell 123 db",
		Args:    command.MaxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.streams.Interactive = true
			p := engine.Process{Cmd: []string{"/bin/sh", "-c", loginShell}}
			req := inside.ExecRequest{Words: args, Shell: true, Process: p}
			return o.run(cmd.Context(), env, req)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.streams.DetachKeys, "detach-keys", "",
		"Override the key sequence for detaching from the shell")
	return cmd
}
