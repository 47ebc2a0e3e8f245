package plugin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/plugin/command"
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

func (c completion) flag(of, name string) cobra.CompletionFunc {
	if of == "env" && name == "format" {
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
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var list []string
		switch name {
		case "project":
			list = c.projects(cmd, args)
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

// makesProjects are the commands that take a folder of which the loom has no project yet.
var makesProjects = []string{"up", "prepare", "config", "build"}

// projects are the folders of the named loom's projects, without an id those of this folder's loom. A command that can
// make a project also takes the folders of the repository that have a compose file.
func (c completion) projects(cmd *cobra.Command, args []string) []string {
	id := ""
	if len(args) > 0 && c.known(args[0]) {
		id = args[0]
	}
	dir, repository := command.Folder(), c.repository()
	var list []string
	for _, l := range c.remembered() {
		isMeant := l.Repository == repository && l.ID == id || l.Name() == id
		if id == "" {
			isMeant = l.Repository == repository && host.IsBelow(dir, l.WorkTree)
		}
		for _, p := range l.Projects {
			if isMeant && p.Folder != "" {
				list = append(list, p.Folder)
			}
		}
	}
	if slices.Contains(makesProjects, cmd.Name()) {
		if top := c.workTree(); top != "" {
			folders, _ := survey.ComposeFolders(c.env.Signals, top) // without git there are none to list
			list = append(list, folders...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// workTree is the top of that of the current folder, "" without one.
func (c completion) workTree() string {
	for dir := command.Folder(); dir != ""; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}
