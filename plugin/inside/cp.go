package inside

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type copyOptions struct {
	stack.CopyOptions
	dryRun bool
	format string
}

func newCopyCommand(env *command.Environment) *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use: `cp [OPTIONS] [ID] SERVICE:SRC_PATH DEST_PATH|-
  docker loom cp [OPTIONS] [ID] SRC_PATH|- SERVICE:DEST_PATH`,
		Short: "Copy files between a loom's container and this machine",
		Long: `Copy files between a loom's container and this machine. Where a service has several containers, files go to
all of them and come from the first. Instead of a path on this machine, - is a tar stream on stdin or stdout.

Without an ID it is the loom of this folder.`,
		Example: `  docker loom cp 123 web:/var/log/app.log .
  docker loom cp 123 seed.sql db:/tmp/
  docker loom cp web:/srv - | tar t`,
		Args: copyArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runCopy(cmd.Context(), env, o, args) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Index, "index", 0, "Index of the container if service has multiple replicas")
	flags.BoolVar(&o.All, "all", false, "Include containers created by the run command")
	flags.BoolVarP(&o.FollowLink, "follow-link", "L", false, "Always follow symbol link in SRC_PATH")
	flags.BoolVarP(&o.Archive, "archive", "a", false, "Archive mode (copy all uid/gid information)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would be copied and change nothing")
	flags.BoolP("quiet", "q", false, "Show no progress")
	output.AddFormat(flags, &o.format)
	return cmd
}

func copyArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return command.Usagef(cmd, "%s takes a source and a destination, and before them an id", cmd.CommandPath())
	}
	o := stack.CopyOptions{Source: args[len(args)-2], Destination: args[len(args)-1]}
	from := stack.CopiedService(stack.CopyOptions{Source: o.Source})
	to := stack.CopiedService(stack.CopyOptions{Source: o.Destination})
	switch {
	case o.Source == "" || o.Destination == "":
		return command.Usagef(cmd, "neither source nor destination can be empty")
	case from == "" && to == "":
		return command.Usagef(cmd, "neither %s nor %s is SERVICE:PATH", o.Source, o.Destination)
	case from != "" && to != "":
		return command.Usagef(cmd, "both are in containers: copy to this machine first, then from it")
	}
	return nil
}

func runCopy(ctx context.Context, env *command.Environment, o copyOptions, args []string) error {
	o.Source, o.Destination = args[len(args)-2], args[len(args)-1]
	if o.Destination == "-" && o.format != "" {
		return command.Usagef(nil, "--format: stdout is the destination already")
	}
	l, t, err := env.OneService(ctx, args[:len(args)-2], stack.CopiedService(o.CopyOptions))
	if err != nil {
		return err
	}
	acted, err := command.Containers(l).Copy(ctx, t, o.CopyOptions, inside.DryRun(o.dryRun))
	if err != nil || o.Destination == "-" && !o.dryRun {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, acted, func(w io.Writer) {
		if o.dryRun {
			fmt.Fprintf(w, "%s of loom %s would be copied to %s\n", o.Source, t.ID, o.Destination)
		}
	})
}
