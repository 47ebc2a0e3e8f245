package inside

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type pullOptions struct {
	stack.PullOptions
	change changeOptions
}

func newPullCommand(env *command.Environment) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [OPTIONS] [ID] [SERVICE...]",
		Short: "Pull the images of a loom",
		Long: `Pull the images of a loom, or those of some of its services. What the loom builds itself is not pulled.
Containers keep the old images until up.

` + idOrService,
		Example: "  docker loom pull 123\n  docker loom pull 123 db --policy missing",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := command.OneOf("policy", o.Policy, "always", "missing"); err != nil {
				return command.WrongUsage(cmd, err)
			}
			return runPull(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Deps, "include-deps", false, "Also pull services declared as dependencies")
	flags.BoolVar(&o.IgnoreFailures, "ignore-pull-failures", false,
		"Pull what it can and ignores images with pull failures")
	flags.BoolVar(&o.IgnoreBuildable, "ignore-buildable", false, "Ignore images that can be built")
	flags.StringVar(&o.Policy, "policy", "", `Apply pull policy ("missing"|"always")`)
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "Pull without printing progress information")
	o.change.flags(flags)
	return cmd
}

func runPull(ctx context.Context, env *command.Environment, o pullOptions, args []string) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	o.Services = services
	images, err := command.Builds(l).Pull(ctx, t, o.PullOptions, inside.DryRun(o.change.dryRun))
	if err != nil {
		return err
	}
	return tellImages(env, o.change, images, "pulled")
}
