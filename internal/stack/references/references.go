// Package references reads the files that compose files refer to, by the rules of Compose's own loader. It lays them
// out for the loader again, so that a project can be compiled once more from the same bytes.
package references

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// Files are what the compose files of a project refer to, as bytes.
type Files struct {
	// references are included and extended compose files, their .env files, and label files, by absolute path.
	references map[string][]byte
	// folders are those that includes name as their project directory.
	folders []string
	// EnvFiles are the env files of services, IsDotEnv those of them that are the project's .env.
	EnvFiles map[string]File
	IsDotEnv map[string]bool
	// Fetchers have the files of other machines.
	Fetchers []*Fetcher
	// Resolved are the references that have variables, as written, with what they led to.
	Resolved map[string]string
	// Complete is true if no more files may be read.
	Complete bool
}

// File is a file's text, or why there is none.
type File struct {
	Text []byte
	Err  error
}

// Read reads a file.
func Read(path string) File {
	text, err := os.ReadFile(path)
	if text == nil {
		text = []byte{} // no text at all makes Compose's loader read the file
	}
	return File{text, err}
}

// NotReadError says that a project needs a file that was not among its files when it was loaded.
type NotReadError struct {
	// Path is the file, or a reference to one on another machine.
	Path string
}

// Error names the file.
func (e *NotReadError) Error() string {
	return fmt.Sprintf("%s: the project did not need this file when it was loaded", e.Path)
}

// NextStep says what the user does next.
func (*NotReadError) NextStep() string {
	return "" // the project is loaded again
}

// OnlyComposeFiles reports whether the compose files refer to no other file that Compose's loader reads.
func (f *Files) OnlyComposeFiles() bool { return len(f.references) == 0 }

