package inside

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type codeOptions struct {
	editor string
	print  bool
}

func newCodeCommand(env *command.Environment) *cobra.Command {
	var o codeOptions
	cmd := &cobra.Command{
		Use:   "code [OPTIONS] [ID]",
		Short: "Open VS Code on the dev container of a loom",
		Long: `Open VS Code on the dev container of a loom: on the very container that docker loom up made. The editor's own
Dev Containers extension attaches to it. Any editor that takes --folder-uri as VS Code does will do. If the loom has
several projects with a dev container, the folder or --project says which.`,
		Example: "  docker loom code 123\n  docker loom code 123 --editor cursor\n  docker loom code 123 --print",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runCode(cmd.Context(), env, o, args) },
	}
	cmd.Flags().StringVar(&o.editor, "editor", "code",
		"The editor's command: code, code-insiders, cursor, windsurf, or a path")
	cmd.Flags().BoolVar(&o.print, "print", false, "Print the address and open nothing")
	return cmd
}

// EditorError says that the editor could not be opened, and where it would have been pointed to.
type EditorError struct {
	Editor, URI string
	Err         error
}

func (e *EditorError) Error() string {
	return fmt.Sprintf("editor %s: %v; it was to open %s", e.Editor, e.Err, e.URI)
}

func (e *EditorError) Unwrap() error { return e.Err }

// NextStep says how an editor is chosen.
func (e *EditorError) NextStep() string {
	return "choose another with --editor, or open that address from where one is installed"
}

func runCode(ctx context.Context, env *command.Environment, o codeOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	uri, err := inside.EditorURI(ctx, l, where)
	if err != nil {
		return err
	}
	if o.print {
		fmt.Fprintln(env.Docker.Out(), uri)
		return nil
	}
	path, err := exec.LookPath(o.editor)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = errors.New("no such command on the PATH")
		}
		return &EditorError{o.editor, uri, err}
	}
	editor := exec.CommandContext(ctx, path, "--folder-uri", uri)
	editor.Stdout, editor.Stderr = env.Docker.Err(), env.Docker.Err()
	if err := editor.Run(); err != nil {
		return &EditorError{o.editor, uri, err}
	}
	return nil
}
