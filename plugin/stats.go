package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
)

type statsOptions struct {
	allRepositories, noStream bool
	format                    string
}

func newStatsCommand(env *environment) *cobra.Command {
	var o statsOptions
	cmd := &cobra.Command{
		Use:   "stats [OPTIONS] [ID] [SERVICE...]",
		Short: "Show the CPU, memory, network and disk use of looms",
		Long: `Show the CPU, memory, network and disk use of the running containers of all looms of this repository, of one loom, or of
some of its services. On a terminal the table is renewed every second until Ctrl-C; elsewhere, with --no-stream and with
--format json it is shown once.

The first argument is a loom if there is a loom of that name, else a service of this folder's loom.`,
		Example: "  docker loom stats\n  docker loom stats 123 --no-stream\n  docker loom stats --all-repositories --format 'table {{.Name}}\\t{{.Service}}\\t{{.CPUPerc}}'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.allRepositories && len(args) > 0 {
				return usageError{cmd, errors.New("--all-repositories takes neither ids nor services")}
			}
			return runStats(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	flags.BoolVar(&o.noStream, "no-stream", false, "Disable streaming stats and only pull the first result")
	addFormat(flags, &o.format)
	return cmd
}

func runStats(ctx context.Context, env *environment, o statsOptions, args []string) error {
	l, scope, err := statsScope(ctx, env, o, args)
	if err != nil {
		return err
	}
	// The share of CPU is known at the second reading.
	meter := l.Engine.Meter()
	if _, err := l.Usage(ctx, meter, scope); err != nil {
		return err
	}
	once := o.noStream || !env.docker.Out().IsTerminal() || o.format == formatter.JSONFormatKey
	wait := 500 * time.Millisecond
	screen := newScreen(env.docker.Out())
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		list, err := l.Usage(ctx, meter, scope)
		if err != nil {
			return err
		}
		if once {
			return tellUsage(env, o.format, scope, list)
		}
		var b bytes.Buffer
		if err := usageTable(&b, o.format, scope, list, screen.width()); err != nil {
			return err
		}
		screen.show(b.String())
		wait = time.Second
	}
}

// statsScope finds out which containers are meant: without arguments those of the whole repository.
func statsScope(ctx context.Context, env *environment, o statsOptions, args []string) (*loom.Looms, loom.Scope, error) {
	if len(args) > 0 {
		l, t, services, err := env.named(ctx, args)
		return l, loom.Scope{Target: t, Services: services}, err
	}
	l, where, err := env.begin(nil)
	if err != nil || o.allRepositories {
		return l, loom.Scope{}, err
	}
	repository, err := l.RepositoryOf(ctx, where.Source)
	return l, loom.Scope{Repository: repository}, err
}

func tellUsage(env *environment, format string, scope loom.Scope, list []loom.Usage) error {
	if format == formatter.JSONFormatKey {
		return write(env.docker.Out(), format, list, nil)
	}
	if len(list) == 0 {
		switch {
		case scope.Target != nil:
			fmt.Fprintf(env.docker.Err(), "nothing of loom %s runs\n", scope.Target.ID)
		case scope.Repository != "":
			fmt.Fprintln(env.docker.Err(), "no loom of this repository runs; --all-repositories shows those of others")
		default:
			fmt.Fprintln(env.docker.Err(), "no loom runs")
		}
	}
	return usageTable(env.docker.Out(), format, scope, list, 0)
}

// statsColumns are the table's, from the one that a narrow terminal can do without last.
var statsColumns = []string{"{{.Service}}", "{{.CPUPerc}}", "{{.MemUsage}}", "{{.PIDs}}", "{{.NetIO}}", "{{.BlockIO}}"}

// usageTable prints the table, without its last columns where the width, unless it is 0, is too small for them.
func usageTable(w io.Writer, format string, scope loom.Scope, list []loom.Usage, width int) error {
	if format != "" && format != formatter.TableFormatKey {
		return usageContext(w, format, list)
	}
	name := "{{.ID}}"
	if scope.Target == nil && scope.Repository == "" {
		name = "{{.Name}}"
	}
	for n := len(statsColumns); ; n-- {
		var b bytes.Buffer
		columns := append([]string{name}, statsColumns[:n]...)
		if err := usageContext(&b, "table "+strings.Join(columns, "\t"), list); err != nil {
			return err
		}
		if width <= 0 || n == 2 || longest(b.String()) <= width {
			_, err := w.Write(b.Bytes())
			return err
		}
	}
}

func longest(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		n = max(n, len([]rune(strings.TrimRight(line, " \n"))))
	}
	return n
}

func usageContext(w io.Writer, format string, list []loom.Usage) error {
	return writeRows(w, format, list, func(u loom.Usage) formatter.SubContext { return newUsageRow(u) })
}

// usageRow is one container for the formatter: its methods are the template's fields, called as docker stats does.
type usageRow struct {
	formatter.HeaderContext
	u loom.Usage
}

func newUsageRow(u loom.Usage) *usageRow {
	r := &usageRow{u: u}
	r.Header = formatter.SubHeaderContext{
		"ID": "LOOM", "Name": "LOOM", "Repository": "REPOSITORY", "Service": "SERVICE", "Container": "CONTAINER",
		"CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
	}
	return r
}

func (r *usageRow) MarshalJSON() ([]byte, error) { return formatter.MarshalJSON(r) }

// ID is the loom's.
func (r *usageRow) ID() string { return r.u.Loom }

// Name addresses the loom from anywhere.
func (r *usageRow) Name() string { return r.u.Name() }

// Repository is its path.
func (r *usageRow) Repository() string { return tilde(r.u.Repository) }

// Service is the container's.
func (r *usageRow) Service() string { return r.u.Service }

// Container is its name.
func (r *usageRow) Container() string { return r.u.Container }

// CPUPerc is the share of one CPU.
func (r *usageRow) CPUPerc() string {
	if r.u.CPU == nil {
		return "--"
	}
	return fmt.Sprintf("%.2f%%", *r.u.CPU)
}

// MemUsage is the memory used and its limit.
func (r *usageRow) MemUsage() string {
	return units.BytesSize(float64(r.u.Memory)) + " / " + units.BytesSize(float64(r.u.MemoryLimit))
}

// MemPerc is the share of the limit.
func (r *usageRow) MemPerc() string {
	if r.u.MemoryLimit == 0 {
		return "--"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(r.u.Memory)/float64(r.u.MemoryLimit))
}

// NetIO is what came in and went out.
func (r *usageRow) NetIO() string { return pair(r.u.NetIn, r.u.NetOut) }

// BlockIO is what was read from and written to disks.
func (r *usageRow) BlockIO() string { return pair(r.u.BlockRead, r.u.BlockWrite) }

// PIDs counts processes and threads.
func (r *usageRow) PIDs() string { return strconv.FormatUint(r.u.PIDs, 10) }

func pair(a, b uint64) string {
	return units.HumanSizeWithPrecision(float64(a), 3) + " / " + units.HumanSizeWithPrecision(float64(b), 3)
}
