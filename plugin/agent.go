package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/cli/opts"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
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
	noTTY, interactive   bool
	detach, quiet, trust bool
	printAccess          bool
	format               string
	detachKeys           string
}

// agentWhere are the flags by which all of agent's commands name a sandbox.
type agentWhere struct{ loom, agent string }

func (o *agentWhere) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.loom, "loom", "", "The loom, in place of ID")
	flags.StringVar(&o.agent, "as", "", "Name of the agent (default: "+agent.DefaultName+")")
}

func newAgentCommand(env *environment) *cobra.Command {
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
	flags.StringVar(&o.agent, "as", "", "Name of the agent (default: "+agent.DefaultName+")")
	flags.StringVar(&o.image, "image", "", "Image of the sandbox")
	flags.StringVar(&o.egress, "egress", "", "What the agent reaches: none, restricted or open")
	flags.StringVar(&o.services, "services-egress", "", "How the loom's services reach the outside: restricted or open")
	flags.StringVar(&o.vault, "vault", "", "Use this folder of your vaults")
	flags.StringArrayVar(&o.secrets, "secret", nil, "Give the command NAME from the environment, or NAME=@FILE from a file")
	flags.StringArrayVar(&o.secretFiles, "secret-file", nil, "Give the command the NAME=VALUE lines of a file")
	flags.VarP(&o.env, "env", "e", "Set environment variables")
	flags.StringVarP(&o.dir, "workdir", "w", "", "Working directory inside the sandbox")
	flags.BoolVarP(&o.noTTY, "no-tty", "T", false, "Do not allocate a pseudo-TTY (default: as standard input and output are)")
	flags.BoolVarP(&o.interactive, "interactive", "i", false, "Pass standard input on to the command")
	flags.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run the command in the background")
	flags.StringVar(&o.detachKeys, "detach-keys", "", "Override the key sequence for detaching from the command")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Do not say what the agent can reach")
	flags.BoolVar(&o.trust, "trust", false, "Accept what the files of the work tree ask of this machine")
	flags.BoolVar(&o.printAccess, "print-access", false, "List all that the agent could read, write and reach, and do nothing")
	addFormat(flags, &o.format)
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

// withoutID puts an empty word before the -- of "agent -- COMMAND": cobra looks for the command's first words among the
// names of agent's own commands.
func withoutID(args []string) []string {
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

// jsonLine writes a document on one line.
func jsonLine(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

// rootFlagWithValue are the flags of docker loom itself that take a value.
var rootFlagWithValue = map[string]bool{"-f": true, "--file": true, "--profile": true, "--env-file": true, "--project-directory": true, "--progress": true}

func runAgent(cmd *cobra.Command, env *environment, o *agentOptions, args []string) error {
	id, command, err := agentArgs(cmd.Flags(), args)
	if err != nil {
		return usageError{cmd, err}
	}
	if id != "" && o.loom != "" {
		return usageError{cmd, fmt.Errorf("two looms: %s and --loom %s", id, o.loom)}
	}
	if id == "" {
		id = o.loom
	}
	if err := o.check(); err != nil {
		return usageError{cmd, err}
	}
	req := agent.Request{
		Agent: o.agent, Image: o.image, Egress: o.egress, ServicesEgress: o.services, Vault: o.vault, Trust: o.trust, Quiet: o.quiet,
		Process: engine.Process{Cmd: command, Detach: o.detach, Dir: o.dir, Env: o.env.GetSlice()},
	}
	if req.Secrets, err = secrets(o.secrets, o.secretFiles); err != nil {
		return &loom.NotRunError{Err: err}
	}
	if o.printAccess {
		return printAccess(cmd.Context(), env, o.format, id, req)
	}
	x := execOptions{noTTY: o.noTTY, interactive: o.interactive, detachKeys: o.detachKeys}
	return x.runAgent(cmd.Context(), env, id, req)
}

func (o *agentOptions) check() error {
	if o.agent != "" && !agent.IsName(o.agent) {
		return fmt.Errorf("--as %s: a name is of lower-case letters, digits, - and _", o.agent)
	}
	if o.egress != "" && !slices.Contains([]string{"none", "restricted", "open"}, o.egress) {
		return fmt.Errorf("--egress %s: it is none, restricted or open", o.egress)
	}
	if o.services != "" && !slices.Contains([]string{"restricted", "open"}, o.services) {
		return fmt.Errorf("--services-egress %s: it is restricted or open", o.services)
	}
	if o.detach && o.interactive {
		return errors.New("-d and -i exclude each other")
	}
	if o.format != "" && !o.printAccess {
		return errors.New("--format needs --print-access")
	}
	return nil
}

// secrets reads what --secret and --secret-file name: NAME is a variable of the environment, NAME=@FILE a file's content
// without its last line end.
func secrets(named, files []string) (map[string]string, error) {
	all := map[string]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\r\n")
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
				continue
			}
			name, value, ok := strings.Cut(line, "=")
			if !ok || !sandbox.VariableName(name) {
				return nil, fmt.Errorf("%s: a line is not NAME=VALUE", path)
			}
			all[name] = value
		}
	}
	for _, text := range named {
		name, from, ok := strings.Cut(text, "=")
		if !sandbox.VariableName(name) {
			return nil, fmt.Errorf("--secret %s: %q is no name of a variable", name, name)
		}
		if !ok {
			value, set := os.LookupEnv(name)
			if !set {
				return nil, fmt.Errorf("--secret %s: the environment has no such variable", name)
			}
			all[name] = value
			continue
		}
		path, isFile := strings.CutPrefix(from, "@")
		if !isFile {
			// Arguments are seen by all users of the machine.
			return nil, fmt.Errorf("--secret %s: a value on the command line is no secret; it is NAME, or NAME=@FILE", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", name, err)
		}
		all[name] = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	}
	return all, nil
}

// runAgent runs the command with the process's own streams, and ends with its exit code.
func (o *execOptions) runAgent(ctx context.Context, env *environment, id string, req agent.Request) error {
	var args []string
	if id != "" {
		args = []string{id}
	}
	l, where, err := env.begin(args)
	if errors.As(err, new(*loom.IDError)) {
		return err
	}
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	req.Where = where
	p := &req.Process
	// Until the command runs Ctrl-C ends what makes the sandbox; from then on it is the command's.
	stop := func() {}
	req.Begin = func(ctx context.Context) context.Context {
		if p.Detach {
			return ctx
		}
		o.streams(env, p)
		ctx, p.Signals, stop = passSignals(ctx)
		return ctx
	}
	named := len(p.Cmd) > 0
	code, err := agent.New(l).Run(ctx, &req)
	stop()
	if err == nil && code == notFound && !named {
		fmt.Fprintln(env.docker.Err(), "hint: where the image lacks it, --image or container.agent.image names another image, container.agent.command another command")
	}
	return env.ended(code, err)
}

// notFound is the exit code of a command that is not there.
const notFound = 127

func printAccess(ctx context.Context, env *environment, format, id string, req agent.Request) error {
	var args []string
	if id != "" {
		args = []string{id}
	}
	l, where, err := env.begin(args)
	if err != nil {
		return err
	}
	req.Where = where
	access, err := agent.New(l).Access(ctx, &req)
	if err != nil {
		return err
	}
	return write(env.docker.Out(), format, access, func(w io.Writer) { fmt.Fprint(w, access.Text()) })
}

// agentHint is the next step for an error of agent.
func agentHint(err error) string {
	var (
		remote  *agent.RemoteSandboxError
		main    *agent.MainServicesError
		runtime *agent.RuntimeError
		none    *agent.NoSandboxError
		unknown *agent.UnknownAgentError
		gone    *agent.GoneError
		leak    *agent.LeakError
		service *loom.SandboxServiceError
	)
	switch {
	case errors.As(err, &remote):
		return "docker context use chooses an engine of this machine"
	case errors.As(err, &main):
		return "give the agent a loom of its own: docker loom up ID --worktree; or accept it with --services-egress open"
	case errors.As(err, &gone):
		return "docker loom prune ends what is left of the loom"
	case errors.As(err, &runtime):
		return "install it for the engine, or choose another with container.agent.runtime"
	case errors.As(err, &none) && none.Agent != agent.DefaultName:
		return "docker loom agent " + none.Loom + " --as " + none.Agent + " starts it"
	case errors.As(err, &none):
		return "docker loom agent " + none.Loom + " starts it"
	case errors.As(err, &unknown):
		return "container.agents in your settings, or in those of the main work tree, names agents"
	case errors.As(err, &leak):
		return "docker loom doctor says what this engine can do; docker loom agent " + leak.Loom + " tries again"
	case errors.As(err, &service):
		return "docker loom exec " + service.Loom + " --agent " + service.Agent + " -- COMMAND"
	}
	return ""
}

func newAgentListCommand(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List the sandboxes of all looms",
		Example: "  docker loom agent ls\n  docker loom agent ls --format json",
		Args:    maxArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := env.looms()
			if err != nil {
				return err
			}
			list, err := agent.New(l).List(cmd.Context())
			if err != nil {
				return err
			}
			return agentContext(env.docker.Out(), format, list)
		},
	}
	addFormat(cmd.Flags(), &format)
	return cmd
}

