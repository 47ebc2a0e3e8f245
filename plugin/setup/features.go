package setup

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/setup"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type featuresOptions struct {
	config string
	lock   bool
	check  bool
	dryRun bool
	format string
	// only are the features of an upgrade, target is the version that the one of them gets.
	only   []string
	target string
}

func newFeaturesCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "features",
		Short: "Show and lock the features of the dev container",
		Args:  command.NoSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFeaturesListCommand(env), newFeaturesLockCommand(env),
		newFeaturesOutdatedCommand(env), newFeaturesUpgradeCommand(env))
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
devcontainer.json. From then on every up installs exactly these. This command and features upgrade alone write the file.

--check is for CI: it ends with 1 if a feature of the devcontainer.json is not locked, or a locked one is not used or
has another content.`,
		Example: "  docker loom features lock\n  docker loom features lock --check",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.check && o.dryRun {
				return command.Usagef(cmd, "--check writes nothing: leave out --dry-run")
			}
			return runFeatures(cmd.Context(), env, o, args)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.check, "check", false, "Compare the lockfile with what it should be, and write nothing")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would be locked and write nothing")
	return cmd
}

func newFeaturesOutdatedCommand(env *command.Environment) *cobra.Command {
	var o featuresOptions
	cmd := &cobra.Command{
		Use:   "outdated [OPTIONS] [ID]",
		Short: "List the features of the dev container with the versions that there are",
		Long: `List the features of the dev container with the versions that there are of them. CURRENT is what is locked,
WANTED the newest version that the id in devcontainer.json allows, LATEST the newest of all.`,
		Example: "  docker loom features outdated",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runOutdated(cmd.Context(), env, o, args) },
	}
	o.flags(cmd)
	return cmd
}

func newFeaturesUpgradeCommand(env *command.Environment) *cobra.Command {
	o := featuresOptions{lock: true}
	cmd := &cobra.Command{
		Use:   "upgrade [OPTIONS] [ID]",
		Short: "Lock the newest versions of features that devcontainer.json allows",
		Long: `Lock the newest versions of the features that their ids in devcontainer.json allow: of all, or of those named
with --feature, while the others stay as they are locked. With --target-version the id in devcontainer.json gets that
version first.`,
		Example: `  docker loom features upgrade
  docker loom features upgrade --feature ghcr.io/devcontainers/features/node:1
  docker loom features upgrade --feature ghcr.io/devcontainers/features/node:1 --target-version 2`,
		Args: command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.target != "" && len(o.only) != 1 {
				return command.Usagef(cmd, "--target-version goes with one --feature")
			}
			return runUpgrade(cmd.Context(), env, o, args)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringArrayVar(&o.only, "feature", nil,
		"A feature as it is written in devcontainer.json; all if none is named")
	cmd.Flags().StringVar(&o.target, "target-version", "",
		"The version that the id of the feature gets, such as 2 or 1.4.0")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would be locked and write nothing")
	return cmd
}

func (o *featuresOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.config, "config", "", "Path of the devcontainer.json")
	output.AddFormat(cmd.Flags(), &o.format)
}

func (o *featuresOptions) request(where loom.Where) setup.FeaturesRequest {
	return setup.FeaturesRequest{
		Where: where, Config: o.config, Lock: o.lock && !o.check, Check: o.check, DryRun: o.dryRun, Only: o.only,
	}
}

func runOutdated(ctx context.Context, env *command.Environment, o featuresOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	list, err := setup.Outdated(ctx, l, where, o.config)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, list, func(w io.Writer) {
		rows := [][]string{{"FEATURE", "CURRENT", "WANTED", "LATEST"}}
		for _, f := range list {
			rows = append(rows, []string{f.ID, cmp.Or(f.Current, "-"), cmp.Or(f.Wanted, "-"), cmp.Or(f.Latest, "-")})
		}
		output.Columns(w, rows)
	})
}

func runUpgrade(ctx context.Context, env *command.Environment, o featuresOptions, args []string) error {
	if o.target == "" {
		return runFeatures(ctx, env, o, args)
	}
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	id, err := setup.Retarget(ctx, l, o.request(where), o.target)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Docker.Err(), "%s: now %s\n", o.only[0], id)
	if o.dryRun {
		return nil
	}
	o.only = []string{id}
	return runFeatures(ctx, env, o, args)
}

func runFeatures(ctx context.Context, env *command.Environment, o featuresOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	list, err := setup.Features(ctx, l, o.request(where))
	if err != nil {
		return err
	}
	switch {
	case o.check:
		fmt.Fprintln(env.Docker.Err(), list.Lockfile+": as it should be")
	case o.lock:
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
