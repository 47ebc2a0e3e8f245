package inside

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newTopCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "top [OPTIONS] [ID] [SERVICE...]",
		Short: "Show the processes in a loom's containers",
		Long: `Show the processes in a loom's containers, as the host sees them.

` + idOrService,
		Example: "  docker loom top 123\n  docker loom top 123 web",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runTop(cmd.Context(), env, format, args) },
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

// TopDocument is what top --format json prints.
type TopDocument struct {
	Loom       string         `json:"loom"`
	Project    string         `json:"project"`
	Containers []TopContainer `json:"containers"`
}

// TopContainer is one container of what top --format json prints.
type TopContainer struct {
	Service   string              `json:"service"`
	Container string              `json:"container"`
	Processes []map[string]string `json:"processes"` // by the titles of ps, such as PID and CMD
}

func runTop(ctx context.Context, env *command.Environment, format string, args []string) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	list, err := command.Containers(l).Top(ctx, t, services)
	if err != nil {
		return err
	}
	doc := TopDocument{t.ID, t.Known.Project, []TopContainer{}}
	for _, c := range list {
		container := TopContainer{Service: c.Service, Container: c.Container, Processes: []map[string]string{}}
		for _, row := range c.Rows {
			process := map[string]string{}
			for i, title := range c.Titles[:min(len(c.Titles), len(row))] {
				process[title] = row[i]
			}
			container.Processes = append(container.Processes, process)
		}
		doc.Containers = append(doc.Containers, container)
	}
	return output.Write(env.Docker.Out(), format, doc, func(w io.Writer) { topTable(w, list) })
}

// topTable shows a row a process. Containers whose ps has other columns share one table; the command stands last.
func topTable(w io.Writer, list []stack.Processes) {
	const command = "CMD"
	var titles []string
	last := false
	for _, c := range list {
		for _, title := range c.Titles {
			if title == command {
				last = true
			} else if !slices.Contains(titles, title) {
				titles = append(titles, title)
			}
		}
	}
	if last {
		titles = append(titles, command)
	}
	rows := [][]string{append([]string{"SERVICE", "#"}, titles...)}
	for _, c := range list {
		for _, process := range c.Rows {
			row := []string{c.Service, c.Replica}
			for _, title := range titles {
				i := slices.Index(c.Titles, title)
				if i < 0 || i >= len(process) {
					row = append(row, "-")
					continue
				}
				row = append(row, process[i])
			}
			rows = append(rows, row)
		}
	}
	output.Columns(w, rows)
}
