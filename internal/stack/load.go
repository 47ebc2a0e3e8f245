package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
	"go.yaml.in/yaml/v3"

	"github.com/docker-loom/docker-loom/internal/stack/references"
	"github.com/docker-loom/docker-loom/internal/stack/variables"
)

// Model is a loaded project, before and after a loom's edits. Loading has read all that belongs to it: its methods read
// no file of the project.
type Model struct {
	*Found
	// Project has its disabled services beside the active ones; environments are not resolved yet.
	Project *types.Project
	// Variables are those that give published ports, one entry for each port that one gives.
	Variables []Variable
	// Uses are the variables that the files use in other places than published ports. If the loom's block gives one of
	// them, the project must be compiled again with it.
	Uses map[string]bool
	// Sought are the variables that were looked up, and build arguments without a value.
	Sought map[string]bool
	// Includes is true if the files include others.
	Includes bool

	files references.Files
	// target and base are the container port and the published port of a project that is only a Dockerfile.
	target, base int
	dotEnv       []byte
}

// NotReadError says that a project needs a file that was not among its files when it was loaded.
type NotReadError = references.NotReadError

// MissingBaseError says that an ILOOM_PORT_ variable has neither a base in the settings nor a default in the file.
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
	name := strings.TrimPrefix(e.Name, PortPrefix)
	return e.Name + where + " has no base port: neither container.ports." + name +
		" in the settings nor a default in the compose file"
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

// Error is Compose's, with the files in front if it names none of them.
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
const PortPrefix = variables.PortPrefix

// Load loads compose files under the project name given, with vars set before everything else. An empty name leaves the
// choice to Compose. Compose's own loaders fetch remote files. The zero Stack has none, and refuses files that are not
// on this machine.
func (s *Stack) Load(ctx context.Context, f *Found, name string, vars map[string]string) (*Model, error) {
	var fetchers []*references.Fetcher
	if s.docker != nil && s.fetchers == nil {
		s.fetchers = references.Fetchers(s.docker)
	}
	for _, r := range s.fetchers {
		fetchers = append(fetchers, r.Asking(f.Fetch))
	}
	return loadFiles(ctx, f, name, vars, fetchers)
}

func loadFiles(
	ctx context.Context, f *Found, name string, vars map[string]string, fetchers []*references.Fetcher,
) (*Model, error) {
	// A load that fails has told what it looked for too.
	c := &compilation{Found: f, name: name, vars: vars, sought: f.Sought}
	c.files = references.Files{Reader: f.reader, Fetchers: fetchers, Sought: f.Sought}
	m, err := c.model(ctx)
	if unread, ok := errors.AsType[*NotReadError](err); ok {
		err = &fs.PathError{Op: "open", Path: unread.Path, Err: fs.ErrNotExist}
		return nil, &FilesError{Files: c.Paths, Err: err}
	}
	return m, err
}

// model reads what the compose files refer to, and compiles them with it.
func (c *compilation) model(ctx context.Context) (*Model, error) {
	if err := c.files.ReadReferences(ctx, c.Dir, c.composeFiles(), c.environment()); err != nil {
		return nil, err
	}
	if !c.files.OnlyComposeFiles() {
		var err error
		if c.snapshot, err = c.files.Snapshot(); err != nil {
			return nil, err
		}
		c.loaders = c.snapshot.Loaders(c.files)
	}
	defer func() { c.snapshot.Remove() }()
	m, err := c.compile(ctx)
	if err != nil {
		return nil, err
	}
	if !c.files.Complete {
		c.files.ReadEnvFiles(m.Project, c.DotEnv())
	}
	m.files = c.files
	if err := c.findVariables(ctx, m); err != nil {
		return nil, err
	}
	m.Sought = maps.Clone(c.sought)
	maps.Copy(m.Sought, c.Sought)
	maps.Copy(m.Sought, c.files.ArgumentNames(c.composeFiles()))
	return m, nil
}

