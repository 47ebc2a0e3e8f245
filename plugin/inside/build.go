package inside

import (
	"context"
	"slices"

	"github.com/docker/cli/opts"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type buildOptions struct {
	stack.BuildOptions
	change changeOptions
	tag    string
}

func newBuildCommand(env *command.Environment) *cobra.Command {
	var o buildOptions
	var memory opts.MemBytes
	cmd := &cobra.Command{
		Use:   "build [OPTIONS] [ID] [SERVICE...]",
		Short: "Build the images of a loom",
		Long: `Build the images of a loom, or those of some of its services, its dev container with its features among them.
Containers keep the old ones until up. The loom need not be there yet: build 123 works ahead of up 123.

With --tag the dev container's image gets a name of yours, with its features and its metadata in it: a devcontainer.json
that names it starts without a build.

--cache-from and --cache-to are as docker buildx build takes them. If several images are built, each has a cache of its
own: the name of its service is put behind the name of the cache, or base for what a dev container's image is built on.

` + idOrService,
		Example: `  docker loom build 123
  docker loom build 123 web --no-cache
  docker loom build --build-arg VERSION=2
  docker loom build --tag ghcr.io/team/dev:1 --push
  docker loom build --tag ghcr.io/team/dev:1-arm64 --platform linux/arm64
  docker loom build --cache-from ghcr.io/team/cache --cache-to type=inline`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Memory = memory.Value()
			if err := o.checkTag(cmd); err != nil {
				return err
			}
			return runBuild(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.NoCache, "no-cache", false, "Do not use cache when building the image")
	flags.BoolVar(&o.Pull, "pull", false, "Always attempt to pull a newer version of the image")
	flags.StringSliceVar(&o.Platforms, "platform", nil, "Build for this platform, such as linux/arm64; with --tag for one")
	flags.StringArrayVar(&o.CacheFrom, "cache-from", nil, "A cache to build from, such as type=registry,ref=NAME")
	flags.StringArrayVar(&o.CacheTo, "cache-to", nil, "Where the build's cache is written, such as type=local,dest=FOLDER")
	flags.StringVar(&o.tag, "tag", "", "Build the dev container's image, with features and metadata, under this name")
	flags.BoolVar(&o.Push, "push", false, "Push service images")
	flags.StringArrayVar(&o.Args, "build-arg", nil, "Set build-time variables for services")
	flags.BoolVar(&o.Deps, "with-dependencies", false, "Also build dependencies (transitively)")
	flags.StringVar(&o.SSH, "ssh", "",
		"Set SSH authentications used when building service images. (use 'default' for using your default SSH Agent)")
	flags.StringVar(&o.Builder, "builder", "", "Set builder to use")
	flags.StringVar(&o.Provenance, "provenance", "", "Add a provenance attestation")
	flags.StringVar(&o.SBOM, "sbom", "", "Add a SBOM attestation")
	flags.VarP(&memory, "memory", "m", "Set memory limit for the build container. Not supported by BuildKit.")
	flags.BoolVar(&o.Check, "check", false, "Check build configuration")
	flags.BoolVar(&o.Print, "print", false, "Print equivalent bake file")
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "Suppress the build output")
	o.change.flags(flags)
	return cmd
}

// withTag are the flags that --tag goes with; global ones go with everything.
var withTag = []string{
	"tag", "push", "platform", "cache-from", "cache-to", "no-cache", "pull", "quiet", "format",
}

// checkTag returns an error about a flag that --tag would leave without effect.
func (o *buildOptions) checkTag(cmd *cobra.Command) error {
	if o.tag == "" {
		return nil
	}
	var err error
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && !slices.Contains(withTag, f.Name) && err == nil {
			err = command.Usagef(cmd, "--%s does not go with --tag", f.Name)
		}
	})
	if len(o.Platforms) > 1 && err == nil {
		err = command.Usagef(cmd, "--platform with --tag names one platform; docker buildx imagetools create joins images")
	}
	return err
}

func runBuild(ctx context.Context, env *command.Environment, o buildOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	t, services, err := l.Finder().Find(ctx, loom.Query{Where: where, Words: args, Purpose: loom.Making})
	if err != nil {
		return err
	}
	if o.tag != "" {
		images, err := command.Builds(l).Prebuild(ctx, t, inside.PrebuildOptions{Target: o.Target, Tag: o.tag, Push: o.Push})
		if err != nil {
			return err
		}
		return tellImages(env, o.change, images, "built")
	}
	o.Services = services
	images, err := command.Builds(l).Build(ctx, t, o.BuildOptions, inside.DryRun(o.change.dryRun))
	if err != nil || o.Print {
		return err
	}
	done := "built"
	if o.Check {
		done = "checked"
	}
	return tellImages(env, o.change, images, done)
}