// ReadEnvFiles reads the env files of services. dotEnv is the path of the project's .env.
func (f *Files) ReadEnvFiles(p *types.Project, dotEnv string) {
	f.EnvFiles, f.IsDotEnv = map[string]File{}, map[string]bool{}
	for _, s := range p.AllServices() {
		for _, e := range s.EnvFiles {
			if _, ok := f.EnvFiles[e.Path]; !ok {
				f.EnvFiles[e.Path] = Read(e.Path)
				f.IsDotEnv[e.Path] = sameFile(e.Path, dotEnv)
			}
		}
	}
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

// ReadLabelFiles reads the label files of services.
func (f *Files) ReadLabelFiles(p *types.Project) {
	for _, s := range p.AllServices() {
		for _, path := range s.LabelFiles {
			f.add(path)
		}
	}
}

// add reads a file, if there is one.
func (f *Files) add(path string) []byte {
	if _, ok := f.references[path]; ok || f.Complete {
		return f.references[path]
	}
	if file := Read(path); file.Err == nil {
		if f.references == nil {
			f.references = map[string][]byte{}
		}
		f.references[path] = file.Text
	}
	return f.references[path]
}

// ReadReferences reads what compose files of a project directory include and extend, and what these do in turn.
// Compose's loader reads such files itself and does not tell which, so this follows the references by the loader's own
// rules. The project was loaded already: what is damaged here was not needed.
func (f *Files) ReadReferences(dir string, texts [][]byte, env types.Mapping) {
	f.Resolved = map[string]string{}
	for _, text := range texts {
		f.follow(text, level{dir: dir, env: env, includes: true}, nil)
	}
}

// level is what the references in a compose file depend on.
type level struct {
	// dir is the folder that relative paths start from.
	dir string
	env types.Mapping
	// includes is false in files that are extended: Compose ignores their includes.
	includes bool
}

// document is the part of a compose file that refers to others.
type document struct {
	Include  any `yaml:"include"`
	Services map[string]struct {
		Extends any `yaml:"extends"`
	} `yaml:"services"`
}

// follow reads what a compose file refers to. within are the files that led there.
func (f *Files) follow(text []byte, l level, within []string) {
	if !bytes.Contains(text, []byte("include")) && !bytes.Contains(text, []byte("extends")) {
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc document
		err := decoder.Decode(&doc)
		if wrongType := (*yaml.TypeError)(nil); err != nil && !errors.As(err, &wrongType) {
			return // io.EOF, at the end
		}
		for _, s := range doc.Services {
			if extends, ok := s.Extends.(map[string]any); ok {
				f.followExtends(extends["file"], l, within)
			}
		}
		if l.includes {
			f.followIncludes(doc.Include, l, within)
		}
	}
}

func (f *Files) followExtends(file any, l level, within []string) {
	path, ok := f.interpolated(file, l).(string)
	if !ok {
		return
	}
	path = f.local(path, l)
	f.into(path, level{dir: filepath.Dir(path), env: l.env}, within)
}

func (f *Files) followIncludes(list any, l level, within []string) {
	entries, _ := f.interpolated(list, l).([]any)
	for i, entry := range entries {
		if path, ok := entry.(string); ok {
			entries[i] = map[string]any{"path": path}
		}
	}
	var includes []types.IncludeConfig
	if err := loader.Transform(entries, &includes); err != nil {
		return
	}
	for _, include := range includes {
		if len(include.Path) == 0 {
			continue
		}
		dir := filepath.Dir(f.local(include.Path[0], l))
		if include.ProjectDirectory != "" {
			dir = absoluteIn(include.ProjectDirectory, l.dir)
			f.folders = append(f.folders, dir)
		}
		env := l.env.Clone().Merge(f.includedEnv(include.EnvFile, dir, l))
		for _, path := range include.Path {
			f.into(f.local(path, l), level{dir: dir, env: env, includes: true}, within)
		}
	}
}

// includedEnv reads the env files of an include: those that it names, or the .env of its project directory.
func (f *Files) includedEnv(named []string, dir string, l level) types.Mapping {
	if len(named) == 0 {
		named = []string{filepath.Join(dir, ".env")}
	}
	env := map[string]string{}
	for _, path := range named {
		path = absoluteIn(path, l.dir)
		text := f.add(path)
		vars, err := dotenv.ParseWithLookup(bytes.NewReader(text), func(name string) (string, bool) {
			if v, ok := l.env[name]; ok {
				return v, true
			}
			v, ok := env[name]
			return v, ok
		})
		if err != nil {
			continue
		}
		for name, value := range vars {
			env[name] = value
		}
	}
	return env
}

// into reads a compose file and follows its references, unless they led to it already.
func (f *Files) into(path string, l level, within []string) {
	for _, p := range within {
		if p == path {
			return
		}
	}
	f.follow(f.add(path), l, append(within[:len(within):len(within)], path))
}

// local is the path that a reference leads to: for a file of another machine, the path that it was fetched to.
func (f *Files) local(ref string, l level) string {
	for _, r := range f.Fetchers {
		if path, ok := r.paths[ref]; ok {
			return path
		}
	}
	return absoluteIn(ref, l.dir)
}

// WithoutVariables are the references with the variables resolved that lead from one to another. Compose's loader
// cannot follow these without interpolation.
func (f *Files) WithoutVariables() (*Files, *strings.Replacer) {
	var pairs []string
	// The longest first: one may be part of another.
	written := slices.SortedFunc(maps.Keys(f.Resolved), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, s := range written {
		pairs = append(pairs, s, f.Resolved[s])
	}
	replacer := strings.NewReplacer(pairs...)
	plain := *f
	plain.references = map[string][]byte{}
	for path, text := range f.references {
		plain.references[path] = []byte(replacer.Replace(string(text)))
	}
	return &plain, replacer
}

func absoluteIn(path, dir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// interpolated is a part of a compose file with its variables resolved, nil if that is not possible.
func (f *Files) interpolated(part any, l level) any {
	all, err := interpolation.Interpolate(map[string]any{"part": part}, interpolation.Options{
		LookupValue: l.env.Resolve,
		Substitute: func(s string, lookup template.Mapping) (string, error) {
			text, err := template.SubstituteWithOptions(s, lookup, template.WithoutLogging)
			if err == nil && text != s {
				f.Resolved[s] = text
			}
			return text, err
		},
	})
	if err != nil {
		return nil
	}
	return all["part"]
}
