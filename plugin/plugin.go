// Package plugin is the command line of docker loom: the root command, its help, exit codes and completion. The commands
// are in the packages below, in groups. They ask loom to do the work: results go to stdout, everything else to stderr.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	dockercommand "github.com/docker/cli/cli/command"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/agents"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/inside"
	"github.com/docker-loom/docker-loom/plugin/looms"
	"github.com/docker-loom/docker-loom/plugin/setup"
	"github.com/docker-loom/docker-loom/plugin/upkeep"
)

// Main runs the plugin with the process's arguments and returns its exit code: 0; 1 where the work failed; 2 for wrong
// usage; 130 after Ctrl-C. Those of exec and shell are the command's own, and 125 where it was not run.
func Main(version string) int {
	os.Args = append(os.Args[:1:1], agents.WithoutID(asPlugin(os.Args[1:]))...)
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work in order; a second one, while that takes its time, ends the process.
	context.AfterFunc(signals, stop)
	docker, err := dockercommand.NewDockerCli(dockercommand.WithBaseContext(signals))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	env := &command.Environment{Docker: docker, Version: version, Signals: signals, Ctx: signals}
	err = plugin.RunPlugin(docker, newLoomCommand(env), metadata.Metadata{
		SchemaVersion: "0.1.0", Vendor: "docker loom", Version: version, URL: "https://github.com/docker-loom/docker-loom",
	})
	if env.Opened != nil {
		env.Opened.Leave()
	}
	return report(docker.Err(), err, env.Ctx.Err() != nil)
}

// asPlugin makes "docker-loom up" mean what "docker loom up" means. The docker command passes its own global flags and
// the plugin's name, so that only a call without the name comes from a person.
func asPlugin(args []string) []string {
	if os.Getenv(metadata.ReexecEnvvar) != "" && slices.Contains(args, "loom") {
		return args
	}
	at := command.GlobalFlags(args)
	if at < len(args) && (args[at] == "loom" || args[at] == metadata.MetadataSubcommandName || strings.HasPrefix(args[at], cobra.ShellCompRequestCmd)) {
		return args
	}
	return slices.Insert(slices.Clone(args), at, "loom")
}

func newLoomCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "loom",
		Short: "Give each issue or branch its own copy of the project's environment",
		Long: `Give each issue, branch or work tree its own copy of the project's environment: its own Compose project, host ports
that no other copy has, its own volumes. The compose files stay as they are.`,
		Example:                    "  docker loom up 123\n  docker loom ls\n  docker loom down 123 --volumes",
		TraverseChildren:           true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 1, // letters that may be wrong
		Args:                       command.NoSuchCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := plugin.PersistentPreRunE(cmd, args); err != nil {
				return err
			}
			return env.Prepare(cmd)
		},
	}
	env.Root = cmd
	flags := cmd.Flags()
	flags.StringArrayVarP(&env.Files, "file", "f", nil, "Compose configuration files")
	flags.StringArrayVar(&env.Profiles, "profile", nil, "Specify a profile to enable")
	flags.StringArrayVar(&env.EnvFiles, "env-file", envList("COMPOSE_ENV_FILES"), "Specify an alternate environment file")
	flags.StringVar(&env.ProjectDirectory, "project-directory", "", "Specify an alternate working directory\n(default: the path of the first specified compose file)")
	flags.StringVar(&env.Progress, "progress", os.Getenv("COMPOSE_PROGRESS"), "Set type of progress output (auto, tty, plain, json, quiet)")
	cmd.PersistentFlags().BoolVarP(&env.Debug, "debug", "D", false, "Tell on stderr what is read and decided")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return command.WrongUsage(cmd, flagError(err)) })
	for _, group := range [][]*cobra.Command{
		looms.Commands(env), inside.Commands(env), agents.Commands(env), setup.Commands(env), upkeep.Commands(env),
	} {
		cmd.AddCommand(group...)
	}
	complete(env, cmd)
	return cmd
}

func envList(name string) []string {
	return strings.FieldsFunc(os.Getenv(name), func(r rune) bool { return r == ',' })
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
	var usage command.UsageError
	var id *loom.IDError
	switch {
	case errors.As(err, &usage) || errors.As(err, &id):
		return 2
	case errors.As(err, new(*loom.NotRunError)):
		return 125
	}
	return 1
}
