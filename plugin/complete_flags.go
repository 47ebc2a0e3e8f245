package plugin

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/idle"
)

// fixed are the values of flags that take no others, or seldom.
var fixed = map[string][]string{
	"format":   {"table", "json"},
	"pull":     {"always", "missing", "never"},
	"policy":   {"always\tpull all images", "missing\tpull those that are not there"},
	"progress": {"auto", "tty", "plain", "json", "quiet"},
	"protocol": {"tcp", "udp"},
	"editor":   {"code", "code-insiders", "cursor", "windsurf"},
	"worktree": {"true", "auto\tonly if another loom works in this folder"},
	"signal":   {"SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGKILL", "SIGUSR1", "SIGUSR2"},
	"ignore":   idle.Sources,
	"tail":     {"all", "10", "100"},

	"egress": {"none", "restricted", "open"}, "services-egress": {"restricted", "open"},
}

// files are the endings of what flags with files take; those with none take every file.
var files = map[string][]string{
	"file":         {"yaml", "yml"},
	"config":       {"json"},
	"secrets-file": {"json"},
	"env-file":     nil, "env-from-file": nil, "secret-file": nil,
}

// folders are the flags that take a folder of the host.
var folders = []string{"project-directory", "path"}

// flags gives each flag that takes a value its completion.
func (c completion) flags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		// A flag has one completion, which is registered here only.
		if err := cmd.RegisterFlagCompletionFunc(f.Name, c.flag(cmd.Name(), f.Name)); err != nil {
			panic(err)
		}
	})
}

func (c completion) flag(command, name string) cobra.CompletionFunc {
	if command == "env" && name == "format" {
		return cobra.FixedCompletions([]string{"dotenv", "shell", "json", "direnv"}, cobra.ShellCompDirectiveNoFileComp)
	}
	if values, ok := fixed[name]; ok {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	if endings, ok := files[name]; ok {
		if endings == nil {
			return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
		}
		return cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
	}
	if slices.Contains(folders, name) {
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	}
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var list []string
		switch name {
		case "data-from":
			list = without(c.ids(typed), args)
		case "service":
			id := ""
			if len(args) > 0 && c.known(args[0]) {
				id = args[0]
			}
			list = c.services(id)
		case "agent":
			list = c.agents()
		case "vault":
			if l, err := c.looms(false); err == nil {
				list = agent.New(l).VaultNames()
			}
		case "env", "secret":
			// Variables that are passed on as they are.
			for _, v := range os.Environ() {
				key, _, _ := strings.Cut(v, "=")
				list = append(list, key)
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}
