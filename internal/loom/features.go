package loom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/survey"
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
	Where
	// Config is the devcontainer.json that the user named, "" to look for one.
	Config string
	// Lock resolves the features anew and writes the lockfile; DryRun tells what it would write.
	Lock, DryRun bool
}

// Features resolves the features of the dev container, and with Lock writes down what they are. A lockfile is written
// only where there is something to lock, and only if it changes.
func (l *Looms) Features(ctx context.Context, req FeaturesRequest) (*FeatureList, error) {
	t, err := l.Finder().Resolve(ctx, req.Where, Making)
	if err != nil {
		return nil, err
	}
	if err := l.readState(ctx, t); err != nil {
		return nil, err
	}
	f, err := l.surveyor().Begin(ctx, t, t.State, survey.Options{Config: req.Config})
	if err != nil {
		return nil, err
	}
	if f.DevErr != nil {
		return nil, f.DevErr
	}
	if f.Dev == nil {
		return nil, &NoDevContainerError{t.Name()}
	}
	c := f.Dev.Config
	path := features.LockPath(c.Path)
	have, err := features.ReadLock(path)
	if err != nil {
		return nil, err
	}
	store, lock := *l.FeatureStore, have
	if req.Lock {
		store.Refresh, lock = true, nil
	}
	list, err := store.Resolve(ctx, c, lock)
	if err != nil {
		return nil, err
	}
	if req.Lock {
		lock = features.Lock(list)
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