// environment is what variables are looked up in.
func (c *compilation) environment() types.Mapping {
	env := maps.Clone(c.Env)
	maps.Copy(env, c.vars)
	return env
}

// Recompile compiles the project again under another name or other variables, from the bytes that Load read: it reads
// none of the project's files and fetches nothing. The new Model has no edits. If the files name another file because
// of the variables, the error is a [NotReadError]: such a project must be loaded again. As Compose does, it looks for
// links in the paths of develop.watch.
func (m *Model) Recompile(name string, vars map[string]string) (*Model, error) {
	switch {
	case m.Dockerfile != "":
		return LoadDockerfile(context.Background(), m.Found, name, m.base, m.target)
	case len(m.Paths) == 0:
		return Empty(m.Found, name), nil
	}
	c := &compilation{Found: m.Found, name: name, vars: vars, sought: map[string]bool{}}
	c.files = m.files
	c.files.Complete, c.files.Sought = true, c.sought
	return c.model(context.Background())
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
	return &Model{Found: f, Project: &types.Project{
		Name: name, WorkingDir: f.Dir, Environment: env, Services: types.Services{}, Networks: types.Networks{},
	}}
}

// compilation is one run of Compose's loader over files that were found.
type compilation struct {
	*Found
	name    string
	vars    map[string]string
	loaders []loader.ResourceLoader
	// files are what the compose files refer to, snapshot the same where Compose's loader finds them: it reads nothing in
	// its place. It is nil if they refer to none.
	files    references.Files
	snapshot *references.Snapshot
	// rewrite changes the text of the compose files, if it is set.
	rewrite *strings.Replacer

	// dollars is set if a value has a variable: most projects have none, and then the raw model need not be read.
	dollars bool
	// includes is set if a file includes another.
	includes bool
	// sought are the variables that were looked up.
	sought map[string]bool
}

func (c *compilation) compile(ctx context.Context) (*Model, error) {
	if c.name != "" && loader.NormalizeProjectName(c.name) != c.name {
		return nil, loader.InvalidProjectNameErr(c.name)
	}
	details, err := c.details()
	if err != nil {
		return nil, &FilesError{Files: c.Paths, Err: err}
	}
	project, err := c.project(ctx, details)
	if missing, ok := errors.AsType[*MissingBaseError](err); ok {
		missing.Where = c.whereUsed(ctx, missing.Name)
		return nil, missing
	}
	if c.snapshot != nil && err != nil {
		err = c.snapshot.OriginalError(err)
	}
	if unread, ok := errors.AsType[*NotReadError](err); ok {
		return nil, unread
	}
	if err != nil && ctx.Err() == nil {
		return nil, &FilesError{Files: c.Paths, Err: err}
	}
	if err != nil {
		return nil, err
	}
	if c.snapshot != nil {
		if err := c.snapshot.Restore(project); err != nil {
			return nil, err
		}
	}
	project.ComposeFiles = slices.Clone(c.Paths)
	return &Model{Found: c.Found, Project: project, Includes: c.includes}, nil
}

// project compiles as Compose's own LoadWithContext does, but for label files: they too are read by our reader.
func (c *compilation) project(ctx context.Context, details types.ConfigDetails) (p *types.Project, err error) {
	defer func() {
		// The schema allows texts that the loader cannot decode, such as a number of ulimits as a string.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("compose cannot read this: %v", cause)
		}
	}()
	var chosen *loader.Options
	options := append(c.options(), c.watch, c.stay, func(o *loader.Options) {
		o.SkipResolveEnvironment = true
		o.ConvertWindowsPaths = utils.StringToBool(details.Environment["COMPOSE_CONVERT_WINDOWS_PATHS"])
		chosen = o
	})
	dict, err := loader.LoadModelWithContext(ctx, details, options...)
	if err != nil {
		return nil, err
	}
	if err := c.bringLabelFiles(dict); err != nil {
		return nil, err
	}
	return loader.ModelToProject(dict, chosen, details)
}

