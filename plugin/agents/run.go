package agents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/docker/cli/opts"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type runOptions struct {
	agent                string
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

func newRunCommand(env *command.Environment) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] [ID] [-- COMMAND [ARG...]]",
		Short: "Run a coding agent, or another command, in a loom's sandbox",
		Long: `A sandbox is a container beside the loom's services. It works on the loom's work tree as its owner. It reaches
the services by name and the hosts on an allowlist, and nothing else. Without a COMMAND it runs container.agent.command
of the settings, otherwise claude --dangerously-skip-permissions.

The loom is brought up. The sandbox is created, started, or recreated if its settings changed. Before each start it is
checked from inside that the way out is closed; a sandbox that reaches what it must not reach is stopped.

With the sandbox the loom's services reach other hosts through a proxy too, because the agent edits what they run; they
are recreated once. --services-egress open leaves them as they are.

What the agent may do is read from your own settings and from the main work tree, never from a work tree that a sandbox
can write.

With -d the command runs in the background; docker loom agent logs shows what it prints.

The exit code is the command's; 125 if docker loom could not run it.`,
		Example: `  docker loom agent run 123
  docker loom agent run 123 -- npm test
  docker loom agent run 123 --agent reviewer
  docker loom agent run 123 -d -- claude -p "fix the tests"
  docker loom agent run 123 --print-access`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, words, err := splitDash(cmd.Flags(), args)
			if err == nil {
				err = o.check()
			}
			if err != nil {
				return command.WrongUsage(cmd, err)
			}
			return runRun(cmd.Context(), env, &o, id, words)
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *runOptions) flags(flags *pflag.FlagSet) {
	o.env = opts.NewListOpts(opts.ValidateEnv)
	agentFlag(flags, &o.agent)
	flags.StringVar(&o.image, "image", "", "Image of the sandbox")
	flags.StringVar(&o.egress, "egress", "", "What the agent reaches: none, restricted or open")
	flags.StringVar(&o.services, "services-egress", "", "How the loom's services reach other hosts: restricted or open")
	flags.StringVar(&o.vault, "vault", "", "Use this folder of your vaults")
	flags.StringArrayVar(&o.secrets, "secret", nil,
		"Give the command NAME from the environment, or NAME=@FILE from a file")
	flags.StringArrayVar(&o.secretFiles, "secret-file", nil, "Give the command the NAME=VALUE lines of a file")
	flags.VarP(&o.env, "env", "e", "Set environment variables")
	flags.StringVarP(&o.dir, "workdir", "w", "", "Working directory inside the sandbox")
	o.streams.Flags(flags)
	flags.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run the command in the background")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Do not say what the agent can reach")
	flags.BoolVar(&o.trust, "trust", false, "Accept what the files of the work tree ask of this machine")
	flags.BoolVar(&o.printAccess, "print-access", false,
		"List all that the agent could read, write and reach, and do nothing")
	output.AddFormat(flags, &o.format)
}

func (o *runOptions) check() error {
	switch {
	case o.agent != "" && !agent.IsName(o.agent):
		return fmt.Errorf("--agent %s: a name has only lower-case letters, digits, - and _", o.agent)
	case o.detach && o.streams.Interactive:
		return errors.New("--detach and --interactive exclude each other")
	case o.format != "" && !o.printAccess:
		return errors.New("--format needs --print-access")
	}
	return cmp.Or(
		command.OneOf("egress", o.egress, "none", "restricted", "open"),
		command.OneOf("services-egress", o.services, "restricted", "open"),
	)
}

// splitDash splits the arguments into the id and the command, which stands behind --.
func splitDash(flags *pflag.FlagSet, args []string) (id string, words []string, err error) {
	if at := flags.ArgsLenAtDash(); at >= 0 {
		args, words = args[:at], args[at:]
		if len(words) == 0 {
			return "", nil, errors.New("there is no command behind --")
		}
	}
	if len(args) > 1 {
		rest := strings.Join(args[1:], " ")
		return "", nil, fmt.Errorf("%q: a command stands behind --, as in docker loom agent %s -- %s", rest, args[0], rest)
	}
	return strings.Join(args, ""), words, nil
}

func runRun(ctx context.Context, env *command.Environment, o *runOptions, id string, words []string) error {
	req := agent.Request{
		Agent: o.agent, Image: o.image, Egress: o.egress, ServicesEgress: o.services, Vault: o.vault,
		Trust: o.trust, Quiet: o.quiet,
		Process: engine.Process{Cmd: words, Detach: o.detach, Dir: o.dir, Env: o.env.GetSlice()},
	}
	var err error
	if req.Secrets, err = secrets(o.secrets, o.secretFiles); err != nil {
		return &loom.NotRunError{Err: err}
	}
	if o.printAccess {
		return printAccess(ctx, env, o.format, id, req)
	}
	if err := RunInSandbox(ctx, env, o.streams, id, req); err != nil || !o.detach || o.quiet {
		return err
	}
	follow := "docker loom agent logs ID -f" + agent.AsFlag(cmp.Or(o.agent, agent.DefaultName))
	fmt.Fprintln(env.Docker.Err(), env.WithProject("the command runs in the background; "+follow+" shows what it prints"))
	return nil
}

// RunInSandbox runs a command in a loom's sandbox with the process's own streams, and ends with its exit code.
func RunInSandbox(
	ctx context.Context, env *command.Environment, o command.StreamOptions, id string, req agent.Request,
) error {
	l, where, err := env.Begin(command.IDArgs(id))
	if errors.As(err, new(*loom.IDError)) {
		return err
	}
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	req.Where = where
	p := &req.Process
	// Until the command runs, Ctrl-C ends the work on the sandbox; from then on it is the command's.
	stop := func() {}
	req.Begin = func(ctx context.Context) context.Context {
		if p.Detach {
			return ctx
		}
		o.Join(env, p)
		ctx, p.Signals, stop = command.PassSignals(ctx)
		return ctx
	}
	named := len(p.Cmd) > 0
	code, err := agent.New(l).Run(ctx, &req)
	stop()
	if err == nil && code == notFound && !named {
		fmt.Fprintln(env.Docker.Err(), "hint: if the image lacks it, choose another image with --image or "+
			"container.agent.image, or another command with container.agent.command")
	}
	return env.Ended(code, err)
}

// notFound is a shell's exit code for a command that does not exist.
const notFound = 127

func printAccess(
	ctx context.Context, env *command.Environment, format, id string, req agent.Request,
) error {
	l, where, err := env.Begin(command.IDArgs(id))
	if err != nil {
		return err
	}
	req.Where = where
	access, err := agent.New(l).Access(ctx, &req)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), format, access, func(w io.Writer) { fmt.Fprint(w, access.Text()) })
}
