package looms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/docker/cli/cli"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type upOptions struct {
	create        createOptions
	noWait        bool
	waitTimeout   time.Duration
	requirePorts  bool
	foreground    bool
	removeOrphans bool
	forceRecreate bool
	open          bool
	skipHooks     bool
	secretsFile   string
	timeout       time.Duration
}

// createOptions are those that up and prepare share.
type createOptions struct {
	offset int
	pinned bool
	dryRun bool
	trust  bool
	config string
	build  bool
	pull   string
	quiet  bool
	format string
	tree   treeOptions
	data   loom.DataRequest
}

// treeOptions are the flags for a work tree of the loom's own.
type treeOptions struct {
	worktree, branch, from, path string
}

func (o *treeOptions) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.worktree, "worktree", "", `Give the loom a work tree of its own ("true"); "auto": only if another loom works in this folder`)
	flags.Lookup("worktree").NoOptDefVal = string(loom.TreeAlways)
	flags.StringVar(&o.branch, "branch", "", "Branch of the new work tree (default feat/issue-ID)")
	flags.StringVar(&o.from, "from", "", "Where a new branch begins (default: the main branch)")
	flags.StringVar(&o.path, "path", "", "Folder of the new work tree (default: beside the repository, in REPOSITORY-looms)")
}

// request checks the flags. Any of them asks for a work tree.
func (o *treeOptions) request(cmd *cobra.Command, args []string) (loom.TreeOptions, error) {
	t := loom.TreeOptions{Mode: loom.TreeMode(o.worktree), Branch: o.branch, From: o.from}
	more := ""
	for _, name := range []string{"branch", "from", "path"} {
		f := cmd.Flags().Lookup(name)
		if f.Changed && f.Value.String() == "" {
			return t, command.Usagef(cmd, "--%s: nothing is given", name)
		}
		if f.Changed {
			more = "--" + name
		}
	}
	switch t.Mode {
	case loom.TreeSettings, loom.TreeAlways, loom.TreeAuto:
	case loom.TreeNever:
		if more != "" {
			return t, command.Usagef(cmd, "%s is for a new work tree, and --worktree=false wants none", more)
		}
	default:
		return t, command.Usagef(cmd, "--worktree must be true, auto or false, not %q", o.worktree)
	}
	if len(args) == 0 && (more != "" || t.Mode == loom.TreeAlways || t.Mode == loom.TreeAuto) {
		return t, command.Usagef(cmd, "a work tree is made for an ID: give one")
	}
	if o.path != "" {
		var err error
		if t.Path, err = filepath.Abs(o.path); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (o *createOptions) flags(flags *pflag.FlagSet) {
	flags.IntVar(&o.offset, "offset", 0, "Add exactly this to every base port")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show the plan and change nothing")
	flags.BoolVar(&o.trust, "trust", false, "Accept what the files of a pull request, or after an agent worked on them, ask of this machine")
	flags.StringVar(&o.config, "config", "", "The devcontainer.json to use, from now on")
	flags.BoolVar(&o.build, "build", false, "Build images before starting containers")
	flags.StringVar(&o.pull, "pull", "", `Pull images before running ("always", "missing", "never")`)
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	o.tree.flags(flags)
	output.AddFormat(flags, &o.format)
	dataFlags(flags, &o.data)
}

// dataFlags are those for the data that a new loom begins with.
func dataFlags(flags *pflag.FlagSet, d *loom.DataRequest) {
	flags.StringVar(&d.From, "data-from", "", "Begin with a copy of the named volumes of another loom; its services that write them are paused meanwhile")
	flags.BoolVar(&d.Live, "live", false, "With --data-from: copy while the other loom writes, which files in the making may not survive")
	flags.BoolVar(&d.Stop, "stop-source", false, "With --data-from: stop the other loom's services instead of pausing them, so that they write what they keep in memory")
}

func checkData(cmd *cobra.Command, d loom.DataRequest) error {
	switch {
	case d.From == "" && cmd.Flags().Changed("data-from"):
		return command.Usagef(cmd, "--data-from: no loom is given")
	case d.From == "" && (d.Live || d.Stop):
		return command.Usagef(cmd, "--live and --stop-source go with --data-from")
	case d.Live && d.Stop:
		return command.Usagef(cmd, "--live stops nothing: leave out one of --live and --stop-source")
	}
	return nil
}

func (o *createOptions) check(cmd *cobra.Command) error {
	if err := checkData(cmd, o.data); err != nil {
		return err
	}
	o.pinned = cmd.Flags().Changed("offset")
	if o.pinned && o.offset < 0 {
		return command.Usagef(cmd, "--offset must not be negative: %d", o.offset)
	}
	if err := command.OneOf("pull", o.pull, "always", "missing", "never"); err != nil {
		return command.WrongUsage(cmd, err)
	}
	if o.quiet {
		stack.SetProgress("quiet")
	}
	return nil
}

func (o *createOptions) request(where loom.Where) loom.UpRequest {
	req := loom.UpRequest{Where: where, CreateOptions: stack.CreateOptions{Build: o.build, Pull: o.pull}}
	req.DryRun, req.Trust, req.Config = o.dryRun, o.trust, from(where.Source.Dir, o.config)
	req.Data = o.data
	if o.pinned {
		req.Offset = &o.offset
	}
	return req
}

// from makes a path absolute that counts from the folder; "" stays.
func from(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func newUpCommand(env *command.Environment) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up [OPTIONS] [ID]",
		Short: "Create and start a loom, and wait until it is ready",
		Long: `Create and start a loom, and wait until it is ready.

ID is an issue number, a key such as ENG-324, or a branch. The loom uses the work tree that belongs to it, else the
current folder; with --worktree, else a new one: on the branch of its name or feat/issue-ID, with copies of the main
work tree's untracked env files. pr/45 gets the head of pull request 45. Git hooks do not run, submodules stay empty.
Without an ID it is the loom of the current folder; in a main checkout that has none it is main, which is what docker
compose up would make.

On a terminal it ends with the commands that one usually needs next; --quiet or DOCKER_CLI_HINTS=false leaves them out.`,
		Example: "  docker loom up 123\n  docker loom up 123 --worktree\n  docker loom up 123 --worktree --branch fix/login --from develop\n  docker loom up 123 --dry-run\n  docker loom up 124 --data-from 123\n  docker loom up main",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.create.check(cmd); err != nil {
				return err
			}
			tree, err := o.create.tree.request(cmd, args)
			if err != nil {
				return err
			}
			return runUp(cmd.Context(), env, o, tree, args)
		},
	}
	flags := cmd.Flags()
	o.create.flags(flags)
	flags.BoolVar(&o.noWait, "no-wait", false, "Do not wait until the services are ready")
	command.DurationVar(flags, &o.waitTimeout, "wait-timeout", "",
		"How long to wait until the services are ready (default 3m, or ILOOM_DEV_SERVER_TIMEOUT in ms)")
	flags.BoolVar(&o.requirePorts, "require-ports", false, "Fail if nobody answers on a published port")
	flags.StringVar(&o.secretsFile, "secrets-file", "", "JSON file with variables for lifecycle hooks only; their values are masked in the output")
	flags.BoolVar(&o.skipHooks, "skip-hooks", false, "Run no lifecycle hooks of the dev container; the next up does")
	flags.BoolVar(&o.open, "open", false, "Open a browser on the ports that the devcontainer.json says it for")
	flags.BoolVar(&o.foreground, "foreground", false, "Show the logs until Ctrl-C, which stops the loom; a second one kills it")
	flags.BoolVar(&o.removeOrphans, "remove-orphans", false, "Remove containers for services not defined in the compose files")
	flags.BoolVar(&o.forceRecreate, "force-recreate", false, "Recreate containers even if nothing changed")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	return cmd
}

