package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/setup"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type initOptions struct {
	yes    bool
	print  bool
	bases  []string
	format string
}

func newInitCommand(env *command.Environment) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [OPTIONS]",
		Short: "Find the project's ports and write their base ports into .iloom/settings.json",
		Long: `Find the project's compose files, its devcontainer.json and the ports they publish, ask for the base port of
each ILOOM_PORT_ variable, and write what is new into .iloom/settings.json of this work tree. Comments and everything
else in that file stay as they are. A loom's host port is its base port plus the loom's offset. Ports that are plain
numbers, or variables of the project's own, need no settings: looms move them all the same.

Without a terminal, or with --yes, the defaults are taken: what the compose file says, otherwise the container's port.`,
		Example: "  docker loom init\n  docker loom init --print\n  docker loom init --yes --port WEB=4000",
		Args:    command.MaxArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			bases, err := parseBases(o.bases)
			if err != nil {
				return command.WrongUsage(cmd, err)
			}
			return runInit(cmd.Context(), env, o, bases)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.yes, "yes", "y", false, "Do not ask: take the defaults")
	flags.BoolVar(&o.print, "print", false, "Show what would be written and change nothing")
	flags.BoolVar(&o.print, "dry-run", false, "The same as --print")
	flags.StringArrayVar(&o.bases, "port", nil, "Set a base port, as in WEB=3000, and do not ask for it")
	output.AddFormat(flags, &o.format)
	return cmd
}

// base is one --port flag.
type base struct {
	name string
	port int
}

func parseBases(flags []string) ([]base, error) {
	var list []base
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		port, err := strconv.Atoi(value)
		if !ok || name == "" || err != nil {
			return nil, fmt.Errorf("--port must be NAME=PORT, as in WEB=3000, not %q", flag)
		}
		list = append(list, base{strings.TrimPrefix(name, stack.PortPrefix), port})
	}
	return list, nil
}

func runInit(ctx context.Context, env *command.Environment, o initOptions, bases []base) error {
	l, where, err := env.Begin(nil)
	if err != nil {
		return err
	}
	s, err := setup.Read(ctx, l, where.Source)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, b := range bases {
		if err := s.Choose(b.name, b.port); err != nil {
			return fmt.Errorf("--port: %w", err)
		}
		asked[b.name] = true
	}
	if !o.print && !o.yes && o.format == "" && env.Docker.In().IsTerminal() && env.Docker.Out().IsTerminal() {
		tellSetup(env.Docker.Out(), s)
		if err := askBases(ctx, env.Docker.In(), env.Docker.Out(), s, asked); err != nil {
			return err
		}
		if err := s.Write(); err != nil {
			return err
		}
		tellWritten(env.Docker.Out(), s)
		return nil
	}
	content, changed, err := s.Content()
	if err != nil {
		return err
	}
	if !o.print {
		if err := s.Write(); err != nil {
			return err
		}
	}
	return output.Write(env.Docker.Out(), o.format, s, func(w io.Writer) {
		tellSetup(w, s)
		switch {
		case !o.print:
			tellWritten(w, s)
		case changed:
			fmt.Fprintf(w, "%s would be:\n\n%s", short(s, s.Settings), content)
		default:
			tellWritten(w, s)
		}
	})
}

// tellSetup shows what was found.
func tellSetup(w io.Writer, s *setup.Setup) {
	for _, path := range append(append([]string{}, s.Files...), s.DevContainers...) {
		fmt.Fprintln(w, "found "+short(s, path))
	}
	fmt.Fprintln(w)
	if len(s.Ports) == 0 {
		fmt.Fprintln(w, "no published ports")
		return
	}
	rows := [][]string{{"PORT", "SERVICE", "CONTAINER PORT", "BASE", "SETTINGS"}}
	for _, b := range s.Ports {
		row := []string{b.Variable, b.Service, "", strconv.Itoa(b.Base), ""}
		if b.Variable == "" {
			row[0] = strconv.Itoa(b.Base)
		}
		if b.Where != "" {
			row[1] = "(" + b.Where + ")"
		}
		if b.Target > 0 {
			row[2] = fmt.Sprintf("%d/%s", b.Target, b.Protocol)
		}
		switch b.State {
		case setup.New:
			row[4] = "new"
			if b.Default == 0 {
				row[4] = "new: the files have no default"
			}
		case setup.Set:
			row[4] = "has it"
		case setup.Fixed:
			row[4] = "not needed"
		case setup.Unused:
			row[4] = "has it, but no file uses it"
		}
		rows = append(rows, row)
	}
	output.Columns(w, rows)
	fmt.Fprintln(w)
}

func tellWritten(w io.Writer, s *setup.Setup) {
	if s.Written {
		fmt.Fprintf(w, "wrote %s: commit it, so that every work tree has it\n", short(s, s.Settings))
		return
	}
	fmt.Fprintln(w, "nothing new: docker loom up works as it is")
}

// short is a path below the work tree as one writes it there.
func short(s *setup.Setup, path string) string {
	if rel, err := filepath.Rel(s.WorkTree, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// askBases asks for each new base, in lines as the docker command asks.
func askBases(ctx context.Context, r io.Reader, w io.Writer, s *setup.Setup, answered map[string]bool) error {
	lines := readLines(r)
	first := true
	for _, b := range s.Ports {
		for b.State == setup.New && !answered[b.Name()] {
			if first {
				fmt.Fprintln(w, "Base ports (Enter takes the one in brackets, Ctrl-C ends without writing):")
				first = false
			}
			what := ""
			if b.Service != "" {
				what = fmt.Sprintf(" (%s, container port %d)", b.Service, b.Target)
			} else if b.Where != "" {
				what = " (used in " + b.Where + ")"
			}
			fmt.Fprintf(w, "  %s%s [%d]: ", b.Name(), what, b.Base)
			answer, err := next(ctx, lines)
			if err != nil {
				fmt.Fprintln(w)
				return err
			}
			port := b.Base
			if answer != "" {
				if port, err = strconv.Atoi(answer); err != nil {
					fmt.Fprintf(w, "  %q is not a port (1–65535)\n", answer)
					continue
				}
			}
			if err := s.Choose(b.Name(), port); err != nil {
				fmt.Fprintln(w, "  "+err.Error())
				continue
			}
			answered[b.Name()] = true
		}
	}
	if !first {
		fmt.Fprintln(w)
	}
	return nil
}

// readLines reads lines until the input ends, for a reader that also waits for Ctrl-C.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			lines <- strings.TrimSpace(sc.Text())
		}
	}()
	return lines
}

// next is the next line. The end of the input is not an answer: nothing may be written because of it.
func next(ctx context.Context, lines <-chan string) (string, error) {
	select {
	case line, ok := <-lines:
		if !ok {
			return "", errors.New("nothing was written: the input ended")
		}
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
