package command

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/report"
)

// Subject is how results call a loom, or the project of it that was named.
func Subject(id, folder string) string {
	if folder == "" {
		return "loom " + id
	}
	return "project " + folder + " of loom " + id
}

// NoteProject notes the project that a command acts on, if neither the command line nor the current folder tells it:
// next steps then name it.
func (env *Environment) NoteProject(t *loom.Target) {
	if env.Project != "" || t == nil || t.Known == nil {
		return
	}
	var names []report.ProjectName
	for _, k := range t.Projects {
		names = append(names, report.NameOf(k))
	}
	if !IsTold(Folder(), t.WorkTree, names, report.NameOf(t.Known)) {
		env.StepProject = t.Known.Folder()
	}
}

// IsTold reports whether a command in a folder acts on a project of a loom without a flag. It does if the loom has no
// other, or if the project's folder is the nearest at or above.
func IsTold(dir, workTree string, projects []report.ProjectName, project report.ProjectName) bool {
	if len(projects) < 2 {
		return true
	}
	nearest, at := report.ProjectName{}, ""
	for _, p := range projects {
		folder := filepath.FromSlash(p.Folder)
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(workTree, folder)
		}
		if host.IsBelow(dir, folder) && len(folder) > len(at) {
			nearest, at = p, folder
		}
	}
	return at != "" && nearest == project
}

// WithProject adds to the commands of a next step which project they are about, if that has to be named, and names
// their looms as one types them in this folder.
func (env *Environment) WithProject(step string) string {
	if env.Opened != nil {
		step = env.Opened.InUse.WithLoom(step)
	}
	return find.WithProject(step, cmp.Or(env.Project, env.StepProject))
}

// StepInFolder is the command that the user typed, run in the folder that stood in the place of an id; "" if there is
// no such folder.
func (env *Environment) StepInFolder(typed string) string {
	at := slices.Index(env.Args, typed)
	path := strings.TrimSpace(typed)
	home, inHome := strings.CutPrefix(path, "~/")
	if path == "~" || inHome {
		user, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		path = filepath.Join(user, home)
	}
	if info, err := os.Stat(path); at < 0 || err != nil || !info.IsDir() {
		return ""
	}
	words := slices.Delete(slices.Clone(env.Args), at, at+1)
	if !slices.Contains(words, "loom") {
		words = slices.Insert(words, 0, "loom")
	}
	step := "docker " + find.ShellLine(words)
	if filepath.Clean(path) == "." {
		return step
	}
	return "cd " + find.ShellWord(path) + " && " + step
}
