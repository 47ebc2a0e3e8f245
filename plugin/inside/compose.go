package inside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/manager"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/socket"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

func newComposeCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compose [ID] -- ARG...",
		Short: "Run any docker compose command on a loom",
		Long: `Run any docker compose command with a loom's files, project name and variables. It acts on the loom also where
its files are not on the disk, or are those of another loom. Its exit code is passed on.

What stands before -- is the loom's ID; without one it is the loom of this folder. This needs Docker's compose plugin.`,
		Example: `  docker loom compose 123 -- ps --all
  docker loom compose 123 -- exec web sh
  docker loom compose -- images`,
		Args: command.MinArgs(1, "a docker compose command"),
		RunE: func(cmd *cobra.Command, args []string) error { return runCompose(cmd, env, args) },
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// splitDash parts the id from the arguments that docker compose gets. dash is how many arguments stand before a -- that
// the flags' parser took away, negative if it took none. Without any -- the first argument is an id where it names a
// loom.
func splitDash(args []string, dash int) (id, rest []string, sure bool) {
	if dash >= 0 {
		return args[:dash], args[dash:], true
	}
	// The parser stops at the first argument, and leaves what is behind it.
	if at := slices.Index(args, "--"); at == 1 {
		return args[:1], args[2:], true
	}
	return nil, args, false
}

func runCompose(cmd *cobra.Command, env *command.Environment, args []string) error {
	ctx := cmd.Context()
	id, rest, sure := splitDash(args, cmd.ArgsLenAtDash())
	if sure && len(rest) == 0 {
		return command.Usagef(cmd, "no docker compose command after --")
	}
	l, where, err := env.Begin(id)
	if err != nil {
		return err
	}
	var t *loom.Target
	if sure {
		t, err = l.Finder().Resolve(ctx, where, loom.Reading)
	} else {
		named := where
		named.ID = args[0]
		t, err = l.Finder().Resolve(ctx, named, loom.Reading)
		rest = args[1:]
		var unknown *loom.UnknownError
		var noID *loom.IDError
		if errors.As(err, &unknown) || errors.As(err, &noID) {
			t, err = l.Finder().Resolve(ctx, where, loom.Reading)
			rest = args
		}
	}
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return command.Usagef(cmd, "which docker compose command on loom %s?", t.ID)
	}
	return runComposePlugin(ctx, env, l, t, rest)
}

// runComposePlugin runs docker compose on a loom, with the process's own streams, and ends with its exit code.
func runComposePlugin(
	ctx context.Context, env *command.Environment, l *loom.Looms, t *loom.Target, line []string,
) error {
	found, err := inside.PlanInvocation(ctx, l, t)
	if err != nil {
		return err
	}
	program, err := composePlugin(env)
	if err != nil {
		return err
	}
	flags, remove, err := composeFlags(env, found)
	if err != nil {
		return err
	}
	defer remove()
	// The docker command's own flags choose the engine.
	docker := env.Args[:command.GlobalFlags(env.Args)]
	child := exec.Command(program, slices.Concat(docker, []string{"compose"}, flags, line)...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = childEnv(found.Env)
	code, err := runChild(ctx, child, env.Docker.In().IsTerminal() || env.Docker.Out().IsTerminal())
	if err == nil && code != 0 {
		return cli.StatusError{StatusCode: code}
	}
	return err
}

// NoComposeError says that Docker's compose plugin is not installed.
type NoComposeError struct{ Err error }

// Error says which plugin is missing.
func (e *NoComposeError) Error() string {
	return fmt.Sprintf("docker loom compose runs Docker's compose plugin, which cannot be had: %v", e.Err)
}

// NextStep names the packages.
func (e *NoComposeError) NextStep() string {
	return "install it: the package is called docker-compose-plugin, or docker-compose"
}

// composePlugin is the path of Docker's compose plugin, found as the docker command finds it.
func composePlugin(env *command.Environment) (string, error) {
	p, err := manager.GetPlugin("compose", env.Docker, env.Root.Root())
	switch {
	case errdefs.IsNotFound(err):
		return "", &NoComposeError{errors.New("it is not installed")}
	case err != nil:
		return "", err
	case p.Err != nil:
		return "", &NoComposeError{p.Err}
	}
	return p.Path, nil
}

// composeFlags are those that make docker compose act on the loom. remove takes away the file that was written for it.
func composeFlags(env *command.Environment, found *inside.Invocation) (flags []string, remove func(), err error) {
	remove = func() {}
	for _, path := range found.Files {
		flags = append(flags, "--file", path)
	}
	if found.Override != nil {
		path, err := writeTemp(found.Override)
		if err != nil {
			return nil, remove, err
		}
		remove = func() { _ = os.Remove(path) }
		flags = append(flags, "--file", path)
	}
	flags = append(flags, "--project-name", found.Project, "--project-directory", found.Dir)
	for _, path := range found.EnvFiles {
		flags = append(flags, "--env-file", path)
	}
	for _, profile := range found.Profiles {
		flags = append(flags, "--profile", profile)
	}
	if env.Progress != "" {
		flags = append(flags, "--progress", env.Progress)
	}
	return flags, remove, nil
}

func writeTemp(content []byte) (string, error) {
	f, err := os.CreateTemp("", "docker-loom-*.yaml")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// childEnv is the environment of a plugin that we run as the docker command would. Plugins that the docker command runs
// are ended through a socket; this one is ended by signals.
func childEnv(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, socket.EnvKey+"=") })
	if os.Getenv(metadata.ReexecEnvvar) == "" {
		env = append(env, metadata.ReexecEnvvar+"=docker")
	}
	return env
}

// runChild runs a program until it ends, and returns its exit code. With a terminal the kernel gives both processes its
// signals; without one each signal that this process gets is passed on once. If ctx ends without a signal, as when only
// the docker command was told to end, the program gets the signal that asks it to end.
func runChild(ctx context.Context, child *exec.Cmd, terminal bool) (int, error) {
	signals := make(chan os.Signal, 8)
	stop := notifyChild(signals)
	defer stop()
	if !terminal {
		ownGroup(child)
	}
	if err := child.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- child.Wait() }()
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case err := <-done:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return 0, err
			}
			return exitCode(child.ProcessState), nil
		case sig := <-signals:
			late = nil
			pass(child.Process, sig, terminal)
		case <-ended:
			// The signal that ended ctx may be on its way here.
			ended, late = nil, time.After(200*time.Millisecond)
		case <-late:
			late = nil
			terminate(child.Process)
		}
	}
}
