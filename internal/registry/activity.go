package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/sys/atomicwriter"
)

// Activity is what was observed of the use of a loom up to a moment. Losing it does no harm: the loom then looks
// as if it had not been used since it was started.
type Activity struct {
	Looked time.Time            `json:"looked"` // what happened up to here is in it
	Last   map[string]time.Time `json:"last"`   // when each source of activity was seen last
	// Execs are the IDs of execs that ran, Attached the moments at which terminals were attached that were not seen to
	// detach, by container.
	Execs    []string               `json:"execs,omitempty"`
	Attached map[string][]time.Time `json:"attached,omitempty"`
}

func (r *Registry) activityPath(repository, id, suffix string) string {
	return filepath.Join(r.dir, "activity", fileName(repository, id)+suffix)
}

// Activity returns what was recorded of a loom. It is the zero Activity if nothing was recorded or the file makes no
// sense.
func (r *Registry) Activity(repository, id string) Activity {
	var a Activity
	data, err := os.ReadFile(r.activityPath(repository, id, ".json"))
	if err != nil || json.Unmarshal(data, &a) != nil {
		return Activity{}
	}
	return a
}

// RecordActivity keeps what was observed of a loom in place of what was recorded before.
func (r *Registry) RecordActivity(repository, id string, a Activity) error {
	path := r.activityPath(repository, id, ".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("activity: %w", err)
	}
	data, err := json.Marshal(a)
	if err == nil {
		err = atomicwriter.WriteFile(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("activity of loom %s: %w", Name(repository, id), err)
	}
	return nil
}

// ForgetActivity removes what was recorded of a loom.
func (r *Registry) ForgetActivity(repository, id string) error {
	var errs []error
	for _, suffix := range []string{".json", ".used"} {
		if err := os.Remove(r.activityPath(repository, id, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// MarkInUse notes that a command works on a loom, from now until leave is called or the process ends. Any number may
// at once.
func (r *Registry) MarkInUse(ctx context.Context, repository, id string) (leave func(), err error) {
	path := r.activityPath(repository, id, ".used")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("activity: %w", err)
	}
	f := flock.New(path)
	if _, err := f.TryRLockContext(ctx, poll); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("activity of loom %s: %w", Name(repository, id), err)
	}
	touch := func() { _ = os.Chtimes(path, time.Time{}, r.now()) }
	touch()
	return func() {
		touch()
		_ = f.Close()
	}, nil
}

// Attended returns when a command last worked on a loom, the zero time for never, and reports whether one does now.
func (r *Registry) Attended(repository, id string) (last time.Time, now bool) {
	path := r.activityPath(repository, id, ".used")
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}, false
	}
	// Another process that asks this holds the lock for an instant, a command for longer.
	ctx, cancel := context.WithTimeout(context.Background(), 4*poll)
	defer cancel()
	f := flock.New(path)
	defer f.Close() // nothing was written
	_, err = f.TryLockContext(ctx, poll)
	return info.ModTime(), errors.Is(err, context.DeadlineExceeded)
}