func runUp(ctx context.Context, env *command.Environment, o upOptions, tree loom.TreeOptions, args []string) error {
	wait, err := waitTimeout(o.waitTimeout)
	if err != nil {
		return err
	}
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req := o.create.request(where)
	req.Tree = tree
	req.NoWait, req.WaitTimeout, req.RequirePorts = o.noWait, wait, o.requirePorts
	if err := hookOptions(env, &req, o); err != nil {
		return err
	}
	req.RemoveOrphans, req.ForceRecreate, req.Timeout = o.removeOrphans, o.forceRecreate, o.timeout
	plan, result, err := l.Up(ctx, req)
	if err != nil {
		if plan != nil {
			output.Findings(env.Docker.Err(), plan.Findings, o.create.quiet)
		}
		return err
	}
	if o.create.dryRun {
		return tellPlan(env, plan, o.create.format, false)
	}
	output.Findings(env.Docker.Err(), result.Findings, o.create.quiet)
	if err := output.Write(env.Docker.Out(), o.create.format, result, func(w io.Writer) { output.ResultTable(w, result) }); err != nil {
		return err
	}
	if o.open {
		command.OpenPorts(ctx, env, result.Ports)
	}
	if o.foreground {
		return follow(ctx, env, l, plan.Target)
	}
	if !o.create.quiet && o.create.format == "" {
		tellNext(env, result)
	}
	return nil
}

