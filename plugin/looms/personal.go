package looms

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// personalOptions are what a user adds to a dev container, by the names that the reference CLI gives them.
type personalOptions struct {
	dotfiles  devbox.Dotfiles
	remoteEnv []string
	mounts    []string
	features  string
}

func (o *personalOptions) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.dotfiles.Repository, "dotfiles-repository", "",
		"Dotfiles for the dev container's user: a URL, or OWNER/NAME on GitHub")
	flags.StringVar(&o.dotfiles.InstallCommand, "dotfiles-install-command", "",
		"What installs the dotfiles (default install.sh, bootstrap.sh, setup.sh and the like)")
	flags.StringVar(&o.dotfiles.TargetPath, "dotfiles-target-path", "",
		"Where the dotfiles are cloned to (default ~/dotfiles)")
	flags.StringArrayVar(&o.remoteEnv, "remote-env", nil, "NAME=VALUE for the lifecycle hooks of this up, over remoteEnv")
	flags.StringArrayVar(&o.mounts, "mount", nil,
		"One more mount of the dev container, as docker run --mount takes it; without it the next up takes it away")
	flags.StringVar(&o.features, "additional-features", "",
		"Further features of the dev container, as in devcontainer.json: a JSON object")
}

// apply completes the request.
func (o *personalOptions) apply(req *loom.UpRequest) error {
	req.Hooks.Dotfiles = o.dotfiles
	for _, variable := range o.remoteEnv {
		name, value, ok := strings.Cut(variable, "=")
		if !ok || name == "" {
			return fmt.Errorf("--remote-env %s must be NAME=VALUE", variable)
		}
		if req.Hooks.RemoteEnv == nil {
			req.Hooks.RemoteEnv = map[string]string{}
		}
		req.Hooks.RemoteEnv[name] = value
	}
	added := map[string]any{}
	for _, text := range o.mounts {
		if _, err := devcontainer.ParseMount(text); err != nil {
			return fmt.Errorf("--mount %s: %w", text, err)
		}
	}
	if len(o.mounts) > 0 {
		added["mounts"] = o.mounts
	}
	if o.features != "" {
		var features map[string]json.RawMessage
		if err := json.Unmarshal([]byte(o.features), &features); err != nil {
			return fmt.Errorf("--additional-features must be a JSON object: %w", err)
		}
		added["features"] = features
	}
	if len(added) == 0 {
		return nil
	}
	text, err := json.Marshal(added)
	req.Added = string(text)
	return err
}
