package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/cli/cli/command/formatter/tabwriter"
	"github.com/docker/cli/templates"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// addFormat adds --format as docker has it.
func addFormat(flags *pflag.FlagSet, format *string) {
	flags.StringVar(format, "format", "", `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'json':             Print one JSON document
'TEMPLATE':         Print output using the given Go template`)
}

// write prints one document: JSON, a Go template of it, or a table.
func write(w io.Writer, format string, document any, table func(io.Writer)) error {
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
		return usageError{nil, fmt.Errorf("--format: %w", err)}
	}
	var b bytes.Buffer
	if err := t.Execute(&b, document); err != nil {
		return usageError{nil, fmt.Errorf("--format: %w", err)}
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}

// columns prints rows as docker's tables are.
func columns(w io.Writer, rows [][]string) {
	tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	tw.Flush()
}

// resultTable shows services with what their ports are reached at, a row a port.
func resultTable(w io.Writer, r *loom.Result) {
	rows := [][]string{{"SERVICE", "STATE", "ADDRESS", "CONTAINER PORT"}}
	seen := map[string]bool{}
	for _, s := range r.Services {
		listed := false
		for _, p := range r.Ports {
			if p.Service != s.Name || seen[s.Name] {
				continue
			}
			row := []string{s.Name, state(s), address(p), containerPort(p)}
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
	columns(w, rows)
}

func state(s loom.Service) string {
	switch {
	case s.State == "exited":
		return fmt.Sprintf("exited (%d)", s.ExitCode)
	case s.Health != "":
		return fmt.Sprintf("%s (%s)", s.State, s.Health)
	}
	return s.State
}

func address(p loom.Port) string {
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

// findings prints what a plan tells: each that is not harmless, and unless quiet a count of the others.
func findings(w io.Writer, list []finding.Finding, quiet bool) {
	shown := 0
	for _, f := range list {
		if f.Level != finding.Info {
			fmt.Fprintln(w, f)
			shown++
		}
	}
	if rest := len(list) - shown; rest > 0 && !quiet {
		fmt.Fprintf(w, "%d finding(s) that need nothing: docker loom config --explain shows them\n", rest)
	}
}
