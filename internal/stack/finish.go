package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/docker/compose/v2/pkg/api"
)

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
		maps.Copy(s.CustomLabels, custom)
		project.Services[name] = s
	}
	if project, err = project.WithSelectedServices(nil); err != nil {
		return nil, err
	}
	project = project.WithoutUnnecessaryResources()
	if err := m.resolveEnvFiles(project); err != nil {
		return nil, err
	}
	if project, err = project.WithServicesEnvironmentResolved(true); err != nil {
		return nil, err
	}
	markContents(project)
	return project, nil
}

// UseBlock makes Finish see what plain docker compose will see once the loom's block is in the project's .env: vars are
// the block's variables, which services without a value of their own pass through, and dotEnv is what the file will
// hold, which services read through env_file; nil leaves the file as it was when the project was loaded.
func (m *Model) UseBlock(vars map[string]string, dotEnv []byte) {
	maps.Copy(m.Project.Environment, vars)
	m.dotEnv = dotEnv
}

// resolveEnvFiles puts what services read through env_file into their environment, by the rules of compose-go's
// WithServicesEnvironmentResolved, which would read the files again.
func (m *Model) resolveEnvFiles(p *types.Project) error {
	for name, s := range p.Services {
		if len(s.EnvFiles) == 0 {
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
		env := explicit.ToMapping()
		for _, e := range s.EnvFiles {
			text, err := m.envFile(e)
			if text != nil {
				err = dotenv.ParseWithFormat(bytes.NewReader(text), e.Path, env, lookup, e.Format)
			}
			if err != nil {
				return err
			}
		}
		s.Environment = env.ToMappingWithEquals().OverrideBy(explicit)
		s.EnvFiles = nil
		p.Services[name] = s
	}
	return nil
}

// envFile is the text of an env file, nil if there is no such file and the service does not require it.
func (m *Model) envFile(e types.EnvFile) ([]byte, error) {
	if m.dotEnv != nil && m.files.IsDotEnv[e.Path] {
		return m.dotEnv, nil
	}
	file, ok := m.files.EnvFiles[e.Path]
	switch {
	case !ok:
		return nil, &NotReadError{Path: e.Path}
	case errors.Is(file.Err, fs.ErrNotExist) && e.Required:
		return nil, fmt.Errorf("env file %s not found: %w", e.Path, file.Err)
	case errors.Is(file.Err, fs.ErrNotExist):
		return nil, nil
	}
	return file.Text, file.Err
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

// ReadsDotEnv lists the services, by name, that take the project's .env into their environment through env_file.
func (m *Model) ReadsDotEnv() []string {
	var names []string
	for name, s := range m.Project.AllServices() {
		if slices.ContainsFunc(s.EnvFiles, func(e types.EnvFile) bool { return m.files.IsDotEnv[e.Path] }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func init() {
	// docker compose registers this format in its command layer, which an embedder does not run.
	dotenv.RegisterFormat("raw", rawEnv)
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
