// Package references reads the files that compose files refer to, by the rules of Compose's own loader. It lays them
// out for the loader again, so that a project can be compiled once more from the same bytes.
package references

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/rooted"
)

// Reader reads a file by its absolute path. The error of a file that is missing is [fs.ErrNotExist].
type Reader interface {
	Read(path string) ([]byte, error)
}

// Anywhere reads any file, wherever it is.
var Anywhere Reader = everyFile{}

type everyFile struct{}

func (everyFile) Read(path string) ([]byte, error) { return rooted.ReadFile(path) }

// Files are what the compose files of a project refer to, as bytes.
type Files struct {
	// Reader reads them.
	Reader Reader
	// references are included and extended compose files, their .env files, and label files, by absolute path. unread says
	// of others why they could not be read.
	references map[string][]byte
	unread     map[string]error
	// folders are those that includes name as their project directory.
	folders []string
	// absolute are the absolute paths that includes name as their project directory or env file.
	absolute map[string]bool
	// EnvFiles are the env files of services, IsDotEnv those of them that are the project's .env.
	EnvFiles map[string]File
	IsDotEnv map[string]bool
	// Fetchers have the files of other machines.
	Fetchers []*Fetcher
	// Resolved are the references that have variables, as written, with what they led to.
	Resolved map[string]string
	// Sought are the variables that were looked up on the way.
	Sought map[string]bool
	// Complete is true if no more files may be read.
	Complete bool
}

// File is a file's text, or why there is none.
type File struct {
	Text []byte
	Err  error
}

// ReadBy reads a file.
func ReadBy(r Reader, path string) File {
	text, err := r.Read(path)
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

// AboveRootError says that a path has more .. than it has folders.
type AboveRootError struct{ Path string }

// Error names the path.
func (e *AboveRootError) Error() string { return e.Path + ": leads above the root of the file system" }

// NextStep says what the user does next.
func (*AboveRootError) NextStep() string { return "correct the path in the compose file" }

// OnlyComposeFiles reports whether the compose files refer to no other file that Compose's loader reads.
func (f *Files) OnlyComposeFiles() bool {
	return len(f.references) == 0 && len(f.folders) == 0 && len(f.unread) == 0 && !f.fetched()
}

func (f *Files) fetched() bool {
	return slices.ContainsFunc(f.Fetchers, func(r *Fetcher) bool { return len(r.paths) > 0 })
}

// ReadEnvFiles reads the env files of services. dotEnv is the path of the project's .env.
func (f *Files) ReadEnvFiles(p *types.Project, dotEnv string) {
	f.EnvFiles, f.IsDotEnv = map[string]File{}, map[string]bool{}
	for _, s := range p.AllServices() {
		for _, e := range s.EnvFiles {
			if _, ok := f.EnvFiles[e.Path]; !ok {
				f.EnvFiles[e.Path] = ReadBy(f.Reader, e.Path)
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

// add reads a file, if there is one.
func (f *Files) add(path string) []byte {
	if _, ok := f.references[path]; ok || f.Complete || f.unread[path] != nil {
		return f.references[path]
	}
	if f.references == nil {
		f.references, f.unread = map[string][]byte{}, map[string]error{}
	}
	file := ReadBy(f.readerOf(path), path)
	if file.Err != nil {
		f.unread[path] = file.Err
		return nil
	}
	f.references[path] = file.Text
	return file.Text
}

// ReadMore reads one more file, and returns nil if it does not exist.
func (f *Files) ReadMore(path string) ([]byte, error) {
	text := f.add(path)
	if text == nil {
		return nil, f.Refused()
	}
	return text, nil
}

// readerOf reads what was fetched from where it was fetched to, and not by way of its links.
func (f *Files) readerOf(path string) Reader {
	for _, r := range f.Fetchers {
		for _, dir := range r.folders {
			if in, err := filepath.Rel(dir, path); dir != "" && err == nil && filepath.IsLocal(in) {
				return rooted.Below(dir, nil)
			}
		}
	}
	return f.Reader
}

// Refused is the first reason, by path, why a file that exists could not be read.
func (f *Files) Refused() error {
	for _, path := range slices.Sorted(maps.Keys(f.unread)) {
		err := f.unread[path]
		// Compose passes by a folder where a file could be.
		irregular, ok := errors.AsType[*rooted.NotRegularError](err)
		isFolder := ok && irregular.Mode.IsDir()
		if !errors.Is(err, fs.ErrNotExist) && !isFolder {
			return err
		}
	}
	return nil
}
