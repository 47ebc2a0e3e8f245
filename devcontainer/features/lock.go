package features

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Lockfile is a devcontainer-lock.json: exactly which features a devcontainer.json means. A nil one locks nothing.
type Lockfile struct {
	Features map[string]Locked `json:"features"`
}

// Locked is one feature of a lockfile, by its id as written.
type Locked struct {
	Version   string   `json:"version"`
	Resolved  string   `json:"resolved"`
	Integrity string   `json:"integrity"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// LockPath is where the lockfile of a devcontainer.json is: beside it, with a leading dot if that has one.
func LockPath(config string) string {
	name := "devcontainer-lock.json"
	if strings.HasPrefix(filepath.Base(config), ".") {
		name = "." + name
	}
	return filepath.Join(filepath.Dir(config), name)
}

// ReadLock reads the lockfile at path; nil without an error if there is none, or an empty one.
func ReadLock(path string) (*Lockfile, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var l Lockfile
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &l, nil
}

// digest is what the lockfile promises of an id, "" for nothing.
func (l *Lockfile) digest(written string) string {
	if l == nil {
		return ""
	}
	return l.Features[written].Integrity
}

// Has reports whether the lockfile has an id as written.
func (l *Lockfile) Has(written string) bool { return l.digest(written) != "" }

// Lock writes down what features were resolved to; nil where none of them can change (folders are in the repository
// anyway).
func Lock(list []*Feature) *Lockfile {
	l := &Lockfile{Features: map[string]Locked{}}
	for _, f := range list {
		if f.ID.Source == SourceLocal {
			continue
		}
		resolved := f.ID.URL
		if f.ID.Source == SourceOCI {
			resolved = f.ID.Resource() + "@" + f.Digest
		}
		l.Features[f.ID.Written] = Locked{
			Version: f.Version(), Resolved: resolved, Integrity: f.Digest,
			DependsOn: slices.Sorted(maps.Keys(f.Manifest.DependsOn)),
		}
	}
	if len(l.Features) == 0 {
		return nil
	}
	return l
}

// Text is the file as the reference CLI writes it: two spaces, sorted.
func (l *Lockfile) Text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(l); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
