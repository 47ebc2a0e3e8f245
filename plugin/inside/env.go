package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/socket"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/overrides"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type envOptions struct {
	format string
	// line is the command to run, nil to print.
	line []string
}

func newEnvCommand(env *command.Environment) *cobra.Command {
	var o envOptions
	cmd := &cobra.Command{
		Use:   "env [OPTIONS] [ID] [-- COMMAND [ARG...]]",
		Short: "Print a loom's variables for programs on the host, or run one with them",
		Long: `Print a loom's variables for programs on the host: COMPOSE_PROJECT_NAME, ILOOM_LOOM, an ILOOM_PORT_<NAME> for
each host port with its ILOOM_BASE_<NAME>, the project's own port variables, and PORT where the project has one web
port (the only one that speaks HTTP, or that of a service called web, or the one with the base
capabilities.web.basePort of the settings). PORT is left out if the compose files use a variable of that name
themselves.

Your own variables in .env files follow if their value names a port of this host that moved: a DATABASE_URL with
localhost:5432, a list of such addresses, a DB_PORT beside a DB_HOST that is localhost. Read are .env,
.env.development (or what NODE_ENV says), .env.local and .env.development.local, from the top of the loom's work tree
to the current folder. The files stay as they are.

With a command behind --, docker loom env prints nothing and runs it on this machine, in the current folder, with these
variables. Its input, output, terminal and signals are those of docker loom, and so is its exit code; 125 if docker loom
could not run it, 126 if it is not a program, 127 if it was not found.

A shell that has evaluated them can go on using docker loom, for this loom and for others: their ports are never taken
for base ports. Evaluate them in a subshell to be rid of them again.`,
		Example: `  docker loom env 123 -- npm run migrate
  docker loom env 123 > .env.loom
  eval "$(docker loom env 123 --format shell)"
  (eval "$(docker loom env --format shell)"; npm run dev)
  echo 'eval "$(docker loom env --format direnv)"' > .envrc
  docker loom env 123 --format json | jq -r .PORT`,
		Args: func(cmd *cobra.Command, args []string) error {
			o.line = nil
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				args, o.line = args[:at], args[at:]
				if len(o.line) == 0 {
					return command.Usagef(cmd, "%s needs a command behind --", cmd.CommandPath())
				}
			} else if len(args) > 1 {
				return command.Usagef(cmd, "%s takes a command behind --: docker loom env %s -- %s",
					cmd.CommandPath(), args[0], strings.Join(args[1:], " "))
			}
			return command.MaxArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			form, ok := envFormats[o.format]
			if !ok {
				return command.WrongUsage(cmd, command.OneOf("format", o.format, "dotenv", "shell", "json", "direnv"))
			}
			if o.line == nil {
				return printEnv(cmd.Context(), env, form, args)
			}
			if cmd.Flags().Changed("format") {
				return command.Usagef(cmd, "--format prints, a command behind -- runs: they exclude each other")
			}
			return runEnv(cmd.Context(), env, o.line, args[:len(args)-len(o.line)])
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "dotenv", `Format output:
'dotenv':           Lines for a .env file
'shell':            Lines for eval in sh, bash, zsh and others
'json':             Print one JSON document
'direnv':           Lines for an .envrc, with the files to watch`)
	return cmd
}

func printEnv(
	ctx context.Context, env *command.Environment, form func(io.Writer, *inside.Env) error, args []string,
) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	e, err := inside.ReadEnv(ctx, l, where)
	if err != nil {
		return err
	}
	return form(env.Docker.Out(), e)
}

// runEnv runs a program with the variables of a loom, and ends with its exit code.
func runEnv(ctx context.Context, env *command.Environment, line, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	e, err := inside.ReadEnv(ctx, l, where)
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	child := exec.Command(line[0], line[1:]...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = e.Over(hostEnv())
	code, err := runChild(ctx, child, hasTerminal(env))
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return cli.StatusError{StatusCode: 127, Status: "error: " + line[0] + ": no such command"}
	case err != nil:
		return cli.StatusError{StatusCode: 126, Status: "error: " + err.Error()}
	case code != 0:
		return cli.StatusError{StatusCode: code}
	}
	return nil
}

// hostEnv is the environment of the docker command: without what it gives a plugin alone.
func hostEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == socket.EnvKey || name == metadata.ReexecEnvvar
	})
}

var envFormats = map[string]func(io.Writer, *inside.Env) error{
	"dotenv": dotenvFormat,
	"shell":  shellFormat,
	"json":   jsonFormat,
	"direnv": direnvFormat,
}

func dotenvFormat(w io.Writer, e *inside.Env) error {
	for _, v := range e.Vars {
		text, ok := overrides.Quote(v.Value)
		if !ok {
			return &unquotableError{v}
		}
		if _, err := fmt.Fprintf(w, "%s=%s\n", v.Name, text); err != nil {
			return err
		}
	}
	return nil
}

// unquotableError says that no line of a .env file has the value, for Compose and shells alike.
type unquotableError struct{ overrides.Var }

// Error names the variable and quotes its value.
func (e *unquotableError) Error() string {
	return fmt.Sprintf("a .env file cannot have the value %q of %s", e.Value, e.Name)
}

// NextStep says what the user does next.
func (*unquotableError) NextStep() string { return "--format shell and --format json print it" }

func shellFormat(w io.Writer, e *inside.Env) error {
	for _, v := range e.Vars {
		if _, err := fmt.Fprintf(w, "export %s=%s\n", v.Name, find.ShellQuote(v.Value)); err != nil {
			return err
		}
	}
	return nil
}

func jsonFormat(w io.Writer, e *inside.Env) error {
	doc := map[string]string{}
	for _, v := range e.Vars {
		doc[v.Name] = v.Value
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// direnvFormat has direnv evaluate the .envrc again when a file that the variables follow from changes.
func direnvFormat(w io.Writer, e *inside.Env) error {
	for _, path := range e.Watch {
		if _, err := fmt.Fprintf(w, "watch_file %s\n", find.ShellQuote(path)); err != nil {
			return err
		}
	}
	return shellFormat(w, e)
}
