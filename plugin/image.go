package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
)

func newImageCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Manage the images that agents run in",
		Long: `Manage the images that agents run in. An image of your own is built under a short name, which --image and the
settings container.agent.image and container.agents.NAME.image take, like any other reference of an image. The image base is
the built-in one.`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImageBuildCommand(env), newImageListCommand(env), newImageRmCommand(env))
	return cmd
}

type imageBuildOptions struct {
	image.BuildRequest
	quiet, dryRun bool
	format        string
}

func newImageBuildCommand(env *environment) *cobra.Command {
	var o imageBuildOptions
	cmd := &cobra.Command{
		Use:   "build [OPTIONS] NAME",
		Short: "Build an image that agents run in",
		Long: `Build an image that agents run in, under a name: first the Debian packages, then the npm packages, then the shell lines,
each as root. It begins with the built-in image unless --from names another, which may be one of yours, and which is pulled where it is
not there. An image of that name is replaced; sandboxes that run keep the old one until they are made anew.

docker loom image build base --no-cache builds the built-in image anew, with the packages as they are now.`,
		Example: "  docker loom image build web --apt build-essential,ffmpeg --npm pnpm\n  docker loom image build tests --from web --run 'pnpm dlx playwright install --with-deps chromium'\n  docker loom image build base --no-cache",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd, errors.New("it takes one name")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			if err := o.Check(); err != nil {
				return usageError{cmd, err}
			}
			return runImageBuild(cmd.Context(), env, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.From, "from", "", "Image to begin with (default: the built-in one)")
	flags.StringSliceVar(&o.Apt, "apt", nil, "Debian packages to install")
	flags.StringSliceVar(&o.NPM, "npm", nil, "npm packages to install")
	flags.StringArrayVar(&o.Run, "run", nil, "Shell commands to run")
	flags.BoolVar(&o.NoCache, "no-cache", false, "Do not use cache when building the image")
	flags.BoolVar(&o.Pull, "pull", false, "Always attempt to pull a newer version of the image")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show the Dockerfile and build nothing")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Suppress the build output")
	addFormat(flags, &o.format)
	return cmd
}

func runImageBuild(ctx context.Context, env *environment, o imageBuildOptions) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	if o.quiet {
		stack.SetProgress("quiet")
	}
	if o.dryRun {
		return printImage(ctx, env, l, o)
	}
	made, err := l.Images().BuildNamed(ctx, o.BuildRequest)
	if err != nil {
		return err
	}
	return write(env.docker.Out(), o.format, made, func(w io.Writer) { fmt.Fprintf(w, "image %s built: %s\n", made.Name, made.Image) })
}

// imagePlan is how an image would be built.
type imagePlan struct {
	Image      string            `json:"image"`
	From       string            `json:"from"`
	Dockerfile string            `json:"dockerfile"`
	Args       map[string]string `json:"args"`
}

func printImage(ctx context.Context, env *environment, l *loom.Looms, o imageBuildOptions) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	b, err := l.Images().PlanNamed(ctx, o.BuildRequest)
	if err != nil {
		return err
	}
	plan := imagePlan{Image: b.Tag, From: b.From, Dockerfile: b.Dockerfile, Args: map[string]string{}}
	maps.Copy(plan.Args, b.Args)
	return write(env.docker.Out(), o.format, plan, func(w io.Writer) {
		fmt.Fprintf(env.docker.Err(), "image %s would be built", b.Tag)
		for _, name := range slices.Sorted(maps.Keys(b.Args)) {
			fmt.Fprintf(env.docker.Err(), ", with %s=%s", name, b.Args[name])
		}
		fmt.Fprint(env.docker.Err(), ":\n")
		fmt.Fprint(w, b.Dockerfile)
	})
}

type imageListOptions struct {
	format string
	quiet  bool
}

func newImageListCommand(env *environment) *cobra.Command {
	var o imageListOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List the images that docker loom made for agents",
		Long: `List the images that docker loom made for agents: the built-in one (base), your own by their names, and by their references those
with the tools of a repository on top of another.`,
		Example: "  docker loom image ls\n  docker loom image ls --format '{{.Image}}: {{.Size}}'",
		Args:    maxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runImageList(cmd.Context(), env, o) },
	}
	addFormat(cmd.Flags(), &o.format)
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display names")
	return cmd
}

func runImageList(ctx context.Context, env *environment, o imageListOptions) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	list, err := l.Images().List(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.format == formatter.JSONFormatKey:
		return write(env.docker.Out(), o.format, list, nil)
	case o.quiet:
		o.format = "{{.Image}}"
	case o.format == "" || o.format == formatter.TableFormatKey:
		o.format = "table {{.Image}}\t{{.ID}}\t{{.From}}\t{{.Created}}\t{{.Size}}"
	}
	return writeRows(env.docker.Out(), o.format, list, func(i image.Image) formatter.SubContext { return newImageRow(i) })
}

// imageRow is one image for the formatter: its methods are the template's fields.
type imageRow struct {
	formatter.HeaderContext
	i image.Image
}

func newImageRow(i image.Image) *imageRow {
	r := &imageRow{i: i}
	r.Header = formatter.SubHeaderContext{
		"Image": "IMAGE", "Reference": "REFERENCE", "ID": "ID", "From": "FROM", "Created": "CREATED", "Size": "SIZE",
	}
	return r
}

func (r *imageRow) MarshalJSON() ([]byte, error) { return formatter.MarshalJSON(r) }

// Image is what can be given as an image.
func (r *imageRow) Image() string { return r.i.Name }

// Reference is the same in full.
func (r *imageRow) Reference() string { return r.i.Image }

// ID is as docker shows IDs.
func (r *imageRow) ID() string {
	_, id, _ := strings.Cut(r.i.ID, ":")
	return id[:min(len(id), 12)]
}

// From is what it was made from.
func (r *imageRow) From() string {
	if name, ok := sandbox.ImageName(r.i.From); ok {
		return name
	}
	return r.i.From
}

// Created is its age.
func (r *imageRow) Created() string {
	return units.HumanDuration(time.Since(r.i.Created)) + " ago"
}

// Size is that of all its layers.
func (r *imageRow) Size() string { return units.HumanSizeWithPrecision(float64(r.i.Size), 3) }

type imageRmOptions struct {
	dryRun bool
	format string
}

func newImageRmCommand(env *environment) *cobra.Command {
	var o imageRmOptions
	cmd := &cobra.Command{
		Use:     "rm [OPTIONS] NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove images that docker loom made for agents",
		Long: `Remove images that docker loom made for agents, by the names that docker loom image ls shows. Where a container was made
from one of them, running or not, none is removed.`,
		Example: "  docker loom image rm web\n  docker loom image rm $(docker loom image ls -q)",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{cmd, errors.New("it takes the names of images")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runImageRm(cmd.Context(), env, o, args) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	addFormat(cmd.Flags(), &o.format)
	return cmd
}

func runImageRm(ctx context.Context, env *environment, o imageRmOptions, names []string) error {
	l, err := env.looms()
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
	return write(env.docker.Out(), o.format, removed, func(w io.Writer) {
		for _, i := range removed {
			fmt.Fprintf(w, "image %s %s\n", i.Name, done)
		}
	})
}
