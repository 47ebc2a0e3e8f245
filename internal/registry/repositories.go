package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// SharedRepository is what is remembered of a git repository whose refs and objects a sandbox could write.
type SharedRepository struct {
	// CommonDir is the git folder that all work trees share.
	CommonDir string `json:"commonDir"`
	// Since is when the first sandbox could write there.
	Since time.Time `json:"since,omitzero"`
	// Commits are those that refs named before.
	Commits []string `json:"commits,omitempty"`
	// Reflogs says that no sandbox has had write access to the reflogs of HEAD of other work trees than its own.
	Reflogs bool `json:"reflogs,omitempty"`
}

func (r *Registry) repositoryFile(commonDir string) string {
	return filepath.Join(r.SandboxDir(".repositories"), fileName(commonDir, "")+".json")
}

// KeepShared notes that a sandbox can write a repository's refs and objects from now on. What is remembered of the
// repository already stays: a later look would take refs for the user's that a sandbox moved.
func (r *Registry) KeepShared(s SharedRepository) error {
	s.Since = r.now().UTC().Truncate(time.Second)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := r.repositoryFile(s.CommonDir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("refs of %s: %w", s.CommonDir, err)
	}
	// A link fails if another process was faster.
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("refs of %s: %w", s.CommonDir, err)
	}
	return nil
}

// Shared returns what is remembered of a repository, nil if no sandbox could write its refs. Of a file that makes no
// sense only that it is there is known.
func (r *Registry) Shared(commonDir string) (*SharedRepository, error) {
	text, err := os.ReadFile(r.repositoryFile(commonDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("refs of %s: %w", commonDir, err)
	}
	var s SharedRepository
	if err := json.Unmarshal(text, &s); err != nil {
		return &SharedRepository{CommonDir: commonDir}, nil //nolint:nilerr // as documented
	}
	return &s, nil
}
