package references

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
)

// Snapshot is a private folder in which files that were read are laid out again, each below the folder's root at its
// own absolute path. Compose's loader reads included and extended files by itself: there it finds what was read,
// whatever is in their place now. Relative paths lead to the same places as before only if whole paths are mirrored.
type Snapshot struct{ dir, root string }

// above stands for folders above the root: a path may have more .. than it has folders, which lead nowhere at the real
// root.
const above = "^"

// maxAbove is how many folders are above the root, and so how many .. a path may have.
const maxAbove = 32

// Snapshot lays the references out.
func (f *Files) Snapshot() (*Snapshot, error) {
	s, err := emptySnapshot()
	if err != nil {
		return nil, err
	}
	return s, s.layOut(f)
}

// PlainSnapshot lays the references out with the variables resolved that lead from one to another: Compose's loader
// cannot follow these without interpolation. The compose files themselves want the same replaced.
func (f *Files) PlainSnapshot() (*Snapshot, *strings.Replacer, error) {
	s, err := emptySnapshot()
	if err != nil {
		return nil, nil, err
	}
	leadsTo := maps.Clone(f.Resolved)
	for path := range f.absolute {
		if path != string(filepath.Separator) {
			leadsTo[path] = path
		}
	}
	// The longest first: one may be part of another.
	written := slices.SortedFunc(maps.Keys(leadsTo), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, text := range written {
		to := leadsTo[text]
		if f.absolute[to] {
			to = s.At(to)
		}
		pairs = append(pairs, text, to)
	}
	replacer := strings.NewReplacer(pairs...)
	plain := *f
	plain.references = map[string][]byte{}
	for path, text := range f.references {
		plain.references[path] = []byte(replacer.Replace(string(text)))
	}
	return s, replacer, s.layOut(&plain)
}

// NeedsPlain reports whether the references can only be followed in a [Files.PlainSnapshot] without interpolation.
func (f *Files) NeedsPlain() bool { return len(f.Resolved) > 0 || len(f.absolute) > 0 }

func emptySnapshot() (*Snapshot, error) {
	dir, err := os.MkdirTemp("", "docker-loom-compose-")
	if err != nil {
		return nil, err
	}
	s := &Snapshot{dir: dir}
	// Compose resolves links in some paths: the folder's own path must have none.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		s.dir = real
	}
	s.root = filepath.Join(s.dir, strings.Repeat(above+string(filepath.Separator), maxAbove))
	return s, nil
}

// layOut puts all files into the snapshot, and removes it if it cannot.
func (s *Snapshot) layOut(f *Files) (err error) {
	defer func() {
		if err != nil {
			s.Remove()
		}
	}()
	for path, text := range f.references {
		if err := s.Put(path, text); err != nil {
			return err
		}
	}
	for _, path := range f.folders {
		if err := os.MkdirAll(s.At(path), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Put adds a file.
func (s *Snapshot) Put(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.At(path)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(s.At(path), text, 0o600)
}

// Remove removes the folder. Nil has none.
func (s *Snapshot) Remove() {
	if s != nil {
		_ = os.RemoveAll(s.dir)
	}
}

// At is the path in the snapshot of what is at path.
func (s *Snapshot) At(path string) string {
	volume := filepath.VolumeName(path)
	return filepath.Join(s.root, strings.TrimSuffix(volume, ":"), path[len(volume):])
}

// Lead returns what a reference of a compose file has to be so that it leads into the snapshot. A relative one does as
// it is.
func (s *Snapshot) Lead(reference string) (string, error) {
	if filepath.IsAbs(reference) {
		return s.At(reference), nil
	}
	if strings.Count(reference, "..") > maxAbove {
		return "", &AboveRootError{reference}
	}
	return reference, nil
}

// Original is text with each path of the snapshot as it was.
func (s *Snapshot) Original(text string) string {
	const separator = string(filepath.Separator)
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, s.dir)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		for strings.HasPrefix(rest, separator+above) {
			rest = rest[len(separator+above):]
		}
		switch {
		case separator == `\\` && len(rest) > 1 && rest[0] == '\\':
			rest = rest[1:2] + ":" + rest[2:] // C:\folder is at ROOT\C\folder
		case !strings.HasPrefix(rest, separator):
			rest = separator + rest
		}
		text = rest
	}
}

// OriginalError is an error of Compose's loader about files of the snapshot, as it would be about the real ones.
func (s *Snapshot) OriginalError(err error) error {
	if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		if path := s.Original(missing.Path); path != missing.Path {
			return &NotReadError{path}
		}
	}
	if text := s.Original(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// Restore puts the real paths into a project that was loaded from the snapshot.
func (s *Snapshot) Restore(p *types.Project) error {
	s.restoreIn(reflect.ValueOf(p))
	for _, all := range []types.Services{p.Services, p.DisabledServices} {
		for _, service := range all {
			if service.Develop == nil {
				continue
			}
			for i, w := range service.Develop.Watch {
				// Compose resolves links in these, and the snapshot has none.
				path, err := utils.ResolveSymbolicLink(w.Path)
				if err != nil {
					return err
				}
				service.Develop.Watch[i].Path = path
			}
		}
	}
	return nil
}

func (s *Snapshot) restoreIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			s.restoreIn(v.Elem())
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if text, ok := v.Interface().(string); ok {
			v.Set(reflect.ValueOf(s.Original(text)))
			return
		}
		s.restoreIn(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.restoreIn(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.restoreIn(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(key))
			s.restoreIn(element)
			v.SetMapIndex(key, element)
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(s.Original(v.String()))
		}
	}
}

// Loaders lead Compose's loader into the snapshot, also from absolute paths and to what was fetched.
func (s *Snapshot) Loaders(f Files) []loader.ResourceLoader {
	list := []loader.ResourceLoader{absoluteLoader{s, f.references}}
	for _, r := range f.Fetchers {
		list = append(list, fetched{r, s})
	}
	return list
}

// absoluteLoader finds in the snapshot what is named by its absolute path.
type absoluteLoader struct {
	snapshot   *Snapshot
	references map[string][]byte
}

// Accept reports whether the path is absolute and was read.
func (l absoluteLoader) Accept(path string) bool {
	_, ok := l.references[path]
	return ok
}

// Load returns the path in the snapshot.
func (l absoluteLoader) Load(_ context.Context, path string) (string, error) {
	return l.snapshot.At(path), nil
}

// Dir is the folder of a path, in the snapshot.
func (l absoluteLoader) Dir(path string) string {
	switch {
	case !filepath.IsAbs(path):
		return path // the project directory of an include
	case strings.HasPrefix(path, l.snapshot.root):
		return filepath.Dir(path)
	}
	return filepath.Dir(l.snapshot.At(path))
}
