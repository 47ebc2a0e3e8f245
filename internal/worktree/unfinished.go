package worktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// makes starts the lock reason of a work tree that is still being made, from its first moment until Finish. After a
// crash it marks the tree as incomplete.
const makes = "docker loom makes it for "

func reason(id, path string) string { return makes + id + " at " + path }

// underReason reads a lock reason: the id that the work tree is made for, and its path.
func underReason(s string) (id, path string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimRight(s, "\r\n"), makes)
	id, path, at := strings.Cut(s, " at ")
	return id, path, ok && at
}

// marker is the file in a work tree's git folder with the id that Add made the tree for. git removes it with the work
// tree. A process that can only write the work tree cannot write it.
const marker = "docker-loom"

// Resume returns the path of the unfinished work tree that Add made for the id, "" if there is none. If git had not
// written all its files, Resume removes the tree. The caller must keep other processes from adding a work tree for the
// same id meanwhile.
func (r *Repository) Resume(ctx context.Context, id string) (path string, err error) {
	folders := adminFolders{r.CommonDir}
	for _, u := range folders.unfinished(id) {
		if _, err := os.Stat(filepath.Join(u.admin, "index")); err == nil && !gone(u.path) {
			if err := os.WriteFile(filepath.Join(u.admin, marker), []byte(id+"\n"), 0o644); err != nil {
				return "", err
			}
			return u.path, nil
		}
	}
	return "", folders.clear(id)
}

// Interrupted reports whether an Add for the id is under way, or was interrupted.
func (r *Repository) Interrupted(id string) bool {
	return len(adminFolders{r.CommonDir}.unfinished(id)) > 0
}

// adminFolders are the folders that git keeps of linked work trees, in the common dir.
type adminFolders struct{ commonDir string }

// mend repairs the git folders of work trees whose Add was killed. If git was killed before it filled commondir, the
// file is empty, and git then lists no work tree of the repository. mend writes what git would have written.
func (f adminFolders) mend() error {
	for _, admin := range f.list() {
		locked, err := gitfile.Content(filepath.Join(admin, "locked"))
		if err != nil || !strings.HasPrefix(string(locked), makes) {
			continue
		}
		name := filepath.Join(admin, "commondir")
		if info, err := os.Stat(name); err == nil && info.Size() == 0 {
			if err := os.WriteFile(name, []byte("../..\n"), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear removes the work trees of interrupted Adds for the id. Their files were never complete, so nobody worked there.
func (f adminFolders) clear(id string) error {
	for _, u := range f.unfinished(id) {
		if u.noted {
			if err := os.RemoveAll(u.path); err != nil {
				return err
			}
		} else {
			// git was killed before it noted the path, so it has not put any file there.
			_ = os.Remove(u.path)
		}
		if err := f.forget(u.admin); err != nil {
			return err
		}
	}
	return nil
}

// partial is an unfinished work tree. admin is its folder in .git; noted says that git has written its path there.
type partial struct {
	admin, path string
	noted       bool
}

func (f adminFolders) unfinished(id string) []partial {
	var all []partial
	for _, admin := range f.list() {
		b, err := gitfile.Content(filepath.Join(admin, "locked"))
		of, path, ok := underReason(string(b))
		if err != nil || !ok || of != id {
			continue
		}
		u := partial{admin, path, false}
		if noted := pathOf(admin); noted != "" {
			u.path, u.noted = noted, true
		}
		all = append(all, u)
	}
	return all
}

// list returns the folders in .git/worktrees, one for each linked work tree.
func (f adminFolders) list() []string {
	dir := filepath.Join(f.commonDir, "worktrees")
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

// pathOf returns the path of the work tree that belongs to a folder in .git, "" if git has not written it there.
func pathOf(admin string) string {
	to, err := gitfile.Read(filepath.Join(admin, "gitdir"))
	if err != nil {
		return ""
	}
	return resolve(filepath.Dir(to))
}

// made returns the ids that Add made work trees for, by the trees' paths.
func (f adminFolders) made() (map[string]string, error) {
	all := map[string]string{}
	for _, admin := range f.list() {
		b, err := gitfile.Content(filepath.Join(admin, marker))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if path := pathOf(admin); path != "" {
			all[path] = strings.TrimSpace(string(b))
		}
	}
	return all, nil
}

// MadeFor returns the id that Add made this work tree for, "" if somebody else made it.
func (r *Repository) MadeFor() (string, error) {
	b, err := gitfile.Content(filepath.Join(r.GitDir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}
