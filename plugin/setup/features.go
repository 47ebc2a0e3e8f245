package setup

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/setup"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type featuresOptions struct {
	config string
	lock   bool
	dryRun bool
	format string
}

func newFeaturesCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "features",
		Short: "Show and lock the features of the dev container",
		Args:  command.NoSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFeaturesListCommand(env), newFeaturesLockCommand(env))
	return cmd
}

func newFeaturesListCommand(env *command.Environment) *cobra.Command {
	var o featuresOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS] [ID]",
		Aliases: []string{"list"},
		Short:   "List the features of the dev container in the order of their installation",
		Example: "  docker loom features ls\n  docker loom features ls 123 --format json",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runFeatures(cmd.Context(), env, o, args) },
	}
	o.flags(cmd)
	return cmd
}

func newFeaturesLockCommand(env *command.Environment) *cobra.Command {
	o := featuresOptions{lock: true}
	cmd := &cobra.Command{
		Use:   "lock [OPTIONS] [ID]",
		Short: "Write down in devcontainer-lock.json what the features are now",
		Long: `Ask the sources of all features what they are now, and write it down in devcontainer-lock.json beside the
devcontainer.json. From then on every up installs exactly these. Nothing else writes the file.`,
		Example: "  docker loom features lock\n  docker loom features lock --dry-run",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runFeatures(cmd.Context(), env, o, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would be locked and write nothing")
	return cmd
}

func (o *featuresOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.config, "config", "", "Path of the devcontainer.json")
	output.AddFormat(cmd.Flags(), &o.format)
}

func runFeatures(ctx context.Context, env *command.Environment, o featuresOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	list, err := setup.Features(ctx, l, setup.FeaturesRequest{
		Where: where, Config: o.config, Lock: o.lock, DryRun: o.dryRun,
	})
	if err != nil {
		return err
	}
	if o.lock {
		tellLock(env.Docker.Err(), list, o.dryRun)
	}
	return output.Write(env.Docker.Out(), o.format, list, func(w io.Writer) {
		rows := [][]string{{"FEATURE", "VERSION", "SOURCE", "DIGEST", "LOCKED"}}
		for _, f := range list.Features {
			locked := "-"
			if f.Locked {
				locked = "yes"
			}
			rows = append(rows, []string{f.ID, f.Version, f.Source, strings.TrimPrefix(f.Digest, "sha256:")[:12], locked})
		}
		output.Columns(w, rows)
	})
}

func tellLock(w io.Writer, list *setup.FeatureList, dry bool) {
	switch {
	case !list.Changed:
		fmt.Fprintln(w, list.Lockfile+": nothing to change")
	case dry:
		fmt.Fprintln(w, list.Lockfile+": would be written")
	default:
		fmt.Fprintln(w, list.Lockfile+": written")
	}
}
