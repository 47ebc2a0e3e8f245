package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/remote"
	"go.yaml.in/yaml/v3"
)

// Model is a loaded project, before and after a loom's edits.
type Model struct {
	*Found
	// Project has its disabled services beside the active ones; environments are not resolved yet.
	Project *types.Project
	// Variables are those that give published ports, one entry for each port that one gives.
	Variables []Variable
	// Uses are the variables that the files use in other places than published ports: where one that the loom's block
	// gives is among them, the files have to be loaded again with it.
	Uses map[string]bool
	// Includes is true if the files include others.
	Includes bool

	dotEnv []byte
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

// NextStep says what the user does next.
func (e *MissingBaseError) NextStep() string {
	return fmt.Sprintf("docker loom init asks for it and writes it into .iloom/settings.json; "+
		"or write a default, as in ${%s:-3000}", e.Name)
}

// FilesError says that Compose cannot make a project of the files.
type FilesError struct {
	Files []string
	Err   error
}

// Error is Compose's, with the files in front where it names none of them.
func (e *FilesError) Error() string {
	said := e.Err.Error()
	for _, path := range e.Files {
		if strings.Contains(said, path) {
			return said
		}
	}
	return strings.Join(e.Files, ", ") + ": " + said
}

// NextStep says what the user does next.
func (*FilesError) NextStep() string {
	return "correct the compose file; docker compose config checks it"
}

// Unwrap returns Err.
func (e *FilesError) Unwrap() error { return e.Err }

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
	if missing, ok := errors.AsType[*MissingBaseError](err); ok {
		missing.Where = f.whereUsed(ctx, docker, missing.Name)
		return nil, missing
	}
	if err != nil && ctx.Err() == nil {
		return nil, &FilesError{Files: f.Paths, Err: err}
	}
	if err != nil {
		return nil, err
	}
	m := &Model{Found: f, Project: project, Includes: includes}
	if dollars {
		if m.Variables, m.Uses, err = f.variables(ctx, docker, project, opts.Environment); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Empty is the project of a folder without a compose file, with no service yet. An empty name takes the folder's, as
// Compose does.
func Empty(f *Found, name string) *Model {
	if name == "" {
		name = DefaultName(f.Dir)
		if own := f.Env[consts.ComposeProjectName]; own != "" {
			name = own
		}
	}
	env := maps.Clone(f.Env)
	env[consts.ComposeProjectName] = name
	return &Model{Found: f, Project: &types.Project{Name: name, WorkingDir: f.Dir, Environment: env, Services: types.Services{}, Networks: types.Networks{}}}
}

func (f *Found) options(docker command.Cli, name string, vars map[string]string, more ...cli.ProjectOptionsFn) (*cli.ProjectOptions, error) {
	env := maps.Clone(f.Env)
	maps.Copy(env, vars)
	opts := []cli.ProjectOptionsFn{cli.WithWorkingDirectory(f.Dir)}
	if docker != nil {
		opts = append(opts, cli.WithResourceLoader(fetcher{remote.NewGitRemoteLoader(docker, false), f}),
			cli.WithResourceLoader(fetcher{remote.NewOCIRemoteLoader(docker, false), f}))
	}
	opts = append(opts, func(o *cli.ProjectOptions) error { o.Environment = env; return nil },
		cli.WithDefaultProfiles(f.Profiles...), cli.WithName(name))
	return cli.NewProjectOptions(f.Paths, append(opts, more...)...)
}

// fetcher asks before it fetches.
type fetcher struct {
	loader.ResourceLoader
	f *Found
}

// Load fetches what the reference names, if that may be.
func (l fetcher) Load(ctx context.Context, reference string) (string, error) {
	if l.f.Fetch != nil {
		if err := l.f.Fetch(reference); err != nil {
			return "", err
		}
	}
	return l.ResourceLoader.Load(ctx, reference)
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
				for _, m := range ourPort.FindAllStringSubmatch(strings.ReplaceAll(s, "$$", ""), -1) {
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
	project = project.WithoutUnnecessaryResources()
	if m.dotEnv != nil {
		if err := m.readAsWritten(project); err != nil {
			return nil, err
		}
	}
	return project.WithServicesEnvironmentResolved(true)
}

// UseBlock makes Finish see what plain docker compose will see once the loom's block is in the project's .env: vars are
// the block's variables, which services without a value of their own pass through, and dotEnv is what the file will
// hold, which services read through env_file; nil leaves the file as it is.
func (m *Model) UseBlock(vars map[string]string, dotEnv []byte) {
	maps.Copy(m.Project.Environment, vars)
	m.dotEnv = dotEnv
}

// readAsWritten resolves the environment of the services that read the project's .env, whatever is in the file now, by
// the rules of compose-go's WithServicesEnvironmentResolved, which only reads files.
func (m *Model) readAsWritten(p *types.Project) error {
	for name, s := range p.Services {
		if !slices.ContainsFunc(s.EnvFiles, func(e types.EnvFile) bool { return sameFile(e.Path, m.DotEnv()) }) {
			continue
		}
		explicit := s.Environment.Resolve(p.Environment.Resolve)
		lookup := func(k string) (string, bool) {
			if v, ok := p.Environment.Resolve(k); ok {
				return v, true
			}
			if v, ok := explicit[k]; ok && v != nil {
				return *v, true
			}
			return "", false
		}
		read := explicit.ToMapping()
		for _, e := range s.EnvFiles {
			text := m.dotEnv
			if !sameFile(e.Path, m.DotEnv()) {
				var err error
				if text, err = os.ReadFile(e.Path); errors.Is(err, fs.ErrNotExist) && !e.Required {
					continue
				} else if err != nil {
					return fmt.Errorf("env file %s not found: %w", e.Path, err)
				}
			}
			if err := dotenv.ParseWithFormat(bytes.NewReader(text), e.Path, read, lookup, e.Format); err != nil {
				return err
			}
		}
		s.Environment = read.ToMappingWithEquals().OverrideBy(explicit)
		s.EnvFiles = nil
		p.Services[name] = s
	}
	return nil
}

// DotEnv is the path of the .env file that plain docker compose reads first, which need not exist: that of the project
// directory, or the one whose COMPOSE_FILE names files in another folder. A COMPOSE_FILE or COMPOSE_PROJECT_NAME in any
// other comes too late.
func (f *Found) DotEnv() string {
	if f.envDir != "" {
		return filepath.Join(f.envDir, ".env")
	}
	return filepath.Join(f.Dir, ".env")
}

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

// BaseName is the project name that Compose would choose for what was found: images that are built without a name are
// called after it, and other services may use them by that name.
func (f *Found) BaseName() string {
	if name := f.Env[consts.ComposeProjectName]; name != "" {
		return name
	}
	name := DefaultName(f.Dir)
	for _, path := range f.Paths {
		text, err := os.ReadFile(path)
		if err != nil || !topLevelName.Match(text) {
			continue
		}
		var file struct {
			Name string `yaml:"name"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil || file.Name == "" {
			continue
		}
		if own, err := template.SubstituteWithOptions(file.Name, f.Env.Resolve, template.WithoutLogging); err == nil && own != "" {
			name = loader.NormalizeProjectName(own)
		}
	}
	return name
}

// topLevelName spares the parsing of the many files that have no name.
var topLevelName = regexp.MustCompile(`(?m)^["']?name["']?\s*:`)

// DefaultName is the project name that Compose gives to a folder.
func DefaultName(dir string) string { return loader.NormalizeProjectName(filepath.Base(dir)) }
