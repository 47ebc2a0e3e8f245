package agents

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newImageCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Manage the images that agents run in",
		Long: `Manage the images that agents run in. An image of your own is built under a short name, which --image and the
settings container.agent.image and container.agents.NAME.image take, like any other reference of an image. The image
base is the built-in one.`,
		Args: command.NoSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImageBuildCommand(env), newImageListCommand(env), newImageRmCommand(env))
	return cmd
}

type imageBuildOptions struct {
	image.BuildRequest
	dryRun bool
	format string
}

func newImageBuildCommand(env *command.Environment) *cobra.Command {
	var o imageBuildOptions
	cmd := &cobra.Command{
		Use:   "build [OPTIONS] NAME",
		Short: "Build an image that agents run in",
		Long: `Build an image that agents run in, under a name: first the Debian packages, then the npm packages, then the
shell lines, each as root. It begins with the built-in image unless --base-image names another, which may be one of
yours, and which is pulled where it is not there. An image of that name is replaced; sandboxes that run keep the old
one until they are recreated.

docker loom image build base --no-cache builds the built-in image again, with the packages as they are now.`,
		Example: `  docker loom image build web --apt build-essential,ffmpeg --npm pnpm
  docker loom image build tests --base-image web --run 'pnpm dlx playwright install --with-deps chromium'
  docker loom image build base --no-cache`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return command.Usagef(cmd, "it takes one name")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			if err := o.Check(); err != nil {
				return command.WrongUsage(cmd, err)
			}
			return runImageBuild(cmd.Context(), env, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.From, "base-image", "", "Image to begin with (default: the built-in one)")
	flags.StringVar(&o.From, "from", "", "")
	_ = flags.MarkHidden("from") // Dockerfiles call it so
	flags.StringSliceVar(&o.Apt, "apt", nil, "Debian packages to install")
	flags.StringSliceVar(&o.NPM, "npm", nil, "npm packages to install")
	flags.StringArrayVar(&o.Run, "run", nil, "Shell commands to run")
	flags.BoolVar(&o.NoCache, "no-cache", false, "Do not use cache when building the image")
	flags.BoolVar(&o.Pull, "pull", false, "Always attempt to pull a newer version of the image")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show the Dockerfile and build nothing")
	flags.BoolP("quiet", "q", false, "Suppress the build output")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runImageBuild(ctx context.Context, env *command.Environment, o imageBuildOptions) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	if o.dryRun {
		return printImage(ctx, env, l, o)
	}
	image, err := l.Images().BuildNamed(ctx, o.BuildRequest)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, image, func(w io.Writer) {
		fmt.Fprintf(w, "image %s built: %s\n", image.Name, image.Image)
	})
}

// ImagePlan is how an image would be built.
type ImagePlan struct {
	Image      string            `json:"image"`
	From       string            `json:"from"`
	Dockerfile string            `json:"dockerfile"`
	Args       map[string]string `json:"args"`
}

func printImage(ctx context.Context, env *command.Environment, l *loom.Looms, o imageBuildOptions) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	b, err := l.Images().PlanNamed(ctx, o.BuildRequest)
	if err != nil {
		return err
	}
	plan := ImagePlan{Image: b.Tag, From: b.From, Dockerfile: b.Dockerfile, Args: map[string]string{}}
	maps.Copy(plan.Args, b.Args)
	return output.Write(env.Docker.Out(), o.format, plan, func(w io.Writer) {
		fmt.Fprintf(env.Docker.Err(), "image %s would be built", b.Tag)
		for _, name := range slices.Sorted(maps.Keys(b.Args)) {
			fmt.Fprintf(env.Docker.Err(), ", with %s=%s", name, b.Args[name])
		}
		fmt.Fprint(env.Docker.Err(), ":\n")
		fmt.Fprint(w, b.Dockerfile)
	})
}

type imageRmOptions struct {
	dryRun bool
	format string
}

func newImageRmCommand(env *command.Environment) *cobra.Command {
	var o imageRmOptions
	cmd := &cobra.Command{
		Use:     "rm [OPTIONS] NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove images that docker loom made for agents",
		Long: `Remove images that docker loom made for agents, by the names that docker loom image ls shows. Where a
container was made from one of them, running or not, none is removed.`,
		Example: "  docker loom image rm web\n  docker loom image rm $(docker loom image ls -q)",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.Usagef(cmd, "it takes the names of images")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runImageRm(cmd.Context(), env, o, args) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runImageRm(ctx context.Context, env *command.Environment, o imageRmOptions, names []string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	removed, err := l.Images().Remove(ctx, image.RemoveRequest{Names: names, DryRun: o.dryRun})
	if err != nil {
		return err
	}
	done := "removed"
	if o.dryRun {
		done = "would be removed"
	}
	return output.Write(env.Docker.Out(), o.format, removed, func(w io.Writer) {
		for _, i := range removed {
			fmt.Fprintf(w, "image %s %s\n", i.Name, done)
		}
	})
}
