// Package command is what every command of docker loom works with: the environment, how arguments name a loom, errors
// of usage.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/debug"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/stack/warnings"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Environment is what every command works with.
type Environment struct {
	Docker  *command.DockerCli
	Version string
	// Args are the process's arguments, without its name.
	Args []string
	// signals ends with the process's first SIGINT or SIGTERM; ctx, the command's, also when the docker command goes away.
	Signals, Ctx context.Context

	// The root command's flags.
	Files, Profiles, EnvFiles []string
	ProjectDirectory          string
	// Project is the folder of the project of a loom that is meant.
	Project string
	// StepProject is the folder of the project that next steps have to name, if that was not told by the user.
	StepProject string
	Progress    string

	// Quiet says that the command has --quiet: nothing is told but results and errors.
	Quiet bool

	// opened is what the command works with, for its end.
	Opened *loom.Looms
	Debug  bool

	Root *cobra.Command // docker loom itself
}

// Prepare joins the two ways in which a command is told to end, and sets what Compose keeps in globals.
func (env *Environment) Prepare(cmd *cobra.Command) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	context.AfterFunc(env.Signals, cancel)
	cmd.SetContext(ctx)
	env.Ctx = ctx
	if err := OneOf("progress", env.Progress, "auto", "tty", "plain", "json", "quiet"); err != nil {
		return WrongUsage(nil, err)
	}
	mode := cmp.Or(env.Progress, "auto")
	if mode == "auto" && env.Debug {
		// Lines that come in between would break up what is redrawn in place.
		mode = "plain"
	}
	if quiet, err := cmd.Flags().GetBool("quiet"); err == nil && quiet {
		env.Quiet, mode = true, "quiet"
	}
	stack.SetProgress(mode)
	logrus.SetOutput(env.Docker.Err())
	logrus.SetFormatter(&warnings.Formatter{})
	if env.Debug {
		debug.Enable()
	}
	return nil
}

// Looms connects to the engine and opens the registry.
func (env *Environment) Looms() (*loom.Looms, error) {
	e, err := env.Engine()
	if err != nil {
		return nil, err
	}
	l, err := env.LoomsOn(e)
	env.Opened = l
	return l, err
}

// LoomsOn opens the registry for the looms on this engine.
func (env *Environment) LoomsOn(e *engine.Engine) (*loom.Looms, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	l := &loom.Looms{
		Stack:        stack.New(env.Docker, engine.LabelLoom),
		Engine:       e,
		Registry:     registry.Open(filepath.Join(config.Dir(), "loom")),
		FeatureStore: env.featureStore(),
		UserSettings: filepath.Join(home, ".config", "iloom-ai", "settings.json"),
		Version:      env.Version,
		Process:      process(),
	}
	teller := &tell.Writer{Out: env.Docker.Err(), Quiet: env.Quiet, Complete: env.WithProject}
	if env.Docker.In().IsTerminal() {
		teller.Question = env.Put
	}
	l.Teller = teller
	l.Companions = []loom.Companion{agent.NewCompanion(l)}
	if cache, err := os.UserCacheDir(); err == nil {
		l.Cache = filepath.Join(cache, "docker-loom")
	}
	if logrus.IsLevelEnabled(logrus.DebugLevel) {
		teller.Debug = logrus.Debugf
	}
	return l, nil
}

// Engine connects to the engine. The docker client's first use asks the engine for its version and waits for 2 s, which
// is
// all the time there is for an error: so a host that swallows packets is tried before.
func (env *Environment) Engine() (*engine.Engine, error) {
	const patience = 1500 * time.Millisecond
	name := env.Docker.CurrentContext()
	begun := time.Now()
	if host := env.tcpHost(name); host != "" {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(host, "tcp://"), patience)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				err = fmt.Errorf("no answer within %s", patience)
			}
			api, apiErr := client.NewClientWithOpts(client.WithHost(host))
			if apiErr != nil {
				return nil, apiErr
			}
			return engine.New(api, name, engine.Silent(err)), nil
		}
		conn.Close()
	}
	api := env.Docker.Client()
	left := max(2*time.Second-time.Since(begun), 10*time.Millisecond)
	return engine.New(api, name, engine.Endpoint(env.Docker.DockerEndpoint().Host), engine.Patience(left)), nil
}