// agentContext prints sandboxes as docker's own lists are printed.
func agentContext(w io.Writer, format string, list []agent.Sandbox) error {
	switch format {
	case "", formatter.TableFormatKey:
		rows := [][]string{{"LOOM", "AGENT", "STATE", "IMAGE", "EGRESS", "SINCE"}}
		for _, s := range list {
			since := ""
			if s.Since != nil {
				since = units.HumanDuration(time.Since(*s.Since)) + " ago"
			}
			rows = append(rows, []string{s.Name(), s.Agent, s.State, s.Image, s.Egress, since})
		}
		columns(w, rows)
		return nil
	}
	return write(w, format, list, nil)
}

func newAgentStopCommand(env *environment) *cobra.Command {
	var at agentWhere
	var all bool
	var format string
	cmd := &cobra.Command{
		Use:     "stop [OPTIONS] [ID]",
		Short:   "Stop a loom's sandbox",
		Long:    "Stop a loom's sandbox and what runs in it. Its home stays; docker loom agent starts it again.",
		Example: "  docker loom agent stop 123\n  docker loom agent stop 123 --as reviewer",
		Args:    maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, where, err := at.begin(env, cmd, args)
			if err != nil {
				return err
			}
			agents := agent.New(l)
			stop := func() ([]agent.Sandbox, error) { return agents.Stop(cmd.Context(), where, at.agent) }
			if all {
				stop = func() ([]agent.Sandbox, error) { return agents.StopAll(cmd.Context(), where) }
			}
			stopped, err := stop()
			if err != nil {
				return err
			}
			return write(env.docker.Out(), format, stopped, func(w io.Writer) {
				for _, s := range stopped {
					fmt.Fprintf(w, "%s of loom %s stopped\n", s.Agent, s.Loom)
				}
			})
		},
	}
	at.flags(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "Stop all sandboxes of the loom")
	addFormat(cmd.Flags(), &format)
	return cmd
}

