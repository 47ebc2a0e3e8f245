// Package plugin is the command line of docker loom: one file a command, flags, tables, hints and exit codes. It asks
// loom to do the work and tells what came of it: results on stdout, everything else on stderr.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/debug"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Main runs the plugin with the process's arguments and returns its exit code: 0; 1 where the work failed; 2 for wrong
// usage; 130 after Ctrl-C. Those of exec and shell are the command's own, and 125 where it was not run.
func Main(version string) int {
	os.Args = append(os.Args[:1:1], withoutID(asPlugin(os.Args[1:]))...)
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work in order; a second one, while that takes its time, ends the process.
	context.AfterFunc(signals, stop)
	docker, err := command.NewDockerCli(command.WithBaseContext(signals))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	env := &environment{docker: docker, version: version, signals: signals, ctx: signals}
	err = plugin.RunPlugin(docker, newLoomCommand(env), metadata.Metadata{
		SchemaVersion: "0.1.0", Vendor: "docker loom", Version: version, URL: "https://github.com/docker-loom/docker-loom",
	})
	if env.opened != nil {
		env.opened.Leave()
	}
	return report(docker.Err(), err, env.ctx.Err() != nil)
}

// asPlugin makes "docker-loom up" mean what "docker loom up" means. The docker command passes its own global flags and
// the plugin's name, so that only a call without the name comes from a person.
func asPlugin(args []string) []string {
	if os.Getenv(metadata.ReexecEnvvar) != "" && slices.Contains(args, "loom") {
		return args
	}
	at := globalFlags(args)
	if at < len(args) && (args[at] == "loom" || args[at] == metadata.MetadataSubcommandName || strings.HasPrefix(args[at], cobra.ShellCompRequestCmd)) {
		return args
	}
	return slices.Insert(slices.Clone(args), at, "loom")
}

// globalFlags counts the arguments that are the docker command's own flags, with their values.
func globalFlags(args []string) int {
	at := 0
	for at < len(args) && dockerFlag.MatchString(args[at]) {
		if dockerFlagWithValue[args[at]] {
			at++
		}
		at++
	}
	return min(at, len(args))
}

// The docker command's own flags, which stand before the plugin's name.
var (
	dockerFlag          = regexp.MustCompile(`^(-[DcHl]|--(config|context|debug|host|log-level|tls\w*))(=.*)?$`)
	dockerFlagWithValue = map[string]bool{
		"-c": true, "-H": true, "-l": true, "--config": true, "--context": true, "--host": true,
		"--log-level": true, "--tlscacert": true, "--tlscert": true, "--tlskey": true,
	}
)

// environment is what every command works with.
type environment struct {
	docker  *command.DockerCli
	version string
	// signals ends with the process's first SIGINT or SIGTERM; ctx, the command's, also when the docker command goes away.
	signals, ctx context.Context

	// The root command's flags.
	files, profiles, envFiles []string
	projectDirectory          string
	progress                  string

	// opened is what the command works with, for its end.
	opened *loom.Looms
	debug  bool

	root *cobra.Command // docker loom itself
}

func newLoomCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "loom",
		Short: "Give each issue or branch its own copy of the project's environment",
		Long: `Give each issue, branch or work tree its own copy of the project's environment: its own Compose project, host ports
that no other copy has, its own volumes. The compose files stay as they are.`,
		Example:                    "  docker loom up 123\n  docker loom ls\n  docker loom down 123 --volumes",
		TraverseChildren:           true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 1, // letters that may be wrong
		Args:                       noSuchCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := plugin.PersistentPreRunE(cmd, args); err != nil {
				return err
			}
			return env.prepare(cmd)
		},
	}
	env.root = cmd
	flags := cmd.Flags()
	flags.StringArrayVarP(&env.files, "file", "f", nil, "Compose configuration files")
	flags.StringArrayVar(&env.profiles, "profile", nil, "Specify a profile to enable")
	flags.StringArrayVar(&env.envFiles, "env-file", envList("COMPOSE_ENV_FILES"), "Specify an alternate environment file")
	flags.StringVar(&env.projectDirectory, "project-directory", "", "Specify an alternate working directory\n(default: the path of the first specified compose file)")
	flags.StringVar(&env.progress, "progress", os.Getenv("COMPOSE_PROGRESS"), "Set type of progress output (auto, tty, plain, json, quiet)")
	cmd.PersistentFlags().BoolVarP(&env.debug, "debug", "D", false, "Tell on stderr what is read and decided")
	cmd.AddCommand(newEnvCommand(env), newPortCommand(env), newOpenCommand(env))
	cmd.AddCommand(newExecCommand(env), newShellCommand(env), newCodeCommand(env), newAgentCommand(env))
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd, flagError(err)} })
	cmd.AddCommand(
		newUpCommand(env), newPrepareCommand(env), newDownCommand(env), newListCommand(env), newPsCommand(env),
		newConfigCommand(env), newStopCommand(env), newStartCommand(env), newLogsCommand(env), newDoctorCommand(env),
		newPruneCommand(env), newHoldCommand(env), newRmCommand(env), newVersionCommand(env), newInitCommand(env),
	)
	cmd.AddCommand(
		newRestartCommand(env), newKillCommand(env), newPauseCommand(env), newUnpauseCommand(env), newTopCommand(env), newCopyCommand(env),
		newBuildCommand(env), newPullCommand(env), newRunCommand(env), newStatsCommand(env), newComposeCommand(env),
		newFeaturesCommand(env), newImageCommand(env),
	)
	complete(env, cmd)
	return cmd
}

func envList(name string) []string {
	return strings.FieldsFunc(os.Getenv(name), func(r rune) bool { return r == ',' })
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if list := cmd.SuggestionsFor(args[0]); len(list) > 0 {
		meant = "; did you mean " + strings.Join(list, " or ") + "?"
	}
	return usageError{cmd, fmt.Errorf("%q is no docker loom command%s", args[0], meant)}
}

// prepare joins the two ways in which a command is told to end, and sets what Compose keeps in globals.
func (env *environment) prepare(cmd *cobra.Command) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	context.AfterFunc(env.signals, cancel)
	cmd.SetContext(ctx)
	env.ctx = ctx
	switch env.progress {
	case "", "auto":
		stack.SetProgress("auto")
		if env.debug {
			// Lines that come in between would break up what is redrawn in place.
			stack.SetProgress("plain")
		}
	case "tty", "plain", "json", "quiet":
		stack.SetProgress(env.progress)
	default:
		return usageError{nil, fmt.Errorf("--progress %s: it is auto, tty, plain, json or quiet", env.progress)}
	}
	logrus.SetOutput(env.docker.Err())
	if env.debug {
		debug.Enable()
	}
	return nil
}

// looms connects to the engine and opens the registry.
func (env *environment) looms() (*loom.Looms, error) {
	e, err := env.engine()
	if err != nil {
		return nil, err
	}
	l, err := env.loomsOn(e)
	env.opened = l
	return l, err
}

// loomsOn opens the registry for the looms on this engine.
func (env *environment) loomsOn(e *engine.Engine) (*loom.Looms, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	l := &loom.Looms{
		Stack:        stack.New(env.docker, engine.LabelLoom),
		Engine:       e,
		Registry:     registry.Open(filepath.Join(config.Dir(), "loom")),
		FeatureStore: env.featureStore(),
		UserSettings: filepath.Join(home, ".config", "iloom-ai", "settings.json"),
		Version:      env.version,
		Process:      host.Current(),
	}
	teller := &tell.Writer{Out: env.docker.Err()}
	if env.docker.In().IsTerminal() {
		teller.Question = env.ask
	}
	l.Teller = teller
	l.Companions = []loom.Companion{agent.New(l)}
	if cache, err := os.UserCacheDir(); err == nil {
		l.Cache = filepath.Join(cache, "docker-loom")
	}
	if logrus.IsLevelEnabled(logrus.DebugLevel) {
		teller.Debug = logrus.Debugf
	}
	return l, nil
}

