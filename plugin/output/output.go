// Package output prints results: JSON, templates, tables that fit the terminal.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/cli/cli/command/formatter/tabwriter"
	"github.com/docker/cli/templates"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// AddFormat adds --format as docker has it.
func AddFormat(flags *pflag.FlagSet, format *string) {
	flags.StringVar(format, "format", "", `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'json':             Print one JSON document
'TEMPLATE':         Print output using the given Go template`)
}

// Write prints one document: JSON, a Go template of it, or a table.
func Write(w io.Writer, format string, document any, table func(io.Writer)) error {
	switch format {
	case "", formatter.TableFormatKey:
		table(w)
		return nil
	case formatter.JSONFormatKey:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(document)
	}
	t, err := templates.Parse(format)
	if err != nil {
		return command.Usagef(nil, "--format: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, document); err != nil {
		return command.Usagef(nil, "--format: %w", err)
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}

// Columns prints rows as docker's tables are.
func Columns(w io.Writer, rows [][]string) {
	tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	tw.Flush()
}

// ResultTable shows services with what their ports are reached at, a row a port. With several projects the first column
// has the folder of each.
func ResultTable(w io.Writer, r *loom.Result) {
	rows := [][]string{{"SERVICE", "STATE", "ADDRESS", "CONTAINER PORT"}}
	if len(r.Projects) < 2 {
		Columns(w, append(rows, serviceRows(r.Services, r.Ports)...))
		return
	}
	rows[0] = append([]string{"PROJECT"}, rows[0]...)
	for _, p := range r.Projects {
		for _, row := range serviceRows(p.Services, p.Ports) {
			folder := p.Folder
			if row[0] == "" {
				folder = "" // another port of the service above
			}
			rows = append(rows, append([]string{folder}, row...))
		}
	}
	Columns(w, rows)
}

// serviceRows are the rows of a project's services.
func serviceRows(services []loom.Service, ports []loom.Port) [][]string {
	var rows [][]string
	seen := map[string]bool{}
	for _, s := range services {
		listed := false
		for _, p := range ports {
			if p.Service != s.Name || seen[s.Name] {
				continue
			}
			row := []string{s.Name, state(s), Address(p), containerPort(p)}
			if listed {
				row[0], row[1] = "", ""
			}
			rows = append(rows, row)
			listed = true
		}
		if !listed {
			rows = append(rows, []string{s.Name, state(s), "", ""})
		}
		seen[s.Name] = true
	}
	return rows
}

func state(s loom.Service) string {
	switch {
	case s.State == "exited", s.State == "restarting":
		return fmt.Sprintf("%s (%d)", s.State, s.ExitCode)
	case s.Health != "":
		return fmt.Sprintf("%s (%s)", s.State, s.Health)
	}
	return s.State
}

// Address is where a port is reached: its URL, or host and port.
func Address(p loom.Port) string {
	if p.URL != "" {
		return p.URL
	}
	host := p.HostIP
	if host == "" {
		host = "localhost"
	}
	s := host + ":" + strconv.Itoa(p.Published)
	if p.Protocol != "tcp" {
		s += "/" + p.Protocol
	}
	if p.Silent {
		s += " (nobody answers)"
	}
	return s
}

func containerPort(p loom.Port) string { return fmt.Sprintf("%d/%s", p.Target, p.Protocol) }

// Quiet says whether only warnings and errors are shown.
type Quiet bool

// Findings prints what the plan of a loom tells: each that is not harmless, and unless quiet a count of the others.
// With --quiet only errors are shown.
func Findings(w io.Writer, env *command.Environment, id string, list []finding.Finding, quiet Quiet) {
	shown := 0
	for _, f := range list {
		if f.Level == finding.Info {
			continue
		}
		shown++
		if !env.Quiet || f.Level != finding.Warning {
			f.Remedy = env.WithProject(f.Remedy)
			fmt.Fprintln(w, f)
		}
	}
	if rest := len(list) - shown; rest > 0 && !bool(quiet) && !env.Quiet {
		fmt.Fprintf(w, "%d finding(s) that need nothing: %s\n", rest,
			env.WithProject("docker loom config "+id+" --explain shows them"))
	}
}

// WriteRows prints a list as docker's own lists are printed, with a row for each item. A row made of nothing gives the
// table's header.
func WriteRows[T any](w io.Writer, format string, list []T, row func(T) formatter.SubContext) error {
	var none T
	ctx := formatter.Context{Output: w, Format: formatter.Format(format)}
	err := ctx.Write(row(none), func(write func(formatter.SubContext) error) error {
		for _, item := range list {
			if err := write(row(item)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return command.Usagef(nil, "--format: %w", err)
	}
	return nil
}

// Tilde shortens a path below the user's home.
func Tilde(path string) string {
	home, err := os.UserHomeDir()
	if rest, ok := strings.CutPrefix(path, home+string(os.PathSeparator)); err == nil && ok && home != "/" {
		return "~" + string(os.PathSeparator) + rest
	}
	return path
}