// begin is how agent's commands on one sandbox begin.
func (o *agentWhere) begin(env *environment, cmd *cobra.Command, args []string) (*loom.Looms, loom.Where, error) {
	if o.loom != "" {
		if len(args) > 0 {
			return nil, loom.Where{}, usageError{cmd, fmt.Errorf("two looms: %s and --loom %s", args[0], o.loom)}
		}
		args = []string{o.loom}
	}
	return env.begin(args)
}

type agentLogOptions struct {
	agentWhere
	follow, denied bool
	tail           string
	format         string
}

func newAgentLogCommand(env *environment) *cobra.Command {
	var o agentLogOptions
	cmd := &cobra.Command{
		Use:     "log [OPTIONS] [ID]",
		Aliases: []string{"logs"},
		Short:   "Show what a sandbox's proxy decided",
		Long: `Show what the agent asked the proxy for, and what became of it: host and port, no paths, no headers, no bodies. Each
start of a sandbox begins with requests of docker loom's own, which must be denied: not-listed.docker-loom.invalid,
169.254.169.254 and 127.0.0.1. What the loom's services asked for is in docker loom logs ID loom-egress.`,
		Example: "  docker loom agent log 123\n  docker loom agent log 123 -f --denied",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAgentLog(cmd, env, &o, args) },
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "Follow the log")
	cmd.Flags().BoolVar(&o.denied, "denied", false, "Show only what was not let through")
	cmd.Flags().StringVarP(&o.tail, "tail", "n", "all", "Number of lines to show from the end of the log")
	addFormat(cmd.Flags(), &o.format)
	return cmd
}

