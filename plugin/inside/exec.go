package inside

import (
	"context"

	"github.com/docker/cli/opts"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/agents"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type execOptions struct {
	agent     string
	service   string
	index     int
	user, dir string
	env       opts.ListOpts
	streams   command.StreamOptions
	detach    bool
}

func (o *execOptions) flags(flags *pflag.FlagSet) {
	o.env = opts.NewListOpts(opts.ValidateEnv)
	flags.StringVar(&o.service, "service", "",
		"Run it in this service (default: the dev container, or the one service that can be meant)")
	flags.IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	flags.StringVar(&o.agent, "agent", "",
		"Run it in the sandbox of this agent, as it runs (the default one is called "+agent.DefaultName+")")
	flags.StringVarP(&o.user, "user", "u", "", `Username or UID (format: "<name|uid>[:<group|gid>]")`)
	flags.StringVarP(&o.dir, "workdir", "w", "", "Working directory inside the container")
	flags.VarP(&o.env, "env", "e", "Set environment variables")
}

func newExecCommand(env *command.Environment) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [OPTIONS] [ID] [SERVICE] [--] COMMAND [ARG...]",
		Short: "Run a command in a container of a loom",
		Long: `Run a command in a container of a loom: in its dev container, as the user, in the folder and with the
environment that devcontainer.json says. Without a dev container it runs in the service that is named, or in the only
service, or in the only one that serves HTTP. The command has a terminal if docker loom has one, and reads standard
input only with -i.

The first argument is a loom if there is a loom of that name, otherwise a service of this folder's loom. Without an
argument before -- it is this folder's loom. A command behind an ID or a SERVICE needs no --.

The exit code is the command's; 125 if docker loom could not run it, 126 if it is not a program, 127 if it was not
found. The command inside also ends on Ctrl-C, or when nobody reads its output any more, as before | head.`,
		Example: `  docker loom exec 123 -- npm test
  docker loom exec 123 db -- psql -U postgres
  docker loom exec -- ls -l
  docker loom exec -i 123 db -- psql <dump.sql`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runExec(cmd, env, &o, args) },
	}
	flags := cmd.Flags()
	o.flags(flags)
	o.streams.Flags(flags)
	flags.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run the command in the background")
	flags.SetInterspersed(false)
	return cmd
}

func runExec(cmd *cobra.Command, env *command.Environment, o *execOptions, args []string) error {
	words, line, whole, err := execArgs(cmd.Flags(), args)
	if err != nil {
		return command.WrongUsage(cmd, err)
	}
	if len(line) == 0 && (!whole || len(words) < 2) {
		return command.Usagef(cmd, "%s needs a command: docker loom exec [ID] [SERVICE] -- COMMAND", cmd.CommandPath())
	}
	if o.detach && o.streams.Interactive {
		return command.Usagef(cmd, "-d and -i exclude each other")
	}
	req := inside.ExecRequest{Words: words, Whole: whole, Process: engine.Process{Cmd: line, Detach: o.detach}}
	return o.run(cmd.Context(), env, req)
}

// execArgs splits what stands behind exec into what names a loom and a service, and the command. Flags may also follow
// the
// first word; they end at the command. Where no -- tells where the command begins the words are whole: the first names
// a loom
// or a service, the others are the command.
func execArgs(flags *pflag.FlagSet, args []string) (words, command []string, whole bool, err error) {
	// A -- before the first word was taken away by the parser.
	if flags.ArgsLenAtDash() == 0 {
		return nil, args, false, nil
	}
	if len(args) == 0 {
		return nil, nil, false, nil
	}
	words = args[:1:1]
	if err := flags.Parse(args[1:]); err != nil {
		return nil, nil, false, err
	}
	args = flags.Args()
	switch {
	case len(args) == 0 || flags.ArgsLenAtDash() == 0:
		return words, args, false, nil
	case len(args) > 1 && args[1] == "--":
		return append(words, args[0]), args[2:], false, nil
	}
	return append(words, args...), nil, true, nil
}

// run runs the command of the request, with the process's own streams, and ends with its exit code.
func (o *execOptions) run(ctx context.Context, env *command.Environment, req inside.ExecRequest) error {
	if o.agent != "" {
		return o.inSandbox(ctx, env, req)
	}
	l, where, err := env.Begin(nil)
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	if len(req.Words) > 0 {
		if _, err := loom.ParseID(req.Words[0]); err != nil {
			return err
		}
	}
	p := &req.Process
	req.Where, req.Service, req.Index, req.Found = where, o.service, o.index, env.NoteProject
	p.User, p.Dir, p.Env = o.user, o.dir, o.env.GetSlice()
	if !p.Detach {
		o.streams.Join(env, p)
		var stop func()
		ctx, p.Signals, stop = command.PassSignals(ctx)
		defer stop()
	}
	return env.Ended(command.Execs(l).Exec(ctx, req))
}

// inSandbox is exec --agent and shell --agent: a command beside an agent's. Only an id can stand before it.
func (o *execOptions) inSandbox(ctx context.Context, env *command.Environment, req inside.ExecRequest) error {
	words, p := req.Words, req.Process
	if req.Whole && len(words) > 1 {
		words, p.Cmd = words[:1], words[1:]
	}
	switch {
	case o.service != "" || o.index > 0 || len(words) > 1:
		return command.Usagef(nil, "--agent takes no service")
	case o.user != "":
		return command.Usagef(nil, "--agent takes no --user: commands in a sandbox run as its agent")
	}
	p.Dir, p.Env = o.dir, o.env.GetSlice()
	id := ""
	if len(words) > 0 {
		id = words[0]
	}
	beside := agent.Request{Agent: o.agent, AsItIs: true, Quiet: true, Process: p}
	return agents.RunInSandbox(ctx, env, o.streams, id, beside)
}
