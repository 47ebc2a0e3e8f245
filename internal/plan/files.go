package plan

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// decideFiles decides which generated files the loom has, and what is in them.
func (m *maker) decideFiles() error {
	found := m.facts.Found
	name, listed := m.overrideFile()
	var err error
	if len(found.Paths) == 0 {
		m.Override, err = overrides.Whole(m.model.Project, m.Name())
	} else {
		m.Override, err = overrides.Render(m.model.Project, m.Name(), m.edits)
	}
	if err != nil {
		return err
	}
	if listed != nil {
		separator := cmp.Or(found.Env["COMPOSE_PATH_SEPARATOR"], string(os.PathListSeparator))
		if v, ok := composeFileVar(listed, separator); ok {
			m.Env = slices.Insert(m.Env, 1, v)
		} else {
			m.find(finding.Finding{
				Level: finding.Error, Subject: "file .env",
				Message: fmt.Sprintf("cannot name %q: plain docker compose in this folder acts on another project", listed),
				Remedy:  "use docker loom for this loom, or rename the files",
			})
		}
	}
	if !m.Entry.Files {
		return nil
	}
	other := overrides.NamedFile
	if name == overrides.NamedFile {
		other = overrides.OverrideFile
	}
	path := filepath.Join(found.Dir, filepath.FromSlash(name))
	m.Files = append(m.Files, overrides.File{Path: path, Content: m.Override})
	if old := filepath.Join(found.Dir, filepath.FromSlash(other)); m.facts.Generated[old] != nil {
		m.Files = append(m.Files, overrides.File{Path: old})
	}
	m.exclude(path)
	if m.facts.Dev != nil {
		m.decideWorkspaceEnv()
	}
	if m.mustKeepEnv(listed != nil) {
		return nil
	}
	if len(overrides.Cut(m.facts.DotEnv)) == 0 {
		m.exclude(found.DotEnv())
	}
	m.Files = append(m.Files, overrides.File{Path: found.DotEnv(), Content: overrides.Add(m.facts.DotEnv, m.ID, m.Env)})
	return nil
}

// overrideFile decides the name of the override. If docker compose does not find it by itself, listed has the files for
// COMPOSE_FILE.
func (m *maker) overrideFile() (name string, listed []string) {
	found := m.facts.Found
	tracked := m.facts.Tracked[filepath.Join(found.Dir, overrides.OverrideFile)]
	switch {
	case len(found.Paths) == 0:
		return overrides.NamedFile, []string{overrides.NamedFile}
	case !found.Chosen && len(m.facts.OtherOverrides) == 0 && !tracked:
		return overrides.OverrideFile, nil
	}
	name = overrides.NamedFile
	for _, path := range append(slices.Clone(found.Paths), filepath.Join(found.Dir, filepath.FromSlash(name))) {
		// Paths in COMPOSE_FILE are relative to the folder of the .env.
		if rel, err := filepath.Rel(filepath.Dir(found.DotEnv()), path); err == nil && filepath.IsLocal(rel) {
			path = filepath.ToSlash(rel)
		}
		listed = append(listed, path)
	}
	return name, listed
}

// composeFileVar returns the variable that names the project's files. ok is false if a path has the separator in it, or
// if no line of .env can have it.
func composeFileVar(paths []string, separator string) (v overrides.Var, ok bool) {
	v = overrides.Var{Name: "COMPOSE_FILE", Value: strings.Join(paths, separator)}
	_, ok = overrides.Quote(v.Value)
	return v, ok && !slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, separator) })
}

// decideWorkspaceEnv also puts the loom's variables into the .env of the workspace: the reference CLI reads the
// project's name there.
func (m *maker) decideWorkspaceEnv() {
	d := m.facts.Dev
	if d.DotEnv == m.facts.Found.DotEnv() || d.Config.Kind != devcontainer.KindCompose {
		return
	}
	if m.facts.Tracked[d.DotEnv] || m.facts.Links[d.DotEnv] {
		return
	}
	if len(overrides.Cut(d.DotEnvText)) == 0 {
		m.exclude(d.DotEnv)
	}
	vars := slices.DeleteFunc(slices.Clone(m.Env), func(v overrides.Var) bool { return v.Name == "COMPOSE_FILE" })
	vars = append(vars, programs{m}.dotEnvVars(d.DotEnv, d.DotEnvText, vars)...)
	m.Files = append(m.Files, overrides.File{Path: d.DotEnv, Content: overrides.Add(d.DotEnvText, m.ID, vars)})
}

var setsProject = regexp.MustCompile(`(?m)^\s*(?:export\s+)?COMPOSE_PROJECT_NAME\s*=`)

// mustKeepEnv reports whether .env must not be written. It then adds a finding about what does not work without the
// block. needed says that docker compose finds the override only through the block.
func (m *maker) mustKeepEnv(needed bool) bool {
	path := m.facts.Found.DotEnv()
	why := ""
	switch {
	case m.facts.Tracked[path]:
		why = "is tracked by git"
	case m.facts.Links[path]:
		why = "is a symbolic link"
	default:
		return false
	}
	kept := finding.Finding{
		Level: finding.Warning, Subject: "file .env",
		Message: why + " and stays as it is: programs on the host do not find the loom's ports there",
		Remedy:  "docker loom config " + m.ID + " shows them",
	}
	if setsProject.Match(m.facts.DotEnv) || needed {
		kept.Level = finding.Error
		kept.Message = why + " and stays as it is: plain docker compose in this folder acts on another project"
		kept.Remedy = "use docker loom for this loom"
	}
	m.find(kept)
	return true
}

func (m *maker) exclude(path string) {
	git := m.facts.Target.Git
	if git == nil || git.WorkTree == "" {
		return
	}
	if rel, err := filepath.Rel(git.WorkTree, path); err == nil && filepath.IsLocal(rel) {
		m.Excluded = append(m.Excluded, worktree.Pattern(rel))
	}
}

// useBlock loads the project as plain docker compose will load it with this loom's block in .env. The .env on the disk
// may still have another block, and the hashes must be the same.
func (m *maker) useBlock() {
	vars := map[string]string{}
	for _, v := range m.Env {
		vars[v.Name] = v.Value
	}
	var dotEnv []byte
	if m.facts.DotEnv != nil {
		dotEnv = overrides.Cut(m.facts.DotEnv)
	}
	for _, file := range m.Files {
		if file.Path == m.facts.Found.DotEnv() {
			dotEnv = file.Content
		}
	}
	m.model.UseBlock(vars, dotEnv)
}
