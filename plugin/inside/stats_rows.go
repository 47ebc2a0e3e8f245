package inside

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// statsColumns are the table's, from the one that a narrow terminal can do without last.
var statsColumns = []string{"{{.Service}}", "{{.CPUPerc}}", "{{.MemUsage}}", "{{.PIDs}}", "{{.NetIO}}", "{{.BlockIO}}"}

// usageTable prints the table, without its last columns where the width, unless it is 0, is too small for them.
func usageTable(w io.Writer, format string, scope inventory.Scope, list []inventory.Usage, width int) error {
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

func usageContext(w io.Writer, format string, list []inventory.Usage) error {
	return output.WriteRows(w, format, list, func(u inventory.Usage) formatter.SubContext { return newUsageRow(u) })
}

// usageRow is one container for the formatter: its methods are the template's fields, called as docker stats does.
type usageRow struct {
	formatter.HeaderContext
	u inventory.Usage
}

func newUsageRow(u inventory.Usage) *usageRow {
	r := &usageRow{u: u}
	r.Header = formatter.SubHeaderContext{
		"ID": "LOOM", "Name": "LOOM", "Repository": "REPOSITORY", "Service": "SERVICE", "Container": "CONTAINER",
		"CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O",
		"BlockIO": "BLOCK I/O", "PIDs": "PIDS",
	}
	return r
}

func (r *usageRow) MarshalJSON() ([]byte, error) { return formatter.MarshalJSON(r) }

// ID is the loom's.
func (r *usageRow) ID() string { return r.u.Loom }

// Name addresses the loom from anywhere.
func (r *usageRow) Name() string { return r.u.Name() }

// Repository is its path.
func (r *usageRow) Repository() string { return output.Tilde(r.u.Repository) }

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
