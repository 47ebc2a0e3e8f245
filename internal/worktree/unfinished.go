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

// makes begins the reason that a work tree is locked with from its first moment until Finish, so that one that is not
// complete is known for it after a crash.
const makes = "docker loom makes it for "

func reason(id, path string) string { return makes + id + " at " + path }

// underReason reads a reason: whom the work tree is made for, and where.
func underReason(s string) (id, path string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimRight(s, "\r\n"), makes)
	id, path, at := strings.Cut(s, " at ")
	return id, path, ok && at
}

// marker is the file in a work tree's git folder that says whom Add made it for. It ends with the work tree, and one
// who can write only the work tree cannot write it.
const marker = "docker-loom"

// Resume returns the path of a work tree that Add has made for the id and that was never finished, "" if there is
// none. One in which git had not yet written all files is cleared away. The caller must keep other processes from
// adding one for the same id meanwhile.
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

// mend writes into git's folders of work trees that Add began what git was killed before it wrote, so that git reads
// the others again: it reads none while one of these files is empty. What is written is what git would have.
func (f adminFolders) mend() error {
	for _, admin := range f.list() {
		locked, err := os.ReadFile(filepath.Join(admin, "locked"))
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

// clear removes what an Add for the id has left that was interrupted before its files were complete: nobody can have
// worked there.
func (f adminFolders) clear(id string) error {
	for _, u := range f.unfinished(id) {
		if u.noted {
			if err := os.RemoveAll(u.path); err != nil {
				return err
			}
		} else {
			// Killed before git had noted the path: git itself knows nothing of it, and has put nothing there.
			_ = os.Remove(u.path)
		}
		if err := f.forget(u.admin); err != nil {
			return err
		}
	}
	return nil
}

// partial is a work tree that is not finished: its folder in .git, its path, and whether git has noted that.
type partial struct {
	admin, path string
	noted       bool
}

func (f adminFolders) unfinished(id string) []partial {
	var all []partial
	for _, admin := range f.list() {
		b, err := os.ReadFile(filepath.Join(admin, "locked"))
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

// list lists them.
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

// pathOf is the path of the work tree whose folder in .git this is, "" if it is not noted.
func pathOf(admin string) string {
	to, err := gitfile.Read(filepath.Join(admin, "gitdir"))
	if err != nil {
		return ""
	}
	return resolve(filepath.Dir(to))
}

// made tells by path whom work trees were made for.
func (f adminFolders) made() (map[string]string, error) {
	all := map[string]string{}
	for _, admin := range f.list() {
		b, err := os.ReadFile(filepath.Join(admin, marker))
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

// MadeFor is the id that Add made this work tree for, "" if somebody else made it.
func (r *Repository) MadeFor() (string, error) {
	b, err := os.ReadFile(filepath.Join(r.GitDir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}
