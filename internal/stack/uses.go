package stack

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/docker-loom/docker-loom/internal/stack/variables"
)

// Variable is an environment variable that gives one published port of a service.
type Variable = variables.Variable

// findVariables compiles the files once more without interpolation, to see which variables stand in published ports,
// and which in other places.
func (c *compilation) findVariables(ctx context.Context, m *Model) error {
	if !c.dollars {
		m.Uses = m.namesIn(variables.Uses{})
		return nil
	}
	raw, err := c.raw(ctx, m.Project.Name)
	if err != nil {
		return fmt.Errorf("reading port variables: %w", err)
	}
	vars := variables.TakePublished(raw, m.Project.Environment.Resolve)
	uses := variables.UsesIn(raw)
	for text := range m.files.Resolved {
		uses.AddText("include or extends", text)
	}
	m.Uses = m.namesIn(uses)
	// A variable to which an included .env gives another value than the project's has no base.
	m.Variables = variables.Given(vars, uses, m.Project)
	return nil
}

// namesIn are the variables that are used, in the files that services read through env_file too.
func (m *Model) namesIn(uses variables.Uses) map[string]bool {
	m.usesInEnvFiles(uses)
	names := map[string]bool{}
	for name := range uses {
		names[name] = true
	}
	return names
}

// Reads are the variables that the files use or look up.
func (m *Model) Reads() map[string]bool {
	reads := map[string]bool{}
	maps.Copy(reads, m.Uses)
	maps.Copy(reads, m.Sought)
	return reads
}

// raw is the merged model of the files with its variables unresolved.
func (c *compilation) raw(ctx context.Context, name string) (map[string]any, error) {
	plain := *c
	plain.name, plain.vars = name, nil
	if c.files.NeedsPlain() {
		var err error
		if plain.snapshot, plain.rewrite, err = c.files.PlainSnapshot(); err != nil {
			return nil, err
		}
		defer plain.snapshot.Remove()
		plain.loaders = plain.snapshot.Loaders(c.files)
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
	model, err := c.raw(ctx, "where")
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
