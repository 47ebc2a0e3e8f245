package loom

import (
	"bytes"
	"context"
	"fmt"
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
	plan, err := l.Plan(ctx, t, Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	if err := l.refuse(ctx, plan); err != nil {
		return nil, err
	}
	found := plan.base.Found
	i := &Invocation{
		Project: plan.Entry.Project, Dir: found.Dir, Files: found.Paths, EnvFiles: found.EnvFiles,
		Profiles: slices.DeleteFunc(slices.Clone(found.Profiles), func(p string) bool { return p == "" }),
		Env:      environment(os.Environ(), found.Env, plan.Env),
	}
	if own := filepath.Join(found.Dir, overrides.EnvFile); len(i.EnvFiles) == 0 && found.DotEnv() != own {
		// With files named Compose does not look there for itself.
		for _, path := range []string{found.DotEnv(), own} {
			if _, err := os.Stat(path); err == nil {
				i.EnvFiles = append(i.EnvFiles, path)
			}
		}
	}
	if plan.plain() && plan.dev == nil && len(found.Paths) > 0 {
		return i, nil
	}
	current, written := true, ""
	for _, f := range plan.Files {
		switch {
		case f.Content == nil:
		case !overrides.Current(f):
			current = false
		case bytes.Equal(f.Content, plan.Override):
			written = f.Path
		}
	}
	if current && written != "" {
		i.Files = append(slices.Clone(i.Files), written)
		return i, nil
	}
	i.Override, err = plan.fromMemory()
	return i, err
}

// fromMemory is an override that gives the loom as planned whatever files are on the disk; where there are no base files
// it is the whole project.
func (p *Plan) fromMemory() ([]byte, error) {
	if len(p.base.Paths) == 0 {
		return overrides.Whole(p.Project, p.Name())
	}
	edits := slices.Clone(p.Edits)
	if p.plain() {
		edits = slices.Clone(p.dev.planned)
	}
	for _, name := range p.base.ReadsDotEnv() {
		if s, ok := p.Project.Services[name]; ok {
			edits = append(edits, environ{service: name, values: s.Environment})
		}
	}
	return overrides.Render(p.Project, p.Name(), edits)
}

// environ is an edit that gives a service its whole environment: what it reads through env_file may be another loom's.
type environ struct {
	service string
	values  types.MappingWithEquals
}

// Apply does nothing: the project has its environment.
func (e environ) Apply(*types.Project) {}

// Render writes the environment in place of the one that the files give.
func (e environ) Render(d *overrides.Document) {
	d.Set(e.values, "!override", "services", e.service, "environment")
	d.Reset("services", e.service, "env_file")
}

// String names the service.
func (e environ) String() string { return fmt.Sprintf("service %s: environment", e.service) }

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
