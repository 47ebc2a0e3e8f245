package stack

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/remote"
)

// Model is a loaded project, before and after a loom's edits.
type Model struct {
	*Found
	// Project has its disabled services beside the active ones; environments are not resolved yet.
	Project *types.Project
	// Variables are those that give published ports, one entry for each port that one gives.
	Variables []Variable
	// Includes is true if the files include others.
	Includes bool
}

// MissingBaseError says that a port variable of ours has neither a base in the settings nor a default in the file.
type MissingBaseError struct {
	// Name is the variable, Where the place in the model that uses it, such as services.web.ports.
	Name, Where string
}

// Error names the variable and the place that uses it.
func (e *MissingBaseError) Error() string {
	where := ""
	if e.Where != "" {
		where = " (" + e.Where + ")"
	}
	return fmt.Sprintf("%s%s has no base port: neither container.ports.%s in the settings nor a default in the compose file", e.Name, where, strings.TrimPrefix(e.Name, PortPrefix))
}

// PortPrefix begins the names of the variables that give a loom's ports.
const PortPrefix = "ILOOM_PORT_"

// Load loads what was found, as the function Load does, with remote files fetched by Compose's own loaders.
func (s *Stack) Load(ctx context.Context, f *Found, name string, vars map[string]string) (*Model, error) {
	return load(ctx, s.docker, f, name, vars)
}

// Load loads compose files under the project name given, with vars set before everything else. An empty name leaves the
// choice to Compose. Files that are not on this machine are refused.
func Load(ctx context.Context, f *Found, name string, vars map[string]string) (*Model, error) {
	return load(ctx, nil, f, name, vars)
}

func load(ctx context.Context, docker command.Cli, f *Found, name string, vars map[string]string) (*Model, error) {
	dollars, includes := false, false
	opts, err := f.options(docker, name, vars, cli.WithResolvedPaths(true), cli.WithoutEnvironmentResolution,
		cli.WithLoadOptions(watchTemplates(&dollars)))
	if err != nil {
		return nil, err
	}
	opts.WithListeners(func(event string, _ map[string]any) { includes = includes || event == "include" })
	project, err := opts.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	m := &Model{Found: f, Project: project, Includes: includes}
	if dollars {
		if m.Variables, err = f.variables(ctx, docker, project, opts.Environment); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (f *Found) options(docker command.Cli, name string, vars map[string]string, more ...cli.ProjectOptionsFn) (*cli.ProjectOptions, error) {
	env := maps.Clone(f.Env)
	maps.Copy(env, vars)
	opts := []cli.ProjectOptionsFn{cli.WithWorkingDirectory(f.Dir)}
	if docker != nil {
		opts = append(opts, cli.WithResourceLoader(remote.NewGitRemoteLoader(docker, false)),
			cli.WithResourceLoader(remote.NewOCIRemoteLoader(docker, false)))
	}
	opts = append(opts, func(o *cli.ProjectOptions) error { o.Environment = env; return nil },
		cli.WithDefaultProfiles(f.Profiles...), cli.WithName(name))
	return cli.NewProjectOptions(f.Paths, append(opts, more...)...)
}

var ourPort = regexp.MustCompile(`\$\{?(` + PortPrefix + `\w+)`)

// watchTemplates notes whether any value has a variable at all (most projects have none, and then the raw model need
// not be read), and refuses our own port variables without a base: Compose would put nothing in their place and then
// complain about the port that remains.
func watchTemplates(dollars *bool) func(*loader.Options) {
	return func(o *loader.Options) {
		if o.Interpolate == nil {
			// compose-go applies the options once more to nothing, for their resource loaders.
			return
		}
		inner := o.Interpolate.Substitute
		o.Interpolate.Substitute = func(s string, lookup template.Mapping) (string, error) {
			if strings.Contains(s, "$") {
				*dollars = true
				for _, m := range ourPort.FindAllStringSubmatch(s, -1) {
					if v, _ := lookup(m[1]); v == "" && !hasDefault(s, m[1]) {
						return "", &MissingBaseError{Name: m[1]}
					}
				}
			}
			return inner(s, lookup)
		}
	}
}

func hasDefault(s, name string) bool {
	return strings.Contains(s, "${"+name+":-") || strings.Contains(s, "${"+name+"-")
}

// Finish makes a project ready for Compose's API: labels, profiles, environments, no unused resources. With it the
// service hashes are those of the docker compose command, so that each accepts the other's containers. files are the
// compose files that the containers' labels name; custom labels go on every container without being hashed.
func (m *Model) Finish(files []string, custom map[string]string) (*types.Project, error) {
	project, err := m.Project.WithServicesEnabled()
	if err != nil {
		return nil, err
	}
	for name, s := range project.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel:     project.Name,
			api.ServiceLabel:     name,
			api.VersionLabel:     api.ComposeVersion,
			api.WorkingDirLabel:  project.WorkingDir,
			api.ConfigFilesLabel: strings.Join(files, ","),
			api.OneoffLabel:      "False",
		}
		if len(m.EnvFiles) > 0 {
			s.CustomLabels[api.EnvironmentFileLabel] = strings.Join(m.EnvFiles, ",")
		}
		for k, v := range custom {
			s.CustomLabels[k] = v
		}
		project.Services[name] = s
	}
	if project, err = project.WithSelectedServices(nil); err != nil {
		return nil, err
	}
	return project.WithoutUnnecessaryResources().WithServicesEnvironmentResolved(true)
}

// DotEnv is the path of the project's .env file, which need not exist.
func (f *Found) DotEnv() string { return filepath.Join(f.Dir, ".env") }

func rawEnv(r io.Reader, filename string, vars map[string]string, lookup func(string) (string, bool)) error {
	lines, err := kvfile.ParseFromReader(r, lookup)
	if err != nil {
		return fmt.Errorf("%s: %w", filename, err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	return nil
}

// ReadsEnvFile tells which services, by name, take the file at path into their environment through env_file.
func ReadsEnvFile(p *types.Project, path string) []string {
	var names []string
	for name, s := range p.AllServices() {
		for _, e := range s.EnvFiles {
			if sameFile(e.Path, path) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib)
}

// DefaultName is the project name that Compose gives to a folder.
func DefaultName(dir string) string { return loader.NormalizeProjectName(filepath.Base(dir)) }
