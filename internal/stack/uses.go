package stack

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/docker-loom/docker-loom/internal/stack/references"
	"github.com/docker-loom/docker-loom/internal/stack/variables"
)

// Variable is an environment variable that gives one published port of a service.
type Variable = variables.Variable

// findVariables compiles the files once more without interpolation, to see which variables stand in published ports,
// and which in other places.
func (c *compilation) findVariables(ctx context.Context, m *Model) error {
	if !c.dollars {
		return nil
	}
	raw, err := c.raw(ctx, m.Project.Name, &m.files)
	if err != nil {
		return fmt.Errorf("reading port variables: %w", err)
	}
	vars := variables.TakePublished(raw, m.Project.Environment.Resolve)
	uses := variables.UsesIn(raw)
	for text := range m.files.Resolved {
		uses.AddText("include or extends", text)
	}
	m.usesInEnvFiles(uses)
	// A variable to which an included .env gives another value than the project's has no base.
	m.Variables = variables.Given(vars, uses, m.Project)
	m.Uses = map[string]bool{}
	for name := range uses {
		m.Uses[name] = true
	}
	return nil
}

// raw is the merged model of the files with its variables unresolved.
func (c *compilation) raw(ctx context.Context, name string, read *references.Files) (map[string]any, error) {
	plain := *c
	plain.name, plain.vars = name, nil
	if len(read.Resolved) > 0 {
		read, plain.rewrite = read.WithoutVariables()
		var err error
		if plain.snapshot, err = read.Snapshot(); err != nil {
			return nil, err
		}
		defer plain.snapshot.Remove()
		plain.loaders = plain.snapshot.Loaders(*read)
	}
	details, err := plain.details()
	if err != nil {
		return nil, err
	}
	raw, err := loader.LoadModelWithContext(ctx, details, append(plain.options(), func(o *loader.Options) {
		o.SkipInterpolation, o.SkipNormalization, o.SkipConsistencyCheck = true, true, true
		o.SkipValidation, o.SkipDefaultValues, o.ResolvePaths = true, true, false
	})...)
	if err != nil && plain.snapshot != nil {
		err = plain.snapshot.OriginalError(err)
	}
	return raw, err
}

// whereUsed is the first place of the files that uses the variable, "" if none can be told.
func (c *compilation) whereUsed(ctx context.Context, variable string) string {
	// Any name will do: nothing is made of this model.
	model, err := c.raw(ctx, "where", &references.Files{})
	if uses := variables.UsesIn(model)[variable]; err == nil && len(uses) > 0 {
		return uses[0].Path
	}
	return ""
}

// usesInEnvFiles adds the uses in the files that services read through env_file. One that cannot be read is Finish's to
// complain about.
func (m *Model) usesInEnvFiles(uses variables.Uses) {
	services := m.Project.AllServices()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for _, e := range services[name].EnvFiles {
			file := m.files.EnvFiles[e.Path]
			if file.Err != nil {
				continue
			}
			path := "services." + name + ".env_file " + filepath.Base(e.Path)
			if e.Format != "raw" {
				uses.AddText(path, string(file.Text))
			}
			uses.AddBareNames(path, string(file.Text))
		}
	}
}
