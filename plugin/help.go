package plugin

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// widthWithoutTerminal is the width of help that goes to a file or a pipe.
const widthWithoutTerminal = 80

// firstSteps are the commands that docker loom alone shows: those that one needs first.
var firstSteps = []string{"up", "ls", "exec", "logs", "agent", "down"}

// help prints the help of a command, as wide as the terminal.
type help struct{ env *command.Environment }

// install makes it the help of all commands below root.
func (h help) install(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { h.write(cmd.OutOrStdout(), cmd, h.width()) })
}

func (h help) width() int {
	if out := h.env.Docker.Out(); out != nil && out.IsTerminal() {
		if _, width := out.GetTtySize(); width > 0 {
			return int(width)
		}
	}
	return widthWithoutTerminal
}

// write prints usage, description, aliases, examples, commands and options.
func (h help) write(w io.Writer, cmd *cobra.Command, width int) {
	usage := cmd.UseLine()
	if cmd.HasAvailableSubCommands() && !cmd.Runnable() || cmd.Use == "loom" {
		usage = cmd.CommandPath() + " [OPTIONS] COMMAND"
	}
	fmt.Fprintf(w, "\nUsage:  %s\n\n%s\n", usage, output.Wrap(describe(cmd), width))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, "\nAliases:\n  %s\n", strings.TrimPrefix(cmd.NameAndAliases(), cmd.Name()+", "))
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	commands := slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool {
		return !c.IsAvailableCommand()
	})
	for _, g := range cmd.Groups() {
		list := slices.DeleteFunc(slices.Clone(commands), func(c *cobra.Command) bool { return c.GroupID != g.ID })
		writeCommands(w, g.Title, list, width)
	}
	commands = slices.DeleteFunc(commands, func(c *cobra.Command) bool { return c.GroupID != "" })
	writeCommands(w, "Commands:", commands, width)
	if flags := cmd.LocalFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\nOptions:\n%s", flags.FlagUsagesWrapped(width-1))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun '%s COMMAND --help' for more information on a command.\n", cmd.CommandPath())
	}
}

// writeFirstSteps is what docker loom says without a command.
func (h help) writeFirstSteps(w io.Writer, root *cobra.Command, width int) {
	fmt.Fprintf(w, "\nUsage:  %s [OPTIONS] COMMAND\n\n%s\n", root.CommandPath(), output.Wrap(describe(root), width))
	var list []*cobra.Command
	for _, name := range firstSteps {
		for _, c := range root.Commands() {
			if c.Name() == name {
				list = append(list, c)
			}
		}
	}
	writeCommands(w, "First steps:", list, width)
	fmt.Fprintf(w, "\nRun '%s --help' for all commands.\n", root.CommandPath())
}

func describe(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short
}

func writeCommands(w io.Writer, title string, list []*cobra.Command, width int) {
	if len(list) == 0 {
		return
	}
	longest := 0
	for _, c := range list {
		longest = max(longest, len(c.Name()))
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, c := range list {
		indent := strings.Repeat(" ", 2+longest+3)
		text := output.Wrap(c.Short, max(width-len(indent), 20))
		fmt.Fprintf(w, "  %-*s   %s\n", longest, c.Name(), strings.ReplaceAll(text, "\n", "\n"+indent))
	}
}
