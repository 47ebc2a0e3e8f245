package looms

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type upOptions struct {
	create        createOptions
	wait, noWait  bool
	waitTimeout   time.Duration
	requirePorts  bool
	foreground    bool
	removeOrphans bool
	forceRecreate bool
	renewVolumes  bool
	open          bool
	personal      personalOptions
	skipHooks     bool
	secretsFile   string
	timeout       time.Duration
}

func newUpCommand(env *command.Environment) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up [OPTIONS] [ID] [SERVICE...]",
		Short: "Create and start a loom, and wait until it is ready",
		Long: `Create and start a loom, and wait until it is ready.

ID is an issue number, a key such as ENG-324, or a branch. The loom uses the work tree that belongs to it, otherwise the
current folder. --worktree makes a new work tree: on the branch of the loom's name or feat/issue-ID, with copies of the
main work tree's untracked env files and submodules. pr/45 gets the head of pull request 45. Git hooks do not run.
Without an ID it is the loom of the current folder; a main checkout that has none gets main, which is what docker
compose up would make.

With services it starts these and what they depend on. The first word is always the loom.

On a terminal it ends with the commands that one usually needs next; --quiet or DOCKER_CLI_HINTS=false leaves them
out.`,
		Example: `  docker loom up 123
  docker loom up 123 --worktree
  docker loom up 123 web worker
  docker loom up 123 --worktree --branch fix/login --from develop
  docker loom up 123 --dry-run
  docker loom up 124 --data-from 123
  docker loom up main`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			tree, err := o.create.tree.request(cmd, args)
			if err != nil {
				return err
			}
			return runUp(cmd.Context(), env, o, tree, args)
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *upOptions) flags(flags *pflag.FlagSet) {
	o.create.flags(flags)
	flags.BoolP("detach", "d", false, "Detached mode, as without --foreground anyway")
	flags.BoolVar(&o.wait, "wait", false, "Wait until the services are ready, as without --no-wait anyway")
	flags.BoolVar(&o.noWait, "no-wait", false, "Do not wait until the services are ready")
	command.DurationVar(flags, &o.waitTimeout, "wait-timeout", "",
		"How long to wait until the services are ready (default 3m, or ILOOM_DEV_SERVER_TIMEOUT in ms)")
	flags.BoolVar(&o.requirePorts, "require-ports", false,
		"Wait for every published port, and fail if nobody answers on one")
	flags.StringVar(&o.secretsFile, "secrets-file", "",
		"JSON file with variables for lifecycle hooks only; their values are masked in the output")
	o.personal.flags(flags)
	flags.BoolVar(&o.skipHooks, "skip-hooks", false, "Run no lifecycle hooks of the dev container; the next up does")
	flags.BoolVar(&o.open, "open", false, "Open a browser on the ports for which devcontainer.json asks it")
	flags.BoolVar(&o.foreground, "foreground", false,
		"Show the logs until Ctrl-C, which stops the loom; a second one kills it")
	flags.BoolVar(&o.removeOrphans, "remove-orphans", false,
		"Remove containers for services not defined in the compose files")
	flags.BoolVar(&o.forceRecreate, "force-recreate", false, "Recreate containers even if nothing changed")
	flags.BoolVarP(&o.renewVolumes, "renew-anon-volumes", "V", false,
		"Recreate anonymous volumes instead of retrieving data from the previous containers")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
}

func (o *upOptions) check(cmd *cobra.Command) error {
	switch {
	case o.foreground && cmd.Flags().Changed("detach"):
		return command.Usagef(cmd, "--detach and --foreground exclude each other")
	case o.wait && o.noWait:
		return command.Usagef(cmd, "--wait and --no-wait exclude each other")
	}
	return o.create.check(cmd)
}

// request is what the flags ask for, on the loom and the services that the arguments name.
func (o *upOptions) request(env *command.Environment, where loom.Where, args []string) (loom.UpRequest, error) {
	req := o.create.request(where)
	var err error
	if req.WaitTimeout, err = waitTimeout(o.waitTimeout); err != nil {
		return req, err
	}
	req.Services = args[min(1, len(args)):]
	req.NoWait, req.RequirePorts = o.noWait, o.requirePorts
	req.RemoveOrphans, req.ForceRecreate = o.removeOrphans, o.forceRecreate
	req.RenewVolumes, req.Timeout = o.renewVolumes, o.timeout
	if err := o.personal.apply(&req); err != nil {
		return req, err
	}
	return req, hookOptions(env, &req, *o)
}

func runUp(
	ctx context.Context, env *command.Environment, o upOptions, tree tree.Options, args []string,
) error {
	where, err := env.Where(args)
	if err != nil {
		return err
	}
	req, err := o.request(env, where, args)
	if err != nil {
		return err
	}
	req.Tree = tree
	l, err := env.Looms()
	if err != nil {
		return err
	}
	plans, result, err := l.UpTogether(ctx, req)
	if err != nil {
		for _, plan := range plans {
			output.Findings(env.Docker.Err(), env, plan.ID, plan.Findings, false)
		}
		return err
	}
	if o.create.dryRun {
		return tellPlans(env, plans, o.create.format, planSteps)
	}
	output.Findings(env.Docker.Err(), env, result.Loom, result.Findings, false)
	err = output.Write(env.Docker.Out(), o.create.format, result, func(w io.Writer) { output.ResultTable(w, result) })
	if err != nil {
		return err
	}
	if o.open {
		command.OpenPorts(ctx, env, result.Ports)
	}
	if o.foreground {
		up, err := targetsOf(ctx, l, where, plans)
		if err != nil {
			return err
		}
		return follow(ctx, env, l, up)
	}
	if !o.create.quiet && o.create.format == "" {
		tellNext(ctx, env, l, result)
	}
	return nil
}

// waitTimeout is the flag's value, or that of iloom's variable, or three minutes.
func waitTimeout(flag time.Duration) (time.Duration, error) {
	if flag > 0 {
		return flag, nil
	}
	if v := os.Getenv("ILOOM_DEV_SERVER_TIMEOUT"); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms <= 0 {
			return 0, fmt.Errorf("ILOOM_DEV_SERVER_TIMEOUT=%s is not a number of milliseconds", v)
		}
		return time.Duration(ms) * time.Millisecond, nil
	}
	return 3 * time.Minute, nil
}
