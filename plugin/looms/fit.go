package looms

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// fitOptions say what a table may use of the terminal.
type fitOptions struct {
	// width is the terminal's; 0 is unlimited.
	width int
	color bool
}

// columnGap is the space between two columns.
const columnGap = 2

// fitTable completes rows, of which the second column is the state, with the looms' ports and work trees, and fits them
// to the width. Ports lose their services, then ports their ends and paths their beginnings.
func fitTable(rows [][]string, list []inventory.Listed, o fitOptions) string {
	ports, numbers, trees := []string{"PORTS"}, []string{"PORTS"}, []string{"WORK TREE"}
	for _, l := range list {
		row := newListRow(l)
		ports = append(ports, row.Ports())
		numbers = append(numbers, portNumbers(l.Ports))
		trees = append(trees, row.WorkTree())
	}
	left := o.width
	for i := range rows[0] {
		left -= output.Widest(rows, i) + columnGap
	}
	if o.width > 0 && output.WidestOf(ports)+columnGap+output.WidestOf(trees) > left {
		ports = numbers
		// The end of a path tells looms apart. It gets what the ports leave, and a third at the least.
		room := max(left-columnGap, 20)
		forPorts := min(output.WidestOf(ports), room-min(output.WidestOf(trees), room/2))
		for i := range ports {
			ports[i] = output.CutEnd(ports[i], forPorts)
		}
		for i := range trees {
			trees[i] = output.CutBeginning(trees[i], room-output.WidestOf(ports))
		}
		trees[0] = "WORK TREE"
	}
	for i := range rows {
		rows[i] = append(rows[i], ports[i], trees[i])
	}
	return alignRows(rows, o)
}

func alignRows(rows [][]string, o fitOptions) string {
	var b bytes.Buffer
	widths := make([]int, len(rows[0]))
	for i := range widths {
		widths[i] = output.Widest(rows, i)
	}
	for n, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+columnGap)
		}
		line = strings.TrimRight(line, " ")
		if o.width > 0 {
			line = output.CutEnd(line, o.width)
		}
		if begin := widths[0] + columnGap; o.color && n > 0 && len([]rune(line)) > begin+len(row[1]) {
			r := []rune(line)
			end := begin + len([]rune(row[1]))
			line = string(r[:begin]) + colorOfState(row[1]) + string(r[begin:end]) + "\x1b[0m" + string(r[end:])
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// colorOfState begins the color of a state: green runs, yellow runs in part, the rest is faint.
func colorOfState(state string) string {
	switch {
	case strings.HasPrefix(state, "running"):
		return "\x1b[32m"
	case strings.HasPrefix(state, "partial"):
		return "\x1b[33m"
	}
	return "\x1b[2m"
}

func portNumbers(ports []loom.Port) string {
	var list []string
	for _, p := range ports {
		list = append(list, strconv.Itoa(p.Published))
	}
	return strings.Join(list, ",")
}
