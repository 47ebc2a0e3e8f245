package agents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/cli/opts"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// agentOptions are the flags of agent.
type agentOptions struct {
	loom, agent          string
	image                string
	egress, services     string
	vault                string
	secrets, secretFiles []string
	env                  opts.ListOpts
	dir                  string
	streams              command.StreamOptions
	detach, quiet, trust bool
	printAccess          bool
	format               string
}

// agentWhere are the flags by which all of agent's commands name a sandbox.
type agentWhere struct{ loom, agent string }

func (o *agentWhere) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.loom, "loom", "", "The loom, in place of ID")
	flags.StringVar(&o.agent, "as", "", "Name of the agent (default: "+loom.DefaultAgent+")")
}

func newAgentCommand(env *command.Environment) *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent [OPTIONS] [ID] [-- COMMAND [ARG...]]",
		Short: "Run a coding agent in a loom's sandbox",
		Long: `Run a coding agent, or another command, in a loom's sandbox: a container beside the loom's services that works on the
loom's work tree as its owner, reaches the services by name and the hosts on an allowlist, and nothing else. Without a
COMMAND it is container.agent.command of the settings, else claude --dangerously-skip-permissions.

The loom is brought up, and the sandbox is made, started or made anew where its settings changed. Before each start it is
proven from inside that the way out is closed; a sandbox that reaches what it must not is stopped.

With the sandbox the loom's services leave through a proxy too, because the agent edits what they run; they are made anew
once. --services-egress open leaves them as they are.

What the agent may do is read from your own settings and from the main work tree, never from a work tree that a sandbox can
write. ls, stop, log and allow are commands; a loom of such a name is meant with --loom.

The exit code is the command's; 125 where docker loom could not run it.`,
		Example: "  docker loom agent 123\n  docker loom agent 123 -- npm test\n  docker loom agent 123 --as reviewer\n  docker loom agent 123 --print-access",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runAgent(cmd, env, &o, args) },
	}
	flags := cmd.Flags()
	o.env = opts.NewListOpts(opts.ValidateEnv)
	flags.StringVar(&o.loom, "loom", "", "The loom, in place of ID")
	flags.StringVar(&o.agent, "as", "", "Name of the agent (default: "+loom.DefaultAgent+")")
	flags.StringVar(&o.image, "image", "", "Image of the sandbox")
	flags.StringVar(&o.egress, "egress", "", "What the agent reaches: none, restricted or open")
	flags.StringVar(&o.services, "services-egress", "", "How the loom's services reach the outside: restricted or open")
	flags.StringVar(&o.vault, "vault", "", "Use this folder of your vaults")
	flags.StringArrayVar(&o.secrets, "secret", nil, "Give the command NAME from the environment, or NAME=@FILE from a file")
	flags.StringArrayVar(&o.secretFiles, "secret-file", nil, "Give the command the NAME=VALUE lines of a file")
	flags.VarP(&o.env, "env", "e", "Set environment variables")
	flags.StringVarP(&o.dir, "workdir", "w", "", "Working directory inside the sandbox")
	flags.BoolVarP(&o.streams.NoTTY, "no-tty", "T", false, "Do not allocate a pseudo-TTY (default: as standard input and output are)")
	flags.BoolVarP(&o.streams.Interactive, "interactive", "i", false, "Pass standard input on to the command")
	flags.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run the command in the background")
	flags.StringVar(&o.streams.DetachKeys, "detach-keys", "", "Override the key sequence for detaching from the command")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Do not say what the agent can reach")
	flags.BoolVar(&o.trust, "trust", false, "Accept what the files of the work tree ask of this machine")
	flags.BoolVar(&o.printAccess, "print-access", false, "List all that the agent could read, write and reach, and do nothing")
	output.AddFormat(flags, &o.format)
	cmd.AddCommand(newAgentListCommand(env), newAgentStopCommand(env), newAgentLogCommand(env), newAgentAllowCommand(env))
	return cmd
}

