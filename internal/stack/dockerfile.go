package stack

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// DockerfileService is the service of a project that is only a Dockerfile.
const DockerfileService = "app"

// Exposed returns the last tcp port that the Dockerfile's final stage exposes (its own EXPOSE, or that of an earlier
// stage it is based on), 0 if there is none.
func Exposed(r Reader, dockerfile string) (int, error) {
	text, err := r.Read(dockerfile)
	if err != nil {
		return 0, err
	}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", dockerfile, err)
	}
	stages, global, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", dockerfile, err)
	}
	if len(stages) == 0 {
		return 0, fmt.Errorf("%s: no FROM", dockerfile)
	}
	lex := shell.NewLex(ast.EscapeToken)
	byName := map[string]int{}
	ports := make([]int, len(stages))
	for i, stage := range stages {
		if from, ok := byName[strings.ToLower(stage.BaseName)]; ok {
			ports[i] = ports[from]
		}
		vars := argDefaults(nil, global)
		for _, c := range stage.Commands {
			switch c := c.(type) {
			case *instructions.ArgCommand:
				vars = argDefaults(vars, []instructions.ArgCommand{*c})
			case *instructions.EnvCommand:
				for _, kv := range c.Env {
					vars = append(vars, kv.Key+"="+kv.Value)
				}
			case *instructions.ExposeCommand:
				for _, word := range c.Ports {
					if p := exposedPort(lex, word, vars); p > 0 {
						ports[i] = p
					}
				}
			}
		}
		if stage.Name != "" {
			byName[strings.ToLower(stage.Name)] = i
		}
	}
	return ports[len(stages)-1], nil
}

// From lists the images that the stages of a service's Dockerfile are FROM or copy from, each once, with the
// arguments that have a value filled in. A service without a build has none, and one whose Dockerfile cannot be read
// here (a remote context) neither.
func From(r Reader, s types.ServiceConfig) []string {
	if s.Build == nil {
		return nil
	}
	text := []byte(s.Build.DockerfileInline)
	if len(text) == 0 {
		file := s.Build.Dockerfile
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Build.Context, cmp.Or(file, "Dockerfile"))
		}
		var err error
		if text, err = r.Read(file); err != nil {
			return nil
		}
	}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	stages, global, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return nil
	}
	vars := argDefaults(nil, global)
	for name, value := range s.Build.Args {
		if value != nil {
			vars = append(vars, name+"="+*value)
		}
	}
	lex := shell.NewLex(ast.EscapeToken)
	names := map[string]bool{}
	var images []string
	add := func(word string) {
		image, _, err := lex.ProcessWord(word, shell.EnvsFromSlice(vars))
		_, notNumber := strconv.Atoi(image)
		isStage := notNumber == nil || names[strings.ToLower(image)]
		if err == nil && !isStage && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	for _, stage := range stages {
		add(stage.BaseName)
		names[strings.ToLower(stage.Name)] = true
		for _, c := range stage.Commands {
			if c, ok := c.(*instructions.CopyCommand); ok && c.From != "" {
				add(c.From)
			}
		}
	}
	return images
}

func argDefaults(vars []string, args []instructions.ArgCommand) []string {
	for _, arg := range args {
		for _, a := range arg.Args {
			if a.Value != nil {
				vars = append(vars, a.Key+"="+*a.Value)
			}
		}
	}
	return vars
}

func exposedPort(lex *shell.Lex, word string, vars []string) int {
	result, _, err := lex.ProcessWord(word, shell.EnvsFromSlice(vars))
	if err != nil {
		return 0
	}
	number, protocol, _ := strings.Cut(result, "/")
	if protocol != "" && protocol != "tcp" {
		return 0
	}
	number, _, _ = strings.Cut(number, "-")
	p, err := strconv.Atoi(number)
	if err != nil || p < 1 || p > 65535 {
		return 0
	}
	return p
}

// LoadDockerfile makes a one-service project of a Dockerfile: the image is built in the Dockerfile's folder, and
// container port target is published at base. An empty name takes the folder's, as Compose does.
func LoadDockerfile(ctx context.Context, f *Found, name string, base, target int) (*Model, error) {
	if name == "" {
		name = loader.NormalizeProjectName(filepath.Base(f.Dir))
	}
	file := types.ConfigFile{Filename: f.Dockerfile, Config: map[string]any{
		"services": map[string]any{DockerfileService: map[string]any{
			"build": map[string]any{"context": f.Dir, "dockerfile": filepath.Base(f.Dockerfile)},
			"ports": []any{map[string]any{"target": target, "published": strconv.Itoa(base)}},
		}},
	}}
	details := types.ConfigDetails{
		WorkingDir: f.Dir, ConfigFiles: []types.ConfigFile{file}, Environment: maps.Clone(f.Env),
	}
	project, err := loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(name, true)
		// A $ in the folder's name is not a variable.
		o.SkipInterpolation = true
		o.SkipResolveEnvironment = true
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Dockerfile, err)
	}
	return &Model{Found: f, Project: project, base: base, target: target}, nil
}
