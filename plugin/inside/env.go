package inside

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/overrides"
	"github.com/docker-loom/docker-loom/plugin/command"
)

func newEnvCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "env [OPTIONS] [ID]",
		Short: "Print a loom's variables for programs on the host",
		Long: `Print a loom's variables for programs on the host: COMPOSE_PROJECT_NAME, ILOOM_LOOM, an ILOOM_PORT_<NAME> for
each host port with its ILOOM_BASE_<NAME>, the project's own port variables, and PORT where the project has one web
port (the only one that speaks HTTP, or that of a service called web, or the one with the base
capabilities.web.basePort of the settings). PORT is left out if the compose files use a variable of that name
themselves.

A shell that has evaluated them can go on using docker loom, for this loom and for others: their ports are never taken
for base ports. Evaluate them in a subshell to be rid of them again.`,
		Example: `  docker loom env 123 > .env.loom
  eval "$(docker loom env 123 --format shell)"
  (eval "$(docker loom env --format shell)"; npm run dev)
  echo 'eval "$(docker loom env --format direnv)"' > .envrc
  docker loom env 123 --format json | jq -r .PORT`,
		Args: command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, ok := envFormats[format]
			if !ok {
				return command.WrongUsage(cmd, command.OneOf("format", format, "dotenv", "shell", "json", "direnv"))
			}
			return runEnv(cmd.Context(), env, form, args)
		},
	}
	cmd.Flags().StringVar(&format, "format", "dotenv", `Format output:
'dotenv':           Lines for a .env file
'shell':            Lines for eval in sh, bash, zsh and others
'json':             Print one JSON document
'direnv':           Lines for an .envrc, with the files to watch`)
	return cmd
}

func runEnv(
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
