// Package registry keeps the file of promises: which host ports and subnets are leased to which loom, and which loom
// a folder's files belong to.
//
// The file is registry.json in a folder of its own (the design puts it at loom/ in Docker's config folder). It
// outlives containers and processes: what runs is the engine's to say, what is promised is said here. Any number of
// processes may use one folder: readers take no lock, because the file is only ever replaced whole; a change holds
// one file lock from reading to writing. A process that dies, however, leaves the last complete file and no lock. On
// network file systems this is as good as their locks are.
package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/sys/atomicwriter"
)

// poll is how long a process that found a lock taken waits before it tries again; a change takes about that long.
const poll = 5 * time.Millisecond

// Registry is a folder with a registry in it. It holds no state and no open file; it may be used by several goroutines.
type Registry struct {
	dir string
	now func() time.Time
}

// Open returns the registry kept in dir. It touches nothing: the folder is made by the first change.
func Open(dir string) *Registry { return &Registry{dir: dir, now: time.Now} }

// Path is the file that holds the promises, whether it exists or not.
func (r *Registry) Path() string { return filepath.Join(r.dir, "registry.json") }

// Read returns the state as the last change left it, without waiting for the one under way. If there is no file, the
// state is empty and Fresh.
//
// Errors: [*DamagedError] for a file that makes no sense, which is then out of the way, so that the next call finds
// none; [*NewerError]; what the file system says.
func (r *Registry) Read(ctx context.Context) (*State, error) {
	var damaged error
	// Windows cannot replace a file that somebody has open, so there readers stand in line.
	if runtime.GOOS != "windows" {
		data, err := r.load()
		if err != nil {
			return nil, err
		}
		s, err := r.parse(data)
		if _, ok := errors.AsType[*DamagedError](err); !ok {
			return s, err
		}
		damaged = err
	}
	if _, err := os.Lstat(r.Path()); errors.Is(err, fs.ErrNotExist) {
		return fresh(), nil
	}
	release, err := r.lockFile(ctx)
	if err != nil && damaged != nil {
		return nil, fmt.Errorf("%w; set it aside: %w", damaged, err)
	}
	if err != nil {
		return nil, err
	}
	defer release()
	s, _, err := r.readLocked()
	return s, err
}

// Peek returns the state for a look in passing, as Read does, but leaves a damaged file in its place.
func (r *Registry) Peek() (*State, error) {
	data, err := r.load()
	if err != nil {
		return nil, err
	}
	return r.parse(data)
}

// Update lets fn change the state, alone among all processes, and writes the outcome if it differs: atomically and
// synced to disk. An error of fn is returned as it is and leaves the file as it was. fn may wait for nothing that
// needs the registry: it would wait for ever.
//
// fn that has rebuilt the leases after a loss sets Fresh to false; then the file is written even if there was nothing
// to rebuild.
//
// Errors besides fn's: those of [Registry.Read] (fn is then not called); ctx's, while another process holds the lock;
// a folder or file that cannot be written; a path that is not UTF-8, which JSON could not give back.
func (r *Registry) Update(ctx context.Context, fn func(*State) error) error {
	release, err := r.lockFile(ctx)
	if err != nil {
		return err
	}
	defer release()
	s, before, err := r.readLocked()
	if err != nil {
		return err
	}
	if err := fn(s); err != nil {
		return err
	}
	after, err := encode(s)
	if err != nil {
		return fmt.Errorf("registry %s: %w", r.Path(), err)
	}
	// Only a state that began so and was left so is still Fresh; a file that says "nothing is promised" would end the
	// search for lost leases.
	if bytes.Equal(before, after) || s.Fresh && len(s.Looms) == 0 {
		return nil
	}
	r.sweep()
	if err := atomicwriter.WriteFile(r.Path(), after, 0o600); err != nil {
		return fmt.Errorf("registry %s: %w", r.Path(), err)
	}
	return nil
}

// Lock waits until no other command works on the loom and keeps others waiting until release is called (more than
// once does no harm) or the process ends. It does not keep anyone from the registry. A second Lock of the same loom
// in one process waits like any other. The lock's file stays behind: whoever removes one takes it from under a
// process that has it open and waits, and then two hold "the" lock.
func (r *Registry) Lock(ctx context.Context, repository, id string) (release func(), err error) {
	dir := filepath.Join(r.dir, "locks")
	release, err = lock(ctx, dir, fileName(repository, id)+".lock")
	if err != nil {
		return nil, fmt.Errorf("lock of loom %s: %w", Name(repository, id), err)
	}
	return release, nil
}

