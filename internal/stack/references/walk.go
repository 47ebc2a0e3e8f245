package references

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
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

// ReadReferences reads what compose files of a project directory include and extend, and what these do in turn.
// Compose's loader reads such files itself and does not tell which, so this follows the references by the loader's own
// rules, and comes before it: the loader then finds what was read, and nothing besides. What is damaged is left to the
// loader to complain about.
func (f *Files) ReadReferences(
	ctx context.Context, dir string, files []types.ConfigFile, env types.Mapping,
) error {
	f.Resolved, f.absolute = map[string]string{}, map[string]bool{}
	if f.Sought == nil {
		f.Sought = map[string]bool{}
	}
	walk := &walk{Files: f, Context: ctx}
	for _, file := range files {
		walk.follow(file.Content, level{dir: dir, env: env, includes: true}, []string{file.Filename})
	}
	return cmp.Or(walk.err, f.Refused())
}

// walk goes from one compose file to the next.
type walk struct {
	*Files
	context.Context
	// err is why it cannot go on.
	err error
	// followed and bytes are how many files it went through, and how long they were together.
	followed, bytes int
}

// A file may lead to two that lead to two others each: Compose reads each as often as it is led to.
const (
	maxFollowed = 10_000
	maxDepth    = 200
	maxBytes    = 64 << 20
)

// EndlessError says that the files refer to too many others.
type EndlessError struct{}

// Error says how many are too many.
func (*EndlessError) Error() string {
	return fmt.Sprintf("include and extends lead through more than %d files, one below %d others, or %d MiB",
		maxFollowed, maxDepth, maxBytes>>20)
}

// NextStep says what the user does next.
func (*EndlessError) NextStep() string { return "let fewer compose files include or extend each other" }

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
func (w *walk) follow(text []byte, l level, within []string) {
	w.followed, w.bytes = w.followed+1, w.bytes+len(text)
	if w.followed > maxFollowed || len(within) > maxDepth || w.bytes > maxBytes {
		w.fail(&EndlessError{})
	}
	if err := boundAliases(text); err != nil {
		w.fail(fmt.Errorf("%s: %w", within[len(within)-1], err))
	}
	if w.err != nil || !bytes.Contains(text, []byte("include")) && !bytes.Contains(text, []byte("extends")) {
		return
	}
	eachDocument(text, func(doc document) {
		for _, s := range doc.Services {
			if extends, ok := s.Extends.(map[string]any); ok {
				w.followExtends(extends["file"], l, within)
			}
		}
		if l.includes {
			w.followIncludes(doc.Include, l, within)
		}
	})
}

// eachDocument decodes the documents of a compose file, as far as they fit. What is damaged ends it.
func eachDocument[T any](text []byte, do func(T)) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc T
		err := decoder.Decode(&doc)
		if wrongType := (*yaml.TypeError)(nil); err != nil && !errors.As(err, &wrongType) {
			return // io.EOF, at the end
		}
		do(doc)
	}
}

// fail ends the walk.
func (w *walk) fail(err error) { w.err = cmp.Or(w.err, err) }

func (w *walk) followExtends(file any, l level, within []string) {
	path, ok := w.interpolated(file, l).(string)
	if !ok {
		return
	}
	path = w.local(path, l)
	w.into(path, level{dir: filepath.Dir(path), env: l.env}, within)
}

func (w *walk) followIncludes(list any, l level, within []string) {
	entries, _ := w.interpolated(list, l).([]any)
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
		dir := l.dir
		if len(include.Path) > 0 {
			dir = filepath.Dir(w.local(include.Path[0], l))
		}
		if include.ProjectDirectory != "" {
			dir = w.named(include.ProjectDirectory, l)
			w.folders = append(w.folders, dir)
		}
		env := l.env.Clone().Merge(w.includedEnv(include.EnvFile, dir, l))
		for _, path := range include.Path {
			w.into(w.local(path, l), level{dir: dir, env: env, includes: true}, within)
		}
	}
}

// includedEnv reads the env files of an include: those that it names, or the .env of its project directory.
func (w *walk) includedEnv(named []string, dir string, l level) types.Mapping {
	if len(named) == 0 {
		named = []string{filepath.Join(dir, ".env")}
	}
	env := map[string]string{}
	for _, path := range named {
		text := w.add(w.named(path, l))
		vars, err := dotenv.ParseWithLookup(bytes.NewReader(text), func(name string) (string, bool) {
			if v, ok := w.lookup(name, l); ok {
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
func (w *walk) into(path string, l level, within []string) {
	text := w.add(path)
	if w.err != nil || slices.Contains(within, path) {
		return
	}
	w.follow(text, l, append(within[:len(within):len(within)], path))
}

// local is the path that a reference leads to: for a file of another machine, the path that it is fetched to.
func (w *walk) local(ref string, l level) string {
	for _, r := range w.Fetchers {
		if w.Complete {
			if path, ok := r.paths[ref]; ok {
				return path
			}
			continue
		}
		if w.err != nil || !r.Accept(ref) {
			continue
		}
		path, err := r.Load(w, ref)
		if err == nil {
			return path
		}
		w.fail(err)
	}
	return w.absolutePath(ref, l)
}

// absolutePath is a path as the loader finds it: by its words, before any link is followed.
func (w *walk) absolutePath(path string, l level) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	depth := len(names(l.dir))
	for _, name := range names(path) {
		if depth++; name == ".." {
			depth -= 2
		}
		if depth < 0 {
			w.fail(&AboveRootError{path})
		}
	}
	return filepath.Join(l.dir, path)
}

// named is a path that Compose's loader takes as it is, without a resource loader.
func (w *walk) named(path string, l level) string {
	if filepath.IsAbs(path) {
		w.absolute[path] = true
	}
	return w.absolutePath(path, l)
}

// names are the parts of a path.
func names(path string) []string {
	return strings.FieldsFunc(filepath.Clean(path), func(r rune) bool { return r == filepath.Separator })
}

// lookup returns the value of a variable, and notes that it was looked up.
func (w *walk) lookup(name string, l level) (string, bool) {
	w.Sought[name] = true
	return l.env.Resolve(name)
}

// interpolated is a part of a compose file with its variables resolved, nil if that is not possible.
func (w *walk) interpolated(part any, l level) any {
	all, err := interpolation.Interpolate(map[string]any{"part": part}, interpolation.Options{
		LookupValue: func(name string) (string, bool) { return w.lookup(name, l) },
		Substitute: func(s string, lookup template.Mapping) (string, error) {
			text, err := template.SubstituteWithOptions(s, lookup, template.WithoutLogging)
			if err == nil && text != s {
				w.Resolved[s] = text
			}
			return text, err
		},
	})
	if err != nil {
		return nil
	}
	return all["part"]
}
