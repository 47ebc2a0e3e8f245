package plugin

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"
)

type codeOptions struct {
	editor string
	print  bool
}

func newCodeCommand(env *environment) *cobra.Command {
	var o codeOptions
	cmd := &cobra.Command{
		Use:   "code [OPTIONS] [ID]",
		Short: "Open VS Code on the dev container of a loom",
		Long: `Open VS Code on the dev container of a loom: on the very container that docker loom up made. The editor's own Dev
Containers extension attaches to it. Any editor that takes --folder-uri as VS Code does will do.`,
		Example: "  docker loom code 123\n  docker loom code 123 --editor cursor\n  docker loom code 123 --print",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runCode(cmd.Context(), env, o, args) },
	}
	cmd.Flags().StringVar(&o.editor, "editor", "code", "The editor's command: code, code-insiders, cursor, windsurf, or a path")
	cmd.Flags().BoolVar(&o.print, "print", false, "Print the address and open nothing")
	return cmd
}

// editorError says that the editor could not be opened, and where it would have been pointed to.
type editorError struct {
	editor, uri string
	err         error
}

func (e *editorError) Error() string {
	return fmt.Sprintf("editor %s: %v; it was to open %s", e.editor, e.err, e.uri)
}

func (e *editorError) Unwrap() error { return e.err }

func runCode(ctx context.Context, env *environment, o codeOptions, args []string) error {
	l, where, err := env.begin(args)
	if err != nil {
		return err
	}
	uri, err := l.EditorURI(ctx, where)
	if err != nil {
		return err
	}
	if o.print {
		fmt.Fprintln(env.docker.Out(), uri)
		return nil
	}
	path, err := exec.LookPath(o.editor)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = errors.New("no such command on the PATH")
		}
		return &editorError{o.editor, uri, err}
	}
	editor := exec.CommandContext(ctx, path, "--folder-uri", uri)
	editor.Stdout, editor.Stderr = env.docker.Err(), env.docker.Err()
	if err := editor.Run(); err != nil {
		return &editorError{o.editor, uri, err}
	}
	return nil
}
