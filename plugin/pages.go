package plugin

import (
	"regexp"
	"strings"

	dockercommand "github.com/docker/cli/cli/command"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Command is docker loom below docker, for what describes commands. It cannot be run.
func Command() *cobra.Command {
	docker := &cobra.Command{Use: "docker"}
	docker.AddCommand(newLoomCommand(&command.Environment{Docker: &dockercommand.DockerCli{}}))
	return docker
}

// Page is the beginning of one command's page of the reference.
type Page struct {
	File string // its name
	Text string // Markdown, with markers between which cli-docs-tool puts description and flags
}

// Pages begins the page of every command below root, and puts the commands' help into the Markdown that cli-docs-tool
// is
// to copy.
func Pages(root *cobra.Command) []Page {
	var list []Page
	for _, cmd := range root.Commands() {
		if cmd.Hidden {
			continue
		}
		list = append(append(list, writePage(cmd)), Pages(cmd)...)
	}
	return list
}

func writePage(cmd *cobra.Command) Page {
	_, words, _ := strings.Cut(cmd.CommandPath(), " ")
	cmd.DisableFlagsInUseLine = true
	text := "# " + cmd.CommandPath() + "\n\n<!---MARKER_GEN_START-->\n<!---MARKER_GEN_END-->\n"
	if cmd.Example != "" {
		text += "\n## Examples\n\n```console\n"
		for _, line := range strings.Split(cmd.Example, "\n") {
			text += "$ " + strings.TrimSpace(line) + "\n"
		}
		text += "```\n"
	}
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	usage := strings.ReplaceAll(cmd.UseLine(), "\n  ", "\n")
	if cmd.HasSubCommands() {
		usage += " [OPTIONS] COMMAND"
	}
	cmd.Long = "```text\n" + usage + "\n```\n\n" + markdown(long)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Usage = escape(f.Usage) })
	return Page{File: strings.ReplaceAll(words, " ", "_") + ".md", Text: text}
}

// markdown keeps what is indented as it stands.
func markdown(text string) string {
	var b strings.Builder
	inside := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != inside {
			if inside {
				b.WriteString("```\n\n")
			} else {
				b.WriteString("\n```text\n")
			}
			inside = indented
		}
		if !inside {
			line = escape(line)
		}
		b.WriteString(line + "\n")
	}
	if inside {
		b.WriteString("```\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

var special = regexp.MustCompile(`[<*_]`)

// escape keeps characters from being taken for Markdown.
func escape(text string) string { return special.ReplaceAllString(text, `\$0`) }