// LockRights waits as [Registry.Lock] does, until no other command changes the rights that agents have to a repository.
// Whoever needs the lock of a loom too takes that first.
func (r *Registry) LockRights(ctx context.Context, repository string) (release func(), err error) {
	release, err = lock(ctx, filepath.Join(r.dir, "locks"), fileName(repository, "")+".rights.lock")
	if err != nil {
		return nil, fmt.Errorf("rights to repository %s: %w", repository, err)
	}
	return release, nil
}

// fileName is what files about a loom are called: ids have slashes.
func fileName(repository, id string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(repository) + "\x00" + id))
	return hex.EncodeToString(sum[:16])
}

func (r *Registry) lockFile(ctx context.Context) (release func(), err error) {
	release, err = lock(ctx, r.dir, "registry.lock")
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", r.Path(), err)
	}
	return release, nil
}

func lock(ctx context.Context, dir, name string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	path := filepath.Join(dir, name)
	f := flock.New(path)
	if _, err := f.TryLockContext(ctx, poll); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// readLocked returns the state and the bytes it was read from, or sets a damaged file aside. The lock must be held:
// without it, the file set aside might be the good one that another process has just put in the place of the damaged
// one.
func (r *Registry) readLocked() (*State, []byte, error) {
	data, err := r.load()
	if err != nil {
		return nil, nil, err
	}
	s, err := r.parse(data)
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		if damaged.Aside, err = r.setAside(); err != nil {
			return nil, nil, fmt.Errorf("%w; set it aside: %w", damaged, err)
		}
		return nil, nil, damaged
	}
	return s, data, err
}

// load returns the bytes of the file, nil if there is none.
func (r *Registry) load() ([]byte, error) {
	data, err := os.ReadFile(r.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return data, nil
}

func (r *Registry) parse(data []byte) (*State, error) {
	if data == nil {
		return fresh(), nil
	}
	s, err := decode(data)
	if newer, ok := errors.AsType[*NewerError](err); ok {
		newer.Path = r.Path()
		return nil, newer
	}
	if err != nil {
		return nil, &DamagedError{Path: r.Path(), Err: err}
	}
	return s, nil
}

func (r *Registry) setAside() (string, error) {
	aside := r.Path() + ".damaged-" + r.now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		name := aside
		if n > 1 {
			name = fmt.Sprintf("%s-%d", aside, n)
		}
		// A rename would silently replace the evidence of the same second.
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(r.Path(), name); err != nil {
			return "", err
		}
		return name, nil
	}
}

// sweep removes what processes that died while writing left: under the lock nobody else is writing.
func (r *Registry) sweep() {
	entries, _ := os.ReadDir(r.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".tmp-registry.json") {
			_ = os.Remove(filepath.Join(r.dir, e.Name()))
		}
	}
}

// DamagedError says that the registry made no sense and where it was put, for the user to look at.
type DamagedError struct {
	Path, Aside string // Aside is "" while it could not be put anywhere
	Err         error  // line, column and what is wrong there
}

// Error names the file, the place in it and where the file is now.
func (e *DamagedError) Error() string {
	s := fmt.Sprintf("registry %s is damaged: %v", e.Path, e.Err)
	if e.Aside != "" {
		s += "; it was set aside as " + e.Aside
	}
	return s
}

// NextStep says what the user does next.
func (*DamagedError) NextStep() string {
	return "run the command again: looms that have containers or volumes are found by their labels"
}

// Unwrap returns what is wrong with the file.
func (e *DamagedError) Unwrap() error { return e.Err }

// NewerError says that a later docker loom wrote the registry in a way that this one does not know. The file is left
// alone.
type NewerError struct {
	Path    string
	Version int
}

// Error names file and version and what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("registry %s is of version %d: a newer docker loom wrote it, update this one (it knows version %d)",
		e.Path, e.Version, severalProjects)
}

// NextStep says what the user does next.
func (*NewerError) NextStep() string {
	return "update docker loom"
}
