package devcontainer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Search says where a devcontainer.json is looked for.
type Search struct {
	// Dir is the absolute folder where the search begins.
	Dir string
	// Top is the absolute folder where it ends: the top of the work tree. "" looks in Dir alone.
	Top string
	// Chosen is the file that the user named, counted from Dir if it is not absolute; then nothing else is looked at.
	Chosen string
}

// Place is where a devcontainer.json is, and the folder that is opened with it; both absolute, links not resolved.
type Place struct {
	Path, Workspace string
	// Others are the configurations beside it, below .devcontainer, that a user could have chosen.
	Others []string
}

// SeveralError says that there are several devcontainer.json and none that goes before the others.
type SeveralError struct {
	// Paths are all of them, sorted.
	Paths []string
}

func (e *SeveralError) Error() string {
	return "several devcontainer.json: " + strings.Join(e.Paths, ", ")
}

// NextStep says what the user does next.
func (*SeveralError) NextStep() string {
	return "choose one with --config FILE, or for all with container.configPath in .iloom/settings.json"
}

// Find returns the devcontainer.json that counts, or nil if there is none: in the nearest folder from Dir up to
// Top that has one, .devcontainer/devcontainer.json before .devcontainer.json before the only
// .devcontainer/*/devcontainer.json. Several of the last are a *SeveralError. A chosen file that is not there is an
// error that wraps fs.ErrNotExist (specification, "devcontainer.json").
func Find(s Search) (*Place, error) {
	dir := filepath.Clean(s.Dir)
	if s.Chosen != "" {
		return chosen(dir, s)
	}
	for {
		p, err := in(dir)
		if p != nil || err != nil || s.Top == "" || dir == filepath.Clean(s.Top) || dir == filepath.Dir(dir) {
			return p, err
		}
		dir = filepath.Dir(dir)
	}
}

// in looks in one folder.
func in(dir string) (*Place, error) {
	// A pattern would give the brackets in a folder's name a meaning.
	entries, err := os.ReadDir(filepath.Join(dir, ".devcontainer"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !isNoFolder(dir) {
		return nil, err
	}
	var named []string
	for _, e := range entries {
		if path := filepath.Join(dir, ".devcontainer", e.Name(), "devcontainer.json"); isFile(path) {
			named = append(named, path)
		}
	}
	for _, path := range []string{
		filepath.Join(dir, ".devcontainer", "devcontainer.json"), filepath.Join(dir, ".devcontainer.json"),
	} {
		if isFile(path) {
			return &Place{Path: path, Workspace: dir, Others: named}, nil
		}
	}
	switch len(named) {
	case 0:
		return nil, nil
	case 1:
		return &Place{Path: named[0], Workspace: dir}, nil
	default:
		return nil, &SeveralError{Paths: named}
	}
}

// chosen takes the file that the user named.
func chosen(dir string, s Search) (*Place, error) {
	path := filepath.Clean(s.Chosen)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	// VS Code and the reference CLI refuse to start with another name.
	if base := filepath.Base(path); base != "devcontainer.json" && base != ".devcontainer.json" {
		return nil, &Error{File: path, Err: errors.New("the file must be named devcontainer.json or .devcontainer.json")}
	}
	if _, err := os.Stat(path); err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &Error{File: path, Err: err}
	}
	return &Place{Path: path, Workspace: workspaceOf(path, dir, s.Top)}, nil
}

// workspaceOf is the folder that a chosen file is opened with: the one that has the .devcontainer folder or the
// .devcontainer.json; for a file elsewhere the top.
func workspaceOf(path, dir, top string) string {
	folder := filepath.Dir(path)
	if filepath.Base(path) == ".devcontainer.json" {
		return folder
	}
	for _, d := range []string{folder, filepath.Dir(folder)} {
		if filepath.Base(d) == ".devcontainer" {
			return filepath.Dir(d)
		}
	}
	if top != "" {
		return filepath.Clean(top)
	}
	return dir
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// isNoFolder says that .devcontainer in dir is something else than a folder.
func isNoFolder(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ".devcontainer"))
	return err == nil && !info.IsDir()
}