// tcpHost is the address of the engine, tcp://HOST:PORT, where it is one; "" where it is another or not known before
// the
// client is made.
func (env *Environment) tcpHost(name string) string {
	host := os.Getenv(client.EnvOverrideHost)
	if name != command.DefaultContextName {
		meta, err := env.Docker.ContextStore().GetMetadata(name)
		if err != nil {
			return ""
		}
		endpoint, err := dockercontext.EndpointFromContext(meta)
		if err != nil {
			return ""
		}
		host = endpoint.Host
	}
	if u, err := url.Parse(host); err != nil || u.Scheme != "tcp" || u.Port() == "" {
		return ""
	}
	return host
}

// Where is the loom that the arguments name, looked for from the current folder.
func (env *Environment) Where(args []string) (loom.Where, error) {
	dir, err := os.Getwd()
	if err != nil {
		return loom.Where{}, err
	}
	w := loom.Where{Source: stack.Source{
		Dir: dir, Files: env.Files, EnvFiles: env.EnvFiles, Profiles: env.Profiles,
		ProjectDirectory: env.ProjectDirectory, Environ: os.Environ(),
	}, Project: env.Project}
	if len(args) > 0 {
		// An argument that is not an id is wrong usage, with an engine or without.
		if _, err := loom.ParseID(args[0]); err != nil {
			return w, err
		}
		w.ID = args[0]
	}
	return w, nil
}

// Folder is the current folder with its links followed, "" if it is not known.
func Folder() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// Begin is how a command on one loom begins: what the arguments name, then the engine and the registry.
func (env *Environment) Begin(args []string) (*loom.Looms, loom.Where, error) {
	where, err := env.Where(args)
	if err != nil {
		return nil, where, err
	}
	l, err := env.Looms()
	return l, where, err
}

// featureStore keeps features in the user's cache folder, and asks registries with the credentials of docker login.
func (env *Environment) featureStore() *features.Store {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = config.Dir()
	}
	return &features.Store{
		Dir: filepath.Join(cache, "docker-loom", "features"),
		Credential: func(_ context.Context, host string) (auth.Credential, error) {
			c, err := env.Docker.ConfigFile().GetAuthConfig(credentials.ServerAddressFromHostname(host))
			return auth.Credential{
				Username: c.Username, Password: c.Password, RefreshToken: c.IdentityToken, AccessToken: c.RegistryToken,
			}, err
		},
		GitHubToken: cmp.Or(os.Getenv("GH_TOKEN"), os.Getenv("GITHUB_TOKEN")),
		Note:        func(text string) { fmt.Fprintln(env.Docker.Err(), "warning: "+text) },
	}
}

// Named is how a command on [ID] [SERVICE...] begins: the loom that is meant, and the arguments behind its id.
func (env *Environment) Named(ctx context.Context, args []string) (*loom.Looms, *loom.Target, []string, error) {
	l, where, err := env.Begin(args)
	if err != nil {
		return nil, nil, nil, err
	}
	t, rest, err := l.Finder().Find(ctx, loom.Query{Where: where, Words: args, Purpose: loom.Reading})
	env.NoteProject(t)
	return l, t, rest, err
}

// NamedWhole is Named for a command that acts on all projects of the loom if no service is named.
func (env *Environment) NamedWhole(ctx context.Context, args []string) (*loom.Looms, *loom.Target, []string, error) {
	l, where, err := env.Begin(args)
	if err != nil {
		return nil, nil, nil, err
	}
	t, rest, err := l.Finder().FindWhole(ctx, loom.Query{Where: where, Words: args, Purpose: loom.Reading})
	if len(rest) > 0 {
		env.NoteProject(t)
	}
	return l, t, rest, err
}

// OneService is how a command on [ID] SERVICE begins: the project that is meant has the service.
func (env *Environment) OneService(
	ctx context.Context, args []string, service string,
) (*loom.Looms, *loom.Target, error) {
	l, where, err := env.Begin(args)
	if err != nil {
		return nil, nil, err
	}
	t, err := l.Finder().ResolveService(ctx, where, service)
	env.NoteProject(t)
	return l, t, err
}

// process is the process that the command runs in.
func process() host.Process {
	p := host.Current()
	p.Expose = func(environ []string) {
		os.Clearenv()
		for _, kv := range environ {
			if name, value, ok := strings.Cut(kv, "="); ok {
				_ = os.Setenv(name, value) // it was set before
			}
		}
	}
	return p
}
