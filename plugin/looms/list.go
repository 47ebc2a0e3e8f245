package looms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type listOptions struct {
	format string
	quiet  bool
	watch  bool
}

func newListCommand(env *command.Environment) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List looms",
		Long: `List the looms of all repositories.

With --watch a table of states, health, CPU, memory and ports stays on the terminal and is renewed until Ctrl-C. In a
pipe, and with --format, the list is printed at once and again whenever it changes; JSON then takes one line each time.
A * marks a loom that is held.`,
		Example: `  docker loom ls
  docker loom ls -q
  docker loom ls --watch
  docker loom ls --format 'table {{.ID}}\t{{.State}}'`,
		Args: command.MaxArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.watch && o.quiet {
				return command.Usagef(cmd, "--watch takes no --quiet")
			}
			if o.watch {
				return runWatch(cmd.Context(), env, o.format)
			}
			return runList(cmd.Context(), env, o)
		},
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "Renew the list until Ctrl-C")
	output.AddFormat(cmd.Flags(), &o.format)
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display names")
	return cmd
}

func runList(ctx context.Context, env *command.Environment, o listOptions) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	list, err := inventory.List(ctx, l, command.Folder())
	var unreachable *engine.Unreachable
	if err != nil && !errors.As(err, &unreachable) {
		return err
	}
	if err == nil && wantsActivity(o.format) {
		if err := idle.Observe(ctx, l, list); err != nil {
			return err
		}
	}
	if o.format == formatter.JSONFormatKey {
		if werr := output.Write(env.Docker.Out(), o.format, list, nil); werr != nil {
			return werr
		}
		return err
	}
	format := o.format
	if o.quiet {
		format = "{{.Name}}"
	}
	if out := env.Docker.Out(); format == "" && out.IsTerminal() {
		_, width := out.GetTtySize()
		fmt.Fprint(out, listTable(list, fitOptions{width: int(width), color: os.Getenv("NO_COLOR") == ""}))
		return err
	}
	if werr := listContext(env.Docker.Out(), format, list); werr != nil {
		return werr
	}
	return err
}

// listTable is the table of ls on a terminal.
func listTable(list []inventory.Listed, o fitOptions) string {
	rows := [][]string{{"LOOM", "STATE", "CREATED"}}
	for _, l := range list {
		row := newListRow(l)
		rows = append(rows, []string{row.Name(), row.State(), row.Created()})
	}
	return fitTable(rows, list, o)
}

// wantsActivity reports whether a format shows who uses the looms, which takes a look at every container.
func wantsActivity(format string) bool {
	return format == formatter.JSONFormatKey || strings.Contains(format, "Activ") || strings.Contains(format, "json .")
}

// listContext prints the looms as docker's own lists are printed.
func listContext(w io.Writer, format string, list []inventory.Listed) error {
	if format == "" || format == formatter.TableFormatKey {
		format = "table {{.Name}}\t{{.State}}\t{{.Ports}}\t{{.WorkTree}}\t{{.Created}}"
	}
	return output.WriteRows(w, format, list, func(item inventory.Listed) formatter.SubContext { return newListRow(item) })
}

// listRow is one loom for the formatter: its methods are the template's fields.
type listRow struct {
	formatter.HeaderContext
	l inventory.Listed
}

func newListRow(item inventory.Listed) *listRow {
	r := &listRow{l: item}
	r.Header = formatter.SubHeaderContext{
		"Name": "LOOM", "ID": "ID", "Repository": "REPOSITORY", "Project": "PROJECT", "WorkTree": "WORK TREE",
		"State": "STATE", "Health": "HEALTH", "Offset": "OFFSET", "Ports": "PORTS", "Created": "CREATED",
		"HeldUntil": "HELD UNTIL", "LastActivity": "LAST ACTIVITY", "ActiveSources": "ACTIVE SOURCES",
	}
	return r
}

func (r *listRow) MarshalJSON() ([]byte, error) { return formatter.MarshalJSON(r) }

// Name addresses the loom from anywhere.
func (r *listRow) Name() string { return r.l.Name() }

// ID is what the user typed.
func (r *listRow) ID() string { return r.l.ID }

// Repository is its path.
func (r *listRow) Repository() string { return output.Tilde(r.l.Repository) }

// Project is the Compose project.
func (r *listRow) Project() string { return r.l.Project }

// WorkTree is its path.
func (r *listRow) WorkTree() string { return output.Tilde(r.l.WorkTree) }

// State is the state with the number of running containers, and with what is wrong with them.
func (r *listRow) State() string {
	s := r.l.State
	if s == "running" || s == "partial" {
		s = fmt.Sprintf("%s (%d)", s, r.l.Running)
	}
	if r.l.Health == "unhealthy" {
		s += ", unhealthy"
	}
	if r.l.Held {
		s += ", held"
	}
	return s
}

// Health is the worst of its containers.
func (r *listRow) Health() string { return r.l.Health }

// HeldUntil is until when stop --idle leaves it alone.
func (r *listRow) HeldUntil() string {
	switch {
	case !r.l.Held:
		return ""
	case r.l.HeldUntil == nil:
		return "released"
	}
	return r.l.HeldUntil.Local().Format(time.DateTime)
}

// LastActivity is how long ago somebody used it.
func (r *listRow) LastActivity() string {
	if r.l.LastActivity == nil {
		return ""
	}
	return units.HumanDuration(time.Since(*r.l.LastActivity)) + " ago"
}

// ActiveSources is what uses it now.
func (r *listRow) ActiveSources() string { return strings.Join(r.l.ActiveSources, ", ") }

// Offset is what was added to the base ports.
func (r *listRow) Offset() string { return strconv.Itoa(r.l.Offset) }

// Ports are the host ports.
func (r *listRow) Ports() string {
	var list []string
	for _, p := range r.l.Ports {
		s := strconv.Itoa(p.Published)
		if p.Service != "" {
			s = p.Service + ":" + s
		}
		if p.Protocol != "tcp" {
			s += "/" + p.Protocol
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

// Created is the loom's age.
func (r *listRow) Created() string {
	if r.l.Created.IsZero() {
		return ""
	}
	return units.HumanDuration(time.Since(r.l.Created)) + " ago"
}
