package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/overrides"
)

// Load loads the project under the loom's name, as the files say it. entry says which name that is.
func (s *Surveyor) Load(ctx context.Context, f *Facts, entry registry.Loom) error {
	if err := s.LoadBase(ctx, f, entry); err != nil {
		return err
	}
	f.From = map[string][]string{}
	for name, service := range f.Base.Project.AllServices() {
		if from := stack.From(f.Files, service); len(from) > 0 {
			f.From[name] = from
		}
	}
	f.follow()
	if err := f.readRepository(); err != nil {
		return err
	}
	f.Texts = append(texts(f.Files, f.Found.Dir, f.Target.WorkTree), envFiles(f.Files, f.Base.Project)...)
	if entry.Confined != nil && entry.ID != identity.Main {
		if err := s.confinement(f); err != nil {
			return err
		}
	}
	if f.Dev != nil {
		return s.dev(ctx, f)
	}
	return nil
}

// LoadBase loads the project alone, as the files say it.
func (s *Surveyor) LoadBase(ctx context.Context, f *Facts, entry registry.Loom) error {
	// Then it is what docker compose up would make.
	plain := entry.ID == identity.Main && !entry.Pinned
	vars := map[string]string{}
	if !plain {
		for name, base := range f.Settings.Container.Ports {
			vars[overrides.PortPrefix+name] = fmt.Sprint(base)
		}
		vars["ILOOM_LOOM"] = f.Target.ID
	}
	read := func() (*stack.Model, error) { return s.model(ctx, f, entry.Project, vars) }
	model, err := read()
	for plain {
		missing, ok := errors.AsType[*stack.MissingBaseError](err)
		if !ok {
			break
		}
		// Without a value docker compose up would do nothing at all: so main takes the base.
		base := f.Settings.Container.Ports[strings.TrimPrefix(missing.Name, stack.PortPrefix)]
		if base == 0 {
			break
		}
		vars[missing.Name] = fmt.Sprint(base)
		model, err = read()
	}
	if err != nil {
		return err
	}
	if owner := f.State.FilesOwner(f.Found.Dir); owner != nil && model.Includes && len(f.Block) > 0 {
		// An included file of this folder reads .env from the disk, our block with it: only the environment is stronger.
		for name, base := range owner.Variables {
			if _, set := f.Found.Env[name]; !set && vars[name] == "" {
				vars[name] = base
			}
		}
		if model, err = read(); err != nil {
			return err
		}
	}
	if !plain {
		f.uncount(model, vars)
	}
	f.Base = model
	return nil
}

func (s *Surveyor) model(ctx context.Context, f *Facts, project string, vars map[string]string) (*stack.Model, error) {
	if len(f.Found.Paths) == 0 && f.Found.Dockerfile == "" {
		return stack.Empty(f.Found, project), nil
	}
	if f.Found.Dockerfile == "" {
		m, err := s.Stack.Load(ctx, f.Found, project, vars)
		if err != nil && !errors.As(err, new(*stack.MissingBaseError)) {
			err = cmp.Or(f.giveMissed(), err)
		}
		return m, err
	}
	base, target, err := dockerfilePorts(f)
	if err != nil {
		return nil, err
	}
	return stack.LoadDockerfile(ctx, f.Found, project, base, target)
}

// NoPortError says that a Dockerfile does not tell which port its program listens on.
type NoPortError struct{ Dockerfile string }

// Error names the Dockerfile.
func (e *NoPortError) Error() string {
	return e.Dockerfile + ": no port to publish: the settings give none and there is no EXPOSE"
}

// NextStep says what the user does next.
func (*NoPortError) NextStep() string {
	return "say which port the program listens on: EXPOSE 3000 in the Dockerfile, or " +
		"docker loom init --port WEB=3000, which writes it into .iloom/settings.json"
}

// dockerfilePorts decides the port of a project that is only a Dockerfile: from the settings, otherwise from EXPOSE.
func dockerfilePorts(f *Facts) (base, target int, err error) {
	if target, err = stack.Exposed(f.Files, f.Found.Dockerfile); err != nil {
		return 0, 0, err
	}
	set := f.Settings.Container.Ports
	switch {
	case set["WEB"] > 0:
		base = set["WEB"]
	case len(set) == 1:
		for _, base = range set {
		}
	case f.Settings.WebBase() != 0:
		base = f.Settings.WebBase()
	default:
		base = target
	}
	if target == 0 {
		target = base
	}
	if base == 0 {
		return 0, 0, &NoPortError{f.Found.Dockerfile}
	}
	return base, target, nil
}

// ForUp reads what the plan of an up will need for sure, so that it is not made once more for each of these: which
// images have the names of those that the project's containers were made of, the networks, and for a new loom the ports
// that are taken.
func (s *Surveyor) ForUp(ctx context.Context, f *Facts, project string) error {
	own := f.Engine.Project(project)
	isNew := f.Target.Known == nil
	needs := Needs{
		Bindings: isNew && f.Engine.Bindings == nil, Networks: (isNew || len(own) > 0) && f.Engine.Networks == nil,
	}
	for _, c := range own {
		needs.Images = append(needs.Images, c.Image)
	}
	needs.Images = sortedCompact(needs.Images)
	return s.Complete(ctx, f, needs)
}

