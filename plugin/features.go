package plugin

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/spf13/cobra"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// featureStore keeps features in the user's cache folder, and asks registries with the credentials of docker login.
func (env *environment) featureStore() *features.Store {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = config.Dir()
	}
	return &features.Store{
		Dir: filepath.Join(cache, "docker-loom", "features"),
		Credential: func(_ context.Context, host string) (auth.Credential, error) {
			c, err := env.docker.ConfigFile().GetAuthConfig(credentials.ServerAddressFromHostname(host))
			return auth.Credential{Username: c.Username, Password: c.Password, RefreshToken: c.IdentityToken, AccessToken: c.RegistryToken}, err
		},
		Note: func(text string) { fmt.Fprintln(env.docker.Err(), "warning: "+text) },
	}
}

type featuresOptions struct {
	config string
	lock   bool
	dryRun bool
	format string
}

func newFeaturesCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "features",
		Short: "Show and lock the features of the dev container",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFeaturesListCommand(env), newFeaturesLockCommand(env))
	return cmd
}

func newFeaturesListCommand(env *environment) *cobra.Command {
	var o featuresOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS] [ID]",
		Aliases: []string{"list"},
		Short:   "List the features of the dev container in the order of their installation",
		Example: "  docker loom features ls\n  docker loom features ls 123 --format json",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runFeatures(cmd.Context(), env, o, args) },
	}
	o.flags(cmd)
	return cmd
}

func newFeaturesLockCommand(env *environment) *cobra.Command {
	o := featuresOptions{lock: true}
	cmd := &cobra.Command{
		Use:   "lock [OPTIONS] [ID]",
		Short: "Write down in devcontainer-lock.json what the features are now",
		Long: `Ask the sources of all features what they are now, and write it down in devcontainer-lock.json beside the
devcontainer.json. From then on every up installs exactly these. Nothing else writes the file.`,
		Example: "  docker loom features lock\n  docker loom features lock --dry-run",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runFeatures(cmd.Context(), env, o, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would be locked and write nothing")
	return cmd
}

func (o *featuresOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.config, "config", "", "Path of the devcontainer.json")
	addFormat(cmd.Flags(), &o.format)
}

func runFeatures(ctx context.Context, env *environment, o featuresOptions, args []string) error {
	l, where, err := env.begin(args)
	if err != nil {
		return err
	}
	list, err := l.Features(ctx, loom.FeaturesRequest{Where: where, Config: o.config, Lock: o.lock, DryRun: o.dryRun})
	if err != nil {
		return err
	}
	if o.lock {
		tellLock(env.docker.Err(), list, o.dryRun)
	}
	return write(env.docker.Out(), o.format, list, func(w io.Writer) {
		rows := [][]string{{"FEATURE", "VERSION", "SOURCE", "DIGEST", "LOCKED"}}
		for _, f := range list.Features {
			locked := "-"
			if f.Locked {
				locked = "yes"
			}
			rows = append(rows, []string{f.ID, f.Version, f.Source, strings.TrimPrefix(f.Digest, "sha256:")[:12], locked})
		}
		columns(w, rows)
	})
}

func tellLock(w io.Writer, list *loom.FeatureList, dry bool) {
	switch {
	case !list.Changed:
		fmt.Fprintln(w, list.Lockfile+": nothing to change")
	case dry:
		fmt.Fprintln(w, list.Lockfile+": would be written")
	default:
		fmt.Fprintln(w, list.Lockfile+": written")
	}
}