// waitTimeout is the flag's value, else that of iloom's variable, else three minutes.
func waitTimeout(flag time.Duration) (time.Duration, error) {
	if flag > 0 {
		return flag, nil
	}
	if v := os.Getenv("ILOOM_DEV_SERVER_TIMEOUT"); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms <= 0 {
			return 0, fmt.Errorf("ILOOM_DEV_SERVER_TIMEOUT=%s is no number of milliseconds", v)
		}
		return time.Duration(ms) * time.Millisecond, nil
	}
	return 3 * time.Minute, nil
}

// follow shows the logs until the first Ctrl-C, which stops the loom; the second kills it.
func follow(ctx context.Context, env *command.Environment, l *loom.Looms, t *loom.Target) error {
	again := make(chan os.Signal, 2)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	known, err := l.Resolve(ctx, loom.Where{ID: t.ID, Source: t.Source}, loom.Reading)
	if err != nil {
		return err
	}
	// What the containers say while they stop is wanted too.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	logs := make(chan error, 1)
	go func() {
		logs <- l.Logs(lasting, known, stack.LogOptions{Follow: true, Stdout: env.Docker.Out(), Stderr: env.Docker.Err(), NoColor: !env.Docker.Out().IsTerminal()})
	}()
	select {
	case err := <-logs:
		return err
	case <-ctx.Done():
	}
	// The signal that ended ctx is in the channel too, unless the docker command alone was told to end.
	select {
	case <-again:
	case <-time.After(200 * time.Millisecond):
	}
	fmt.Fprintln(env.Docker.Err(), "stopping; Ctrl-C again kills")
	done := make(chan error, 1)
	go func() { done <- l.Stop(lasting, known, 0) }()
	select {
	case err = <-done:
	case <-again:
		if err = l.Stack.Kill(lasting, known.Known.Project); err != nil {
			break
		}
		// The engine answers before the containers have ended; the stop that waits for them then ends too.
		select {
		case err = <-done:
		case <-time.After(10 * time.Second):
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return cli.StatusError{StatusCode: 130}
}

func newPrepareCommand(env *command.Environment) *cobra.Command {
	var o createOptions
	var filesOnly bool
	cmd := &cobra.Command{
		Use:   "prepare [OPTIONS] [ID]",
		Short: "Lease ports, write files, build and create the containers of a loom without starting them",
		Long: `Lease ports, write files, build and create the containers of a loom without starting them. An editor, or plain
docker compose up, then starts exactly those.`,
		Example: "  docker loom prepare 123\n  docker compose up -d",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			tree, err := o.tree.request(cmd, args)
			if err != nil {
				return err
			}
			return runPrepare(cmd.Context(), env, o, tree, filesOnly, args)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&filesOnly, "files-only", false, "Lease ports and write files, and stop there")
	return cmd
}

func runPrepare(ctx context.Context, env *command.Environment, o createOptions, tree loom.TreeOptions, filesOnly bool, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req := o.request(where)
	req.CreateOnly, req.FilesOnly, req.Tree = true, filesOnly, tree
	plan, result, err := l.Up(ctx, req)
	if err != nil {
		return err
	}
	if o.dryRun {
		return tellPlan(env, plan, o.format, false)
	}
	output.Findings(env.Docker.Err(), result.Findings, o.quiet)
	return output.Write(env.Docker.Out(), o.format, result, func(w io.Writer) {
		if filesOnly {
			for _, f := range plan.Files {
				fmt.Fprintln(w, f.Path)
			}
			return
		}
		output.ResultTable(w, result)
	})
}
