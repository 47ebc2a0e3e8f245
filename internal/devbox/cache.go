package devbox

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/engine"
)

// cacheAge is how long the session of an unused container is kept.
const cacheAge = 30 * 24 * time.Hour

// ForgetEnvironment makes the next command probe the environment again: what ran in the container may have changed the
// files that a login shell reads.
func (b *Box) ForgetEnvironment() {
	s := b.readSession()
	if s == nil {
		return
	}
	s.Env, s.Probed = nil, false
	b.remember(*s)
}

// recall returns the remembered session of this start of the container, nil if there is none for this user, probe and
// folder.
func (b *Box) recall(rt engine.Runtime, user, probe, folder string) *session {
	s := b.readSession()
	if s == nil || s.StartedAt != rt.StartedAt || s.User != user || s.Folder != folder || s.Probed && s.Probe != probe {
		return nil
	}
	return s
}

func (b *Box) readSession() *session {
	data, err := os.ReadFile(b.cacheFile())
	if err != nil {
		return nil
	}
	var s session
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	return &s
}

// remember writes the session, readable by the user alone: an environment may hold secrets. A cache that cannot be
// written costs only time.
func (b *Box) remember(s session) {
	path := b.cacheFile()
	if path == "" {
		return
	}
	data, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(b.CacheDir, 0o700)
	}
	if err == nil {
		err = atomicwriter.WriteFile(path, data, 0o600)
	}
	if err != nil {
		b.Teller.Debugf("cache of container %.12s: %v", b.ID, err)
		return
	}
	b.sweepCache()
}

// sweepCache removes the sessions of containers that nobody has used for a month.
func (b *Box) sweepCache() {
	entries, err := os.ReadDir(b.CacheDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) <= cacheAge {
			continue
		}
		if err := os.Remove(filepath.Join(b.CacheDir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			b.Teller.Debugf("cache: %v", err)
		}
	}
}

// cacheFile is the container's file, empty if there is no cache.
func (b *Box) cacheFile() string {
	if b.CacheDir == "" {
		return ""
	}
	return filepath.Join(b.CacheDir, b.ID+".json")
}
