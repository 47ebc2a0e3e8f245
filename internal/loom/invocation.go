package loom

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/overrides"
)

// Invocation is how a docker compose command acts on a loom.
type Invocation struct {
	// Project is the Compose project, Dir the project directory.
	Project, Dir string
	// Files are the compose files, in their order; Override is the text of one more that comes last and is not on the
	// disk as it should be, nil where there is none.
	Files    []string
	Override []byte
	// EnvFiles are those to name; empty for the .env of the project directory.
	EnvFiles []string
	Profiles []string
	// Env is the whole environment, NAME=value.
	Env []string
}

// Invocation plans afresh how a docker compose command acts on a loom. Nothing is leased or written for it.
func (l *Looms) Invocation(ctx context.Context, t *Target) (*Invocation, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	d, err := l.planner().facts(ctx, t, Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	d.choices.FromMemory = true
	if err := l.planner().decide(ctx, d); err != nil {
		return nil, err
	}
	if err := l.permission().refuse(d); err != nil {
		return nil, err
	}
	base := d.Base
	i := &Invocation{
		Project: d.Entry.Project, Dir: base.Dir, Files: base.Paths, EnvFiles: base.EnvFiles,
		Profiles: slices.DeleteFunc(slices.Clone(base.Profiles), func(p string) bool { return p == "" }),
		Env:      environment(l.Process.Environ, base.Env, d.Env),
	}
	if own := filepath.Join(base.Dir, overrides.EnvFile); len(i.EnvFiles) == 0 && base.DotEnv != own {
		// With files named Compose does not look there for itself.
		for _, path := range []string{base.DotEnv, own} {
			if _, err := os.Stat(path); err == nil {
				i.EnvFiles = append(i.EnvFiles, path)
			}
		}
	}
	if d.IsPlain() && d.Dev == nil && len(base.Paths) > 0 {
		return i, nil
	}
	current, written := true, ""
	for _, f := range d.Files {
		switch {
		case f.Content == nil:
		case !overrides.Current(f):
			current = false
		case bytes.Equal(f.Content, d.Override):
			written = f.Path
		}
	}
	if current && written != "" {
		i.Files = append(slices.Clone(i.Files), written)
		return i, nil
	}
	i.Override = d.Memory
	return i, nil
}

// environment is the process's environment as the loom's base project was loaded with it, and the loom's variables on
// top: what a shell has of another loom, or of this one, must not count twice. Files and project are chosen by flags.
func environment(process []string, base types.Mapping, vars []overrides.Var) []string {
	var env []string
	for _, kv := range process {
		name, _, _ := strings.Cut(kv, "=")
		switch value, ok := base[name]; {
		case name == "":
			// Windows keeps the folders of its drives in variables such as =C:.
			env = append(env, kv)
		case ok && name != "COMPOSE_FILE" && name != "COMPOSE_PROJECT_NAME" && name != "COMPOSE_ENV_FILES":
			env = append(env, name+"="+value)
		}
	}
	for _, v := range vars {
		if v.Name != "COMPOSE_FILE" && v.Name != "COMPOSE_PROJECT_NAME" {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	return env
}