// engine connects to the engine. The docker client's first use asks the engine for its version and waits for 2 s, which is
// all the time there is for an error: so a host that swallows packets is tried before.
func (env *environment) engine() (*engine.Engine, error) {
	const patience = 1500 * time.Millisecond
	name := env.docker.CurrentContext()
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
	api := env.docker.Client()
	left := max(2*time.Second-time.Since(begun), 10*time.Millisecond)
	return engine.New(api, name, engine.Endpoint(env.docker.DockerEndpoint().Host), engine.Patience(left)), nil
}

// tcpHost is the address of the engine, tcp://HOST:PORT, where it is one; "" where it is another or not known before the
// client is made.
func (env *environment) tcpHost(name string) string {
	host := os.Getenv(client.EnvOverrideHost)
	if name != command.DefaultContextName {
		meta, err := env.docker.ContextStore().GetMetadata(name)
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

// where is the loom that the arguments name, looked for from the current folder.
func (env *environment) where(args []string) (loom.Where, error) {
	dir, err := os.Getwd()
	if err != nil {
		return loom.Where{}, err
	}
	w := loom.Where{Source: stack.Source{
		Dir: dir, Files: env.files, EnvFiles: env.envFiles, Profiles: env.profiles,
		ProjectDirectory: env.projectDirectory, Environ: os.Environ(),
	}}
	if len(args) > 0 {
		// What is no id is wrong usage, with an engine or without.
		if _, err := loom.ParseID(args[0]); err != nil {
			return w, err
		}
		w.ID = args[0]
	}
	return w, nil
}

// begin is how a command on one loom begins: what the arguments name, then the engine and the registry.
func (env *environment) begin(args []string) (*loom.Looms, loom.Where, error) {
	where, err := env.where(args)
	if err != nil {
		return nil, where, err
	}
	l, err := env.looms()
	return l, where, err
}

// flagError says what a flag's value has to be, where pflag quotes a parser.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	what := map[string]string{"int": "a whole number", "bool": "true or false", "duration": "a duration such as 30s or 2m"}[invalid.GetFlag().Value.Type()]
	if what == "" {
		return err
	}
	return fmt.Errorf("--%s %s: it is %s", invalid.GetFlag().Name, invalid.GetValue(), what)
}

// maxArgs is cobra's rule with our exit code.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && n == 0 {
			return usageError{cmd, fmt.Errorf("%s takes no arguments, not %q", cmd.CommandPath(), args[0])}
		}
		if len(args) > n {
			return usageError{cmd, fmt.Errorf("%s takes at most %d argument(s), not %d", cmd.CommandPath(), n, len(args))}
		}
		return nil
	}
}

// usageError is wrong usage: exit code 2.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// report prints the error with its hint and gives the exit code.
func report(w io.Writer, err error, interrupted bool) int {
	var status cli.StatusError
	switch {
	case err == nil:
		return 0
	case interrupted && !errors.As(err, &status):
		if hint := hint(err); hint != "" {
			fmt.Fprintln(w, "interrupted: "+hint)
		} else {
			fmt.Fprintln(w, "interrupted")
		}
		return 130
	case errors.As(err, &status):
		if status.Status != "" {
			fmt.Fprintln(w, status.Status)
		}
		return max(status.StatusCode, 1)
	}
	fmt.Fprintln(w, "error: "+err.Error())
	if hint := hint(err); hint != "" {
		fmt.Fprintln(w, "hint: "+hint)
	}
	var usage usageError
	var id *loom.IDError
	switch {
	case errors.As(err, &usage) || errors.As(err, &id):
		return 2
	case errors.As(err, new(*loom.NotRunError)):
		return 125
	}
	return 1
}
