package inside

import (
	"context"
	"strings"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/opts"
	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type runOptions struct {
	stack.RunOptions
	entrypoint      string
	labels          []string
	capAdd, capDrop opts.ListOpts
	noTTY, tty      bool
	quiet           bool
}

func newRunCommand(env *command.Environment) *cobra.Command {
	o := runOptions{capAdd: opts.NewListOpts(nil), capDrop: opts.NewListOpts(nil)}
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] [ID] SERVICE [COMMAND] [ARG...]",
		Short: "Run a one-off command in a new container of a service",
		Long: `Run a one-off command in a new container of a service, beside those that the service has. What the service
depends on is started first. Its ports are not published unless --service-ports says so. The command's exit code is
passed on.

` + idOrService + `
Options stand before the service: what follows is the command.`,
		Example: `  docker loom run --rm 123 web npm test
  docker loom run --rm web sh
  docker loom run -T --rm 123 db pg_dump app > app.sql`,
		Args: command.MinArgs(1, "a service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, env); err != nil {
				return err
			}
			return runRun(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.Detach, "detach", "d", false, "Run container in background and print container ID")
	flags.BoolVar(&o.Remove, "rm", false, "Automatically remove the container when it exits")
	flags.StringArrayVarP(&o.Env, "env", "e", nil, "Set environment variables")
	flags.StringArrayVar(&o.EnvFiles, "env-from-file", nil, "Set environment variables from file")
	flags.StringArrayVarP(&o.Volumes, "volume", "v", nil, "Bind mount a volume")
	flags.StringVarP(&o.WorkingDir, "workdir", "w", "", "Working directory inside the container")
	flags.StringVarP(&o.User, "user", "u", "", "Run as specified username or uid")
	flags.StringVar(&o.entrypoint, "entrypoint", "", "Override the entrypoint of the image")
	flags.StringVar(&o.Name, "name", "", "Assign a name to the container")
	flags.StringArrayVarP(&o.labels, "label", "l", nil, "Add or override a label")
	flags.Var(&o.capAdd, "cap-add", "Add Linux capabilities")
	flags.Var(&o.capDrop, "cap-drop", "Drop Linux capabilities")
	flags.StringArrayVarP(&o.Publish, "publish", "p", nil, "Publish a container's port(s) to the host")
	flags.BoolVarP(&o.ServicePorts, "service-ports", "P", false,
		"Run command with all service's ports enabled and mapped to the host")
	flags.BoolVar(&o.UseAliases, "use-aliases", false,
		"Use the service's network useAliases in the network(s) the container connects to")
	flags.BoolVar(&o.NoDeps, "no-deps", false, "Don't start linked services")
	flags.BoolVar(&o.Build, "build", false, "Build image before starting container")
	flags.StringVar(&o.Pull, "pull", "", `Pull image before running ("always"|"missing"|"never")`)
	flags.BoolVar(&o.QuietBuild, "quiet-build", false, "Suppress progress output from the build process")
	flags.BoolVar(&o.QuietPull, "quiet-pull", false, "Pull without printing progress information")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress")
	flags.BoolVar(&o.RemoveOrphans, "remove-orphans", false,
		"Remove containers for services not defined in the compose files")
	flags.BoolVarP(&o.Interactive, "interactive", "i", true, "Keep STDIN open even if not attached")
	flags.BoolVarP(&o.noTTY, "no-TTY", "T", false, "Disable pseudo-TTY allocation (default: auto-detected)")
	flags.BoolVarP(&o.tty, "tty", "t", true, "Allocate a pseudo-TTY")
	_ = flags.MarkHidden("tty") // for the habit of docker run -it
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "volumes", "labels":
			name = strings.TrimSuffix(name, "s")
		}
		return pflag.NormalizedName(name)
	})
	flags.SetInterspersed(false)
	return cmd
}

// complete decides what the flags leave open, and refuses those that contradict each other.
func (o *runOptions) complete(cmd *cobra.Command, env *command.Environment) error {
	flags := cmd.Flags()
	switch {
	case len(o.Publish) > 0 && o.ServicePorts:
		return command.Usagef(cmd, "--service-ports and --publish are incompatible")
	case flags.Changed("tty") && flags.Changed("no-TTY"):
		return command.Usagef(cmd, "--tty and --no-TTY can't be used together")
	case flags.Changed("tty"):
		o.TTY = o.tty
	case flags.Changed("no-TTY"):
		o.TTY = !o.noTTY
	default:
		o.TTY = env.Docker.Out().IsTerminal() && (flags.Changed("interactive") || env.Docker.In().IsTerminal())
	}
	if err := command.OneOf("pull", o.Pull, "always", "missing", "never"); err != nil {
		return command.WrongUsage(cmd, err)
	}
	if flags.Changed("entrypoint") {
		words, err := shellwords.Parse(o.entrypoint)
		if err != nil {
			return command.Usagef(cmd, "--entrypoint %s: %w", o.entrypoint, err)
		}
		// An empty one, unlike none, takes the image's away.
		o.Entrypoint = append([]string{}, words...)
	}
	o.Labels = map[string]string{}
	for _, label := range o.labels {
		name, value, ok := strings.Cut(label, "=")
		if !ok {
			return command.Usagef(cmd, "--label must be NAME=VALUE, not %q", label)
		}
		o.Labels[name] = value
	}
	o.CapAdd, o.CapDrop = o.capAdd.GetSlice(), o.capDrop.GetSlice()
	return nil
}

func runRun(ctx context.Context, env *command.Environment, o runOptions, args []string) error {
	l, t, rest, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return whichService(ctx, env, l, t, "docker loom run ID")
	}
	o.Service, o.Command = rest[0], rest[1:]
	if o.quiet {
		o.QuietBuild, o.QuietPull = true, true
	}
	code, err := command.Containers(l).Run(ctx, t, o.RunOptions)
	if err == nil && code != 0 {
		return cli.StatusError{StatusCode: code}
	}
	return err
}