func runAgentLog(cmd *cobra.Command, env *environment, o *agentLogOptions, args []string) error {
	l, where, err := o.begin(env, cmd, args)
	if err != nil {
		return err
	}
	req := agent.LogRequest{Where: where, Agent: o.agent, Follow: o.follow, Denied: o.denied, Tail: o.tail}
	out := env.docker.Out()
	switch {
	case o.format == "" || o.format == formatter.TableFormatKey:
		row := func(cells ...string) {
			fmt.Fprintf(out, "%-20s  %-8s  %-44s  %s\n", cells[0], cells[1], cells[2], cells[3])
		}
		first := true
		return agent.New(l).Log(cmd.Context(), req, func(d agent.Decision) error {
			if first {
				row("TIME", "VERDICT", "HOST", "REASON")
				first = false
			}
			row(d.Time.Local().Format(time.DateTime), string(d.Verdict), fmt.Sprintf("%s:%d", d.Host, d.Port), d.Reason)
			return nil
		})
	case o.format == formatter.JSONFormatKey && !o.follow:
		list := []agent.Decision{}
		err := agent.New(l).Log(cmd.Context(), req, func(d agent.Decision) error { list = append(list, d); return nil })
		if err != nil {
			return err
		}
		return write(out, o.format, list, nil)
	case o.format == formatter.JSONFormatKey:
		return agent.New(l).Log(cmd.Context(), req, func(d agent.Decision) error { return jsonLine(out, d) })
	}
	return agent.New(l).Log(cmd.Context(), req, func(d agent.Decision) error { return write(out, o.format, d, nil) })
}

type agentAllowOptions struct {
	agentWhere
	save   bool
	format string
}

func tellAllowed(w io.Writer, a *agent.Allowed) {
	switch {
	case a.Written:
		fmt.Fprintln(w, a.Settings+": written")
	case a.Settings != "":
		fmt.Fprintln(w, a.Settings+": nothing to change")
	}
	if a.Sandbox {
		fmt.Fprintln(w, "the sandbox of loom "+a.Loom+" reaches them")
	}
	if a.Services {
		fmt.Fprintln(w, "the services of loom "+a.Loom+" reach them")
	}
}

func newAgentAllowCommand(env *environment) *cobra.Command {
	var o agentAllowOptions
	cmd := &cobra.Command{
		Use:   "allow [OPTIONS] HOST...",
		Short: "Let a sandbox that runs reach more hosts",
		Long: `Let the sandbox of this folder's loom reach more hosts, and its services too where they leave through a proxy, at once
and until the sandbox is made anew; with --save for all looms, in your own settings. A HOST is a name, *.name for all names below it, or an
address, with a port or for 80 and 443.`,
		Example: "  docker loom agent allow example.com\n  docker loom agent allow '*.example.com:8443' --loom 123\n  docker loom agent allow example.com --save",
		Args:    minArgs(1, "a HOST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, where, err := o.begin(env, cmd, nil)
			if err != nil {
				return err
			}
			a, err := agent.New(l).Allow(cmd.Context(), agent.AllowRequest{Where: where, Agent: o.agent, Hosts: args, Save: o.save})
			if err != nil {
				return err
			}
			return write(env.docker.Out(), o.format, a, func(w io.Writer) { tellAllowed(w, a) })
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.save, "save", false, "Write them into your settings too")
	addFormat(cmd.Flags(), &o.format)
	return cmd
}