// follow resolves the links of the paths that are likely to be asked for.
func (f *Facts) follow() {
	paths := []string{f.Target.WorkTree, f.Found.Dir}
	if common := f.Target.CommonDir(); common != "" {
		paths = append(paths, common)
	}
	if f.Dev != nil {
		paths = append(paths, f.Dev.Place.Workspace)
	}
	for _, s := range f.Base.Project.AllServices() {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				paths = append(paths, v.Source)
			}
		}
		for _, e := range s.EnvFiles {
			paths = append(paths, e.Path)
		}
		if s.Build != nil {
			paths = append(paths, s.Build.Context)
		}
	}
	for _, path := range sortedCompact(paths) {
		f.Host.Real[path] = host.RealPath(path)
	}
}

// confinement reads what confining the loom's services needs to know.
func (s *Surveyor) confinement(f *Facts) (err error) {
	if f.Host.Addresses, err = host.This().Addresses(); err != nil {
		return err
	}
	f.Proxies = proxyVariables(f.Files, f.Base.Project)
	tree := host.RealPath(f.Target.WorkTree)
	f.Guarded = []string{filepath.Join(tree, SettingsFolder)}
	repo := f.Target.Git
	if repo == nil || repo.WorkTree == "" {
		f.MountedBeside = mountedBeside(f.Target, tree)
		return nil
	}
	if repo.WorkTree != f.Target.WorkTree {
		// The project is in a folder of the work tree.
		tree = host.RealPath(repo.WorkTree)
	}
	f.MountedBeside = mountedBeside(f.Target, tree)
	git, _, err := gitview.Read(tree, host.RealPath(repo.CommonDir), host.RealPath(repo.GitDir))
	if err != nil {
		return err
	}
	f.Guarded = append(f.Guarded, filepath.Join(tree, ".git"))
	for _, dir := range git.Submodules {
		f.Guarded = append(f.Guarded, filepath.Join(dir, ".git"))
	}
	f.Guarded = append(f.Guarded, git.Trees...)
	return nil
}

// mountedBeside lists what services of the loom's other projects mount of the work tree, as up accepted it. A service
// of this project must not put a link in its place either.
func mountedBeside(t *Target, tree string) []string {
	var paths []string
	for _, k := range t.Projects {
		if k.Accepted == nil || t.Known != nil && k.Project == t.Known.Project {
			continue
		}
		for _, access := range k.Accepted.HostAccess {
			rel, ok := strings.CutPrefix(access, trust.MountsTree)
			path := host.RealPath(filepath.Join(tree, rel))
			if _, err := os.Lstat(path); ok && err == nil && path != tree && host.IsBelow(path, tree) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// SettingsFolder is the folder of the work tree that settings and generated files are in.
const SettingsFolder = ".iloom"

var setsProxy = regexp.MustCompile(`(?mi)^\s*(?:export\s+)?((?:http|https|no|all)_proxy)\s*=`)

// proxyVariables are the proxy variables that services take from their env files.
func proxyVariables(files *rooted.Files, project *types.Project) map[string][]string {
	set := map[string][]string{}
	for name, s := range project.AllServices() {
		for _, file := range s.EnvFiles {
			text, err := files.Read(file.Path)
			if err != nil {
				continue
			}
			for _, m := range setsProxy.FindAllStringSubmatch(string(text), -1) {
				set[name] = append(set[name], m[1])
			}
		}
	}
	return set
}

// texts are the files beside the compose files that people write host ports and container names into: env files, and
// scripts where one looks for them. What cannot be read is left out; it only serves findings.
func texts(files *rooted.Files, dirs ...string) []overrides.Text {
	patterns := []string{
		".env*", "Makefile", "makefile", "justfile", "Taskfile.y*ml", "package.json", "*.sh", "scripts/*", "bin/*",
	}
	var list []overrides.Text
	for _, dir := range sortedCompact(dirs) {
		for _, pattern := range patterns {
			paths, err := filepath.Glob(filepath.Join(EscapeGlob(dir), pattern))
			if err != nil {
				continue
			}
			for _, path := range paths {
				info, err := os.Stat(path)
				if err != nil || !info.Mode().IsRegular() || info.Size() > 256<<10 {
					continue
				}
				if b, err := files.Inside(path); err == nil {
					list = append(list, overrides.Text{Path: path, Content: b, Env: pattern == ".env*"})
				}
			}
		}
	}
	return list
}

// envFiles are the files that services take into their environment, but for those that texts finds by their names.
func envFiles(files *rooted.Files, p *types.Project) []overrides.Text {
	var list []overrides.Text
	all := p.AllServices()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, file := range all[name].EnvFiles {
			seen := slices.ContainsFunc(list, func(t overrides.Text) bool { return t.Path == file.Path })
			if seen || strings.HasPrefix(filepath.Base(file.Path), ".env") {
				continue
			}
			if b, err := files.Read(file.Path); err == nil {
				list = append(list, overrides.Text{Path: file.Path, Content: b, Env: true})
			}
		}
	}
	return list
}

// EscapeGlob keeps a folder's own name from being taken for a pattern.
func EscapeGlob(dir string) string {
	var out []rune
	for _, r := range dir {
		if r == '*' || r == '?' || r == '[' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