// details are what Compose's loader compiles.
func (c *compilation) details() (types.ConfigDetails, error) {
	at := func(path string) string { return path }
	if c.snapshot != nil {
		at = c.snapshot.At
	}
	details := types.ConfigDetails{WorkingDir: at(c.Dir), Environment: c.environment()}
	for _, path := range c.Paths {
		file := c.texts[path]
		if file.Err != nil {
			return details, file.Err
		}
		text := file.Text
		if c.rewrite != nil {
			text = []byte(c.rewrite.Replace(string(text)))
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: at(path), Content: text})
	}
	return details, nil
}

func (c *compilation) options() []func(*loader.Options) {
	return []func(*loader.Options){
		loader.WithProfiles(c.Profiles),
		func(o *loader.Options) { o.ResourceLoaders = slices.Clone(c.loaders) },
		c.setName,
	}
}

// setName chooses the project's name as docker compose does: the one given, the environment's, the files', the
// folder's.
func (c *compilation) setName(o *loader.Options) {
	fromEnv := c.Env[consts.ComposeProjectName]
	if v, ok := c.vars[consts.ComposeProjectName]; ok {
		fromEnv = v
	}
	switch {
	case c.name != "":
		o.SetProjectName(c.name, true)
	case fromEnv != "":
		o.SetProjectName(fromEnv, true)
	case !slices.ContainsFunc(c.Paths, func(path string) bool { return nameIn(c.texts[path].Text) != "" }):
		o.SetProjectName(DefaultName(c.Dir), false)
	}
}

// topLevelName spares the parsing of the many files that have no name.
var topLevelName = regexp.MustCompile(`(?m)^["']?name["']?\s*:`)

// nameIn is the top-level name of a compose file, "" if it has none.
func nameIn(text []byte) string {
	if !topLevelName.Match(text) {
		return ""
	}
	var file struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return ""
	}
	return file.Name
}

var ourPort = regexp.MustCompile(`\$\{?(` + PortPrefix + `\w+)`)

// watch notes what the files use, and refuses our own port variables without a base: Compose would put nothing in their
// place and then complain about the port that remains.
func (c *compilation) watch(o *loader.Options) {
	inner := o.Interpolate.Substitute
	o.Interpolate.Substitute = func(s string, lookup template.Mapping) (string, error) {
		if strings.Contains(s, "$") {
			c.dollars = true
			lookup = c.noteSought(lookup)
			for _, m := range ourPort.FindAllStringSubmatch(strings.ReplaceAll(s, "$$", ""), -1) {
				if v, _ := lookup(m[1]); v == "" && !hasDefault(s, m[1]) {
					return "", &MissingBaseError{Name: m[1]}
				}
			}
		}
		return inner(s, lookup)
	}
	o.Listeners = append(o.Listeners, func(event string, _ map[string]any) {
		c.includes = c.includes || event == "include"
	})
}

func hasDefault(s, name string) bool {
	return strings.Contains(s, "${"+name+":-") || strings.Contains(s, "${"+name+"-")
}

// BaseName is the project name that Compose would choose for what was found: images that are built without a name are
// called after it, and other services may use them by that name.
func (f *Found) BaseName() string {
	if name := f.Env[consts.ComposeProjectName]; name != "" {
		return name
	}
	name := DefaultName(f.Dir)
	for _, path := range f.Paths {
		own, err := template.SubstituteWithOptions(nameIn(f.texts[path].Text), f.Env.Resolve, template.WithoutLogging)
		if err == nil && own != "" {
			name = loader.NormalizeProjectName(own)
		}
	}
	return name
}

// DefaultName is the project name that Compose gives to a folder.
func DefaultName(dir string) string { return loader.NormalizeProjectName(filepath.Base(dir)) }
