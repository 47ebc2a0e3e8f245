package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// FeatureList is the features of a dev container, in the order of their installation.
type FeatureList struct {
	Config   string        `json:"config"`
	Features []FeatureInfo `json:"features"`
	// Lockfile is its path, and Changed whether it was written.
	Lockfile string `json:"lockfile"`
	Changed  bool   `json:"changed"`
}

// FeatureInfo is one feature that will be installed.
type FeatureInfo struct {
	ID      string            `json:"id"`
	Version string            `json:"version"`
	Source  string            `json:"source"`
	Digest  string            `json:"digest"`
	Options map[string]string `json:"options"`
	Locked  bool              `json:"locked"`
}

// FeaturesRequest asks for the features of a loom's dev container.
type FeaturesRequest struct {
	loom.Where
	// Config is the devcontainer.json that the user named, "" to look for one.
	Config string
	// Lock resolves the features again and writes the lockfile; DryRun tells what it would write.
	Lock, DryRun bool
	// Only are the features that are resolved again, as they are written in devcontainer.json; none are all. The others
	// stay as they are locked.
	Only []string
	// Check compares the lockfile with what it should be, and writes nothing.
	Check bool
}

// StaleLockError says that a lockfile is not what it should be.
type StaleLockError struct {
	Path        string
	Differences []string
}

// Error names the file and each feature.
func (e *StaleLockError) Error() string { return e.Path + ": " + strings.Join(e.Differences, "; ") }

// NextStep says what the user does next.
func (*StaleLockError) NextStep() string { return "docker loom features lock writes it" }

// NoFeatureError says that a devcontainer.json has no feature of that name.
type NoFeatureError struct{ Config, ID string }

// Error names both.
func (e *NoFeatureError) Error() string { return fmt.Sprintf("%s has no feature %s", e.Config, e.ID) }

// NextStep says what the user does next.
func (*NoFeatureError) NextStep() string { return "docker loom features ls lists those that it has" }

// Features resolves the features of the dev container, and with Lock writes down what they are. A lockfile is written
// only where there is something to lock, and only if it changes.
func Features(ctx context.Context, l *loom.Looms, req FeaturesRequest) (*FeatureList, error) {
	dev, err := l.DevContainer(ctx, req.Where, req.Config)
	if err != nil {
		return nil, err
	}
	c := dev.Config
	path := features.LockPath(c.Path)
	have, err := features.ReadLock(path)
	if err != nil {
		return nil, err
	}
	store, lock := *l.FeatureStore, have
	for _, id := range req.Only {
		if !slices.ContainsFunc(c.Features, func(f devcontainer.FeatureRef) bool { return f.ID == id }) {
			return nil, &NoFeatureError{c.Path, id}
		}
	}
	if req.Lock {
		store.Refresh, lock = true, have.Without(req.Only)
	}
	list, err := store.Resolve(ctx, c, lock)
	if err != nil {
		return nil, err
	}
	if should := features.Lock(list); req.Check {
		if differences := have.Differences(should); len(differences) > 0 {
			return nil, &StaleLockError{path, differences}
		}
	} else if req.Lock {
		lock = should
	}
	result := &FeatureList{Config: c.Path, Lockfile: path, Features: []FeatureInfo{}}
	for _, f := range list {
		result.Features = append(result.Features, FeatureInfo{
			ID: f.ID.Written, Version: f.Version(), Source: string(f.ID.Source), Digest: f.Digest, Options: f.Options,
			Locked: lock.Has(f.ID.Written),
		})
	}
	if req.Lock {
		result.Changed, err = writeLock(path, lock, req.DryRun)
	}
	return result, err
}

// writeLock brings the lockfile to what is locked; nil removes it. It reports whether that is a change.
func writeLock(path string, lock *features.Lockfile, dry bool) (bool, error) {
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	there := err == nil
	if lock == nil {
		if !there || dry {
			return there, nil
		}
		return true, os.Remove(path)
	}
	text, err := lock.Text()
	if err != nil {
		return false, err
	}
	if there && bytes.Equal(have, text) || dry {
		return !there || !bytes.Equal(have, text), nil
	}
	if err := atomicwriter.WriteFile(path, text, 0o644); err != nil {
		return false, fmt.Errorf("lockfile: %w", err)
	}
	return true, nil
}
