// Package plugin is the command line of docker loom: the root command, its help, exit codes and completion. The
// commands
// are in the packages below, in groups. They ask loom to do the work: results go to stdout, everything else to stderr.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	dockercommand "github.com/docker/cli/cli/command"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/plugin/agents"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/inside"
	"github.com/docker-loom/docker-loom/plugin/looms"
	"github.com/docker-loom/docker-loom/plugin/setup"
	"github.com/docker-loom/docker-loom/plugin/upkeep"
)

// Main runs the plugin with the process's arguments and returns its exit code: 0; 1 if the work failed; 2 for wrong
// usage; 130 after Ctrl-C. exec and shell pass on their command's own, and 125 if it was not run.
func Main(version string) int {
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work in order; a second one, while that takes its time, ends the process.
	context.AfterFunc(signals, stop)
	docker, err := dockercommand.NewDockerCli(dockercommand.WithBaseContext(signals))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	env := &command.Environment{Docker: docker, Version: version, Args: os.Args[1:], Signals: signals, Ctx: signals}
	root := newLoomCommand(env)
	if args := asPlugin(env.Args); slices.Equal(args, env.Args) {
		err = plugin.RunPlugin(docker, root, metadata.Metadata{
			SchemaVersion: "0.1.0", Vendor: "docker loom", Version: version,
			URL: "https://github.com/docker-loom/docker-loom",
		})
	} else {
		err = runDirectly(docker, root, args)
	}
	if env.Opened != nil {
		env.Opened.InUse.Leave()
	}
	return report(docker.Err(), env, err, env.Ctx.Err() != nil)
}

// runDirectly runs a command that a person called as docker-loom, without the docker command before it.
func runDirectly(docker *dockercommand.DockerCli, root *cobra.Command, args []string) error {
	top := &cobra.Command{
		Use: "docker [OPTIONS] loom [ARG...]", TraverseChildren: true, SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	options, flags := cli.SetupPluginRootCommand(top)
	top.SetIn(docker.In())
	top.SetOut(docker.Out())
	top.SetErr(docker.Err())
	top.AddCommand(root)
	all := cli.NewTopLevelCommand(top, docker, options, flags)
	all.SetArgs(args)
	var once sync.Once
	plugin.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		once.Do(func() { err = all.Initialize() })
		return err
	}
	cmd, rest, err := all.HandleGlobalFlags()
	if err != nil {
		return err
	}
	cmd.SetArgs(rest)
	return cmd.Execute()
}

// asPlugin gives the arguments as the docker command would: "docker-loom up" means "docker loom up". The docker command
// passes its own global flags and
// the plugin's name, so that only a call without the name comes from a person.
func asPlugin(args []string) []string {
	if os.Getenv(metadata.ReexecEnvvar) != "" && slices.Contains(args, "loom") {
		return args
	}
	at := command.GlobalFlags(args)
	if at < len(args) {
		switch first := args[at]; {
		case first == "loom", first == metadata.MetadataSubcommandName,
			strings.HasPrefix(first, cobra.ShellCompRequestCmd):
			return args
		}
	}
	return slices.Insert(slices.Clone(args), at, "loom")
}

func newLoomCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "loom",
		Short: "Give each issue or branch its own copy of the project's environment",
		Long: `Give each issue, branch or work tree its own copy of the project's environment: its own Compose project, host
ports that no other copy has, its own volumes. The compose files stay as they are.`,
		Example:                    "  docker loom up 123\n  docker loom ls\n  docker loom down 123 --volumes",
		TraverseChildren:           true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 1, // letters that may be wrong
		Args:                       command.NoSuchCommand,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := plugin.PersistentPreRunE(cmd, args); err != nil {
				return err
			}
			return env.Prepare(cmd)
		},
	}
	env.Root = cmd
	cmd.Flags().StringArrayVarP(&env.Files, "file", "f", nil, "Compose configuration files")
	// Where they have no short form that a command needs, the flags may also stand behind the command.
	flags := cmd.PersistentFlags()
	flags.StringArrayVar(&env.Profiles, "profile", nil, "Specify a profile to enable")
	flags.StringArrayVar(&env.EnvFiles, "env-file", envList("COMPOSE_ENV_FILES"), "Specify an alternate environment file")
	flags.StringVar(&env.Project, "project", "",
		"Folder of the project that is meant, if a loom has several: apps/web")
	flags.StringVar(&env.ProjectDirectory, "project-directory", "",
		"Specify an alternate working directory\n(default: the path of the first specified compose file)")
	flags.StringVar(&env.Progress, "progress", os.Getenv("COMPOSE_PROGRESS"),
		"Set type of progress output (auto, tty, plain, json, quiet)")
	flags.BoolVarP(&env.Debug, "debug", "D", false, "Tell on stderr what is read and decided")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return command.WrongUsage(cmd, flagError(err)) })
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"looms", "Looms:", looms.Commands(env)},
		{"inside", "Inside a loom:", inside.Commands(env)},
		{"agents", "Agents:", agents.Commands(env)},
		{"setup", "Set-up:", setup.Commands(env)},
		{"upkeep", "Over time:", upkeep.Commands(env)},
	} {
		cmd.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.id
			cmd.AddCommand(c)
		}
	}
	shown := help{env}
	shown.install(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		shown.writeFirstSteps(cmd.OutOrStdout(), cmd, shown.width())
		return nil
	}
	disableFlagsInUseLine(cmd)
	complete(env, cmd)
	return cmd
}

// disableFlagsInUseLine keeps cobra from writing [flags] behind usage lines, which have [OPTIONS].
func disableFlagsInUseLine(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	for _, sub := range cmd.Commands() {
		disableFlagsInUseLine(sub)
	}
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
	what := map[string]string{
		"int": "a whole number", "bool": "true or false", "duration": "a number of seconds or a duration such as 2m",
	}[invalid.GetFlag().Value.Type()]
	if what == "" {
		return err
	}
	return fmt.Errorf("--%s must be %s, not %q", invalid.GetFlag().Name, what, invalid.GetValue())
}