// agentArgs splits what stands behind agent into the id and the command. An empty word stands for nothing; see
// [withoutID].
func agentArgs(flags *pflag.FlagSet, args []string) (id string, command []string, err error) {
	if at := flags.ArgsLenAtDash(); at >= 0 {
		args, command = args[:at], args[at:]
		if len(command) == 0 {
			return "", nil, errors.New("there is no command behind --")
		}
	}
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "" })
	switch {
	case len(args) > 1:
		return "", nil, fmt.Errorf("%q: a command stands behind --, as in docker loom agent %s -- %s", strings.Join(args[1:], " "), args[0], strings.Join(args[1:], " "))
	case len(args) == 1:
		id = args[0]
	}
	return id, command, nil
}

// WithoutID puts an empty word before the -- of "agent -- COMMAND": cobra looks for the command's first words among the
// names of agent's own commands.
func WithoutID(args []string) []string {
	at := slices.Index(args, "loom") + 1
	for at < len(args) && strings.HasPrefix(args[at], "-") {
		if rootFlagWithValue[args[at]] {
			at++
		}
		at++
	}
	if at >= len(args) || args[at] != "agent" {
		return args
	}
	if at+1 < len(args) && slices.Contains([]string{"ls", "list", "stop", "log", "logs", "allow"}, args[at+1]) {
		return args
	}
	if dash := slices.Index(args, "--"); dash > at {
		return slices.Insert(slices.Clone(args), dash, "")
	}
	return args
}

// rootFlagWithValue are the flags of docker loom itself that take a value.
var rootFlagWithValue = map[string]bool{"-f": true, "--file": true, "--profile": true, "--env-file": true, "--project-directory": true, "--progress": true}

func runAgent(cmd *cobra.Command, env *command.Environment, o *agentOptions, args []string) error {
	id, words, err := agentArgs(cmd.Flags(), args)
	if err != nil {
		return command.WrongUsage(cmd, err)
	}
	if id != "" && o.loom != "" {
		return command.Usagef(cmd, "two looms: %s and --loom %s", id, o.loom)
	}
	if id == "" {
		id = o.loom
	}
	if err := o.check(); err != nil {
		return command.WrongUsage(cmd, err)
	}
	req := loom.AgentRequest{
		Agent: o.agent, Image: o.image, Egress: o.egress, ServicesEgress: o.services, Vault: o.vault, Trust: o.trust, Quiet: o.quiet,
		Process: engine.Process{Cmd: words, Detach: o.detach, Dir: o.dir, Env: o.env.GetSlice()},
	}
	if req.Secrets, err = secrets(o.secrets, o.secretFiles); err != nil {
		return &loom.NotRunError{Err: err}
	}
	if o.printAccess {
		return printAccess(cmd.Context(), env, o.format, id, req)
	}
	return RunInSandbox(cmd.Context(), env, o.streams, id, req)
}

func (o *agentOptions) check() error {
	if o.agent != "" && !loom.AgentName(o.agent) {
		return fmt.Errorf("--as %s: a name is of lower-case letters, digits, - and _", o.agent)
	}
	if o.egress != "" && !slices.Contains([]string{"none", "restricted", "open"}, o.egress) {
		return fmt.Errorf("--egress %s: it is none, restricted or open", o.egress)
	}
	if o.services != "" && !slices.Contains([]string{"restricted", "open"}, o.services) {
		return fmt.Errorf("--services-egress %s: it is restricted or open", o.services)
	}
	if o.detach && o.streams.Interactive {
		return errors.New("-d and -i exclude each other")
	}
	if o.format != "" && !o.printAccess {
		return errors.New("--format needs --print-access")
	}
	return nil
}

func printAccess(ctx context.Context, env *command.Environment, format, id string, req loom.AgentRequest) error {
	var args []string
	if id != "" {
		args = []string{id}
	}
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req.Where = where
	access, err := l.AgentAccess(ctx, &req)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), format, access, func(w io.Writer) { fmt.Fprint(w, access.Text()) })
}

// begin is how agent's commands on one sandbox begin.
func (o *agentWhere) begin(env *command.Environment, cmd *cobra.Command, args []string) (*loom.Looms, loom.Where, error) {
	if o.loom != "" {
		if len(args) > 0 {
			return nil, loom.Where{}, command.Usagef(cmd, "two looms: %s and --loom %s", args[0], o.loom)
		}
		args = []string{o.loom}
	}
	return env.Begin(args)
}
