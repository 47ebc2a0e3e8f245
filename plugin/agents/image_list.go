package agents

import (
	"context"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type imageListOptions struct {
	format string
	quiet  bool
}

func newImageListCommand(env *command.Environment) *cobra.Command {
	var o imageListOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List the images that docker loom made for agents",
		Long: `List the images that docker loom made for agents: the built-in one (base), your own by their names, and by
their references those with the tools of a repository on top of another.`,
		Example: "  docker loom image ls\n  docker loom image ls --format '{{.Image}}: {{.Size}}'",
		Args:    command.MaxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runImageList(cmd.Context(), env, o) },
	}
	output.AddFormat(cmd.Flags(), &o.format)
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display names")
	return cmd
}

func runImageList(ctx context.Context, env *command.Environment, o imageListOptions) error {
	l, err := env.Looms()
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
		return output.Write(env.Docker.Out(), o.format, list, nil)
	case o.quiet:
		o.format = "{{.Image}}"
	case o.format == "" || o.format == formatter.TableFormatKey:
		o.format = "table {{.Image}}\t{{.ID}}\t{{.From}}\t{{.Created}}\t{{.Size}}"
	}
	return output.WriteRows(env.Docker.Out(), o.format, list,
		func(i image.Image) formatter.SubContext { return newImageRow(i) })
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
