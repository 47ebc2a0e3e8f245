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

// Version is the version that is locked for an id as written, "" for none.
func (l *Lockfile) Version(written string) string {
	if l == nil {
		return ""
	}
	return l.Features[written].Version
}

// Has reports whether the lockfile has an id as written.
func (l *Lockfile) Has(written string) bool { return l.digest(written) != "" }

// Without returns the lockfile without some ids; it locks nothing where none are named.
func (l *Lockfile) Without(ids []string) *Lockfile {
	if l == nil || len(ids) == 0 {
		return nil
	}
	rest := &Lockfile{Features: maps.Clone(l.Features)}
	for _, id := range ids {
		delete(rest.Features, id)
	}
	return rest
}

// Differences says in which features a lockfile differs from what it should be; either may be nil.
func (l *Lockfile) Differences(should *Lockfile) []string {
	has, wants := map[string]Locked{}, map[string]Locked{}
	if l != nil {
		has = l.Features
	}
	if should != nil {
		wants = should.Features
	}
	var list []string
	for id, want := range wants {
		have, locked := has[id]
		switch {
		case !locked:
			list = append(list, id+" is not locked")
		case have.Integrity != want.Integrity || have.Version != want.Version || have.Resolved != want.Resolved:
			list = append(list, fmt.Sprintf("%s is locked as %s (%s) and is %s (%s)",
				id, have.Version, have.Resolved, want.Version, want.Resolved))
		case !slices.Equal(have.DependsOn, want.DependsOn):
			list = append(list, id+" is locked with other dependencies")
		}
	}
	for id := range has {
		if _, used := wants[id]; !used {
			list = append(list, id+" is locked and not used")
		}
	}
	slices.Sort(list)
	return list
}

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
