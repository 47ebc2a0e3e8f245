package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// ReadGit reads what [Git] says of a work tree, whose common dir and own git folder git has named. It starts no process and
// writes nothing. Paths that lead through symbolic links in the work tree or in the git folder are refused: an agent that
// was there before could have laid them, and what is mounted would be what they lead to.
func ReadGit(workTree, common, dir string) (*Git, []finding.Finding, error) {
	g := &Git{Common: common, Dir: dir, Main: common == dir}
	for _, p := range []string{workTree, common, dir} {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return nil, nil, fmt.Errorf("git folder: %w", err)
		}
		if real != p {
			return nil, nil, fmt.Errorf("git folder: %s leads to %s by a symbolic link", p, real)
		}
	}
	dotGit := filepath.Join(workTree, ".git")
	info, err := os.Lstat(dotGit)
	if err != nil {
		return nil, nil, fmt.Errorf("git folder: %w", err)
	}
	switch {
	case info.IsDir() && (!g.Main || dir != dotGit):
		return nil, nil, fmt.Errorf("git folder: %s is a folder, and git names %s", dotGit, dir)
	case info.Mode().IsRegular():
		g.File = true
		if inside(workTree, common) {
			return nil, nil, fmt.Errorf("git folder: %s leads to %s, which is inside the work tree", dotGit, common)
		}
		if err := leads(dotGit, dir); err != nil {
			return nil, nil, err
		}
	case !info.IsDir():
		return nil, nil, fmt.Errorf("git folder: %s is neither a file nor a folder", dotGit)
	}
	if !g.Main && filepath.Dir(dir) != filepath.Join(common, "worktrees") {
		return nil, nil, fmt.Errorf("git folder: %s is not in worktrees of %s", dir, common)
	}
	if err := g.readEntries(); err != nil {
		return nil, nil, err
	}
	if g.Trees, err = treesInside(workTree, common, dir); err != nil {
		return nil, nil, err
	}
	if g.Submodules, err = submodules(workTree, filepath.Join(dir, "modules")); err != nil {
		return nil, nil, err
	}
	var fs []finding.Finding
	if _, err := os.Lstat(filepath.Join(common, "objects", "info", "alternates")); err == nil {
		// The agent can write that file, so it is no list of what may be mounted.
		fs = append(fs, finding.Finding{
			Level: finding.Warning, Subject: "git " + common,
			Message: "it borrows objects from another repository, which the sandbox does not see",
			Remedy:  "git repack -a -d and remove objects/info/alternates, or add the other one's objects to container.agent.mounts",
		})
	}
	return g, fs, nil
}

// leads checks that the .git file names dir.
func leads(file, dir string) error {
	to, err := gitfile.Read(file)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(to); err != nil || real != dir {
		return fmt.Errorf("git folder: %s leads to %s, not to %s", file, to, dir)
	}
	return nil
}

// readEntries checks that what is mounted on its own is what it should be, and lists the others.
func (g *Git) readEntries() error {
	if _, err := os.Lstat(filepath.Join(g.Common, "reftable")); err == nil {
		g.Reftable = true
	}
	for _, name := range g.shared() {
		if err := real(filepath.Join(g.Common, name), true); err != nil {
			return err
		}
	}
	list := guardedLinked
	if g.Main {
		list = guarded
	}
	for _, e := range list {
		if err := real(filepath.Join(g.Dir, e.name), e.folder); err != nil {
			return err
		}
	}
	if b, err := os.ReadFile(filepath.Join(g.Dir, "commondir")); g.Main && err == nil && strings.TrimRight(string(b), "\r\n") != "." {
		return fmt.Errorf("git folder: %s: it leads git to %q, and this is no linked work tree", filepath.Join(g.Dir, "commondir"), b)
	}
	entries, err := os.ReadDir(g.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	for _, e := range entries {
		if !g.Main {
			if !strings.HasSuffix(e.Name(), ".lock") {
				g.Others = append(g.Others, e.Name())
			}
			continue
		}
		// A link cannot be mounted on itself, and git makes none.
		if !isWritten(e.Name()) && !isGuarded(e.Name()) && (e.IsDir() || e.Type().IsRegular()) {
			g.Others = append(g.Others, e.Name())
		}
	}
	return nil
}

// real checks that p, if it is there, is a folder or a file and no symbolic link.
func real(p string, folder bool) error {
	info, err := os.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("git folder: %w", err)
	case folder && !info.IsDir():
		return fmt.Errorf("git folder: %s is no folder (%s): the sandbox would write where it leads", p, kind(info))
	case !folder && !info.Mode().IsRegular():
		return fmt.Errorf("git folder: %s is no file (%s)", p, kind(info))
	}
	return nil
}

func kind(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "a folder"
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	case info.Mode().IsRegular():
		return "a file"
	default:
		return "a special file"
	}
}

// treesInside are the repository's other work trees inside this one.
func treesInside(workTree, common, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(common, "worktrees"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("git folder: %w", err)
	}
	var all []string
	for _, e := range entries {
		own := filepath.Join(common, "worktrees", e.Name())
		to, err := gitfile.Read(filepath.Join(own, "gitdir"))
		if own == dir || err != nil {
			continue // one that git would prune
		}
		if ok, err := within(workTree, filepath.Dir(to)); err != nil {
			return nil, err
		} else if ok {
			all = append(all, filepath.Dir(to))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// within reports whether the folder p is there and inside workTree. One that a symbolic link on the way leads to is refused.
func within(workTree, p string) (bool, error) {
	p = filepath.Clean(p)
	if p == workTree || !inside(workTree, p) {
		return false, nil
	}
	for _, dir := range append(between(workTree, p), p) {
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return false, fmt.Errorf("%s: a symbolic link on the way to %s, which is git's", dir, p)
		}
		if !info.IsDir() {
			return false, nil
		}
	}
	return true, nil
}

// submodules are the folders in the work tree with a .git of their own: those that a folder in modules says it belongs to,
// and those that .gitmodules names.
func submodules(workTree, modules string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(modules, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "objects", "refs", "logs", "hooks", "info":
				if p != modules {
					return fs.SkipDir
				}
			}
			return nil
		}
		if d.Name() == "config" && d.Type().IsRegular() {
			for _, v := range values(p, "worktree") {
				paths = append(paths, filepath.Join(filepath.Dir(p), filepath.FromSlash(v)))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("git folder: %w", err)
	}
	for _, v := range values(filepath.Join(workTree, ".gitmodules"), "path") {
		paths = append(paths, filepath.Join(workTree, filepath.FromSlash(v)))
	}
	var all []string
	for _, p := range paths {
		if ok, err := within(workTree, p); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		info, err := os.Lstat(filepath.Join(p, ".git"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("submodule: %w", err)
		case !info.IsDir() && !info.Mode().IsRegular():
			return nil, fmt.Errorf("submodule: %s is %s", filepath.Join(p, ".git"), kind(info))
		default:
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// values are those of a key in a file of git's configuration format, as git writes them there. A file that is not there, or
// is a link, has none.
func values(file, key string) []string {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		k, v, ok := strings.Cut(lines.Text(), "=")
		if v = strings.Trim(strings.TrimSpace(v), `"`); ok && v != "" && strings.EqualFold(strings.TrimSpace(k), key) {
			all = append(all, v)
		}
	}
	return all
}

// PrepareGit makes what must be there before it can be guarded, empty, with the owner of the folder it is in: see [Git]. It
// also makes the folder .iloom of the work tree, and refuses one that is a link.
func PrepareGit(workTree string, g *Git) error {
	if err := PrepareFolder(workTree); err != nil {
		return err
	}
	if g == nil {
		return nil
	}
	common, err := os.OpenRoot(g.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer common.Close()
	for _, name := range g.shared() {
		if err := makeEmpty(common, entry{name: name, folder: true}); err != nil {
			return err
		}
	}
	own, list := common, guarded
	if !g.Main {
		list = guardedLinked
		if own, err = os.OpenRoot(g.Dir); err != nil {
			return fmt.Errorf("git folder: %w", err)
		}
		defer own.Close()
	}
	for _, e := range list {
		if err := makeEmpty(own, e); err != nil {
			return err
		}
	}
	return g.readEntries()
}

// PrepareFolder makes the folder .iloom of a work tree, which is read-only in the sandbox. One that is a link is refused.
func PrepareFolder(workTree string) error {
	root, err := os.OpenRoot(workTree)
	if err != nil {
		return fmt.Errorf("work tree: %w", err)
	}
	defer root.Close()
	if err := makeEmpty(root, entry{name: ".iloom", folder: true}); err != nil {
		return err
	}
	info, err := root.Lstat(".iloom")
	if err != nil {
		return fmt.Errorf("work tree: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is %s: the sandbox needs a folder there that it cannot replace", filepath.Join(workTree, ".iloom"), kind(info))
	}
	return nil
}

// UnprepareGit takes away what [PrepareGit] made and git does not know: the commondir of a main checkout.
func UnprepareGit(g *Git) error {
	if g == nil || !g.Main {
		return nil
	}
	root, err := os.OpenRoot(g.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer root.Close()
	if b, err := root.ReadFile("commondir"); err == nil && string(b) == ".\n" {
		return root.Remove("commondir")
	}
	return nil
}

// makeEmpty makes an entry where nothing is. The owner is that of the folder: root may be at work for somebody else.
func makeEmpty(root *os.Root, e entry) error {
	if _, err := root.Lstat(e.name); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	var err error
	if e.folder {
		err = root.Mkdir(e.name, 0o755)
	} else {
		var f *os.File
		// A file comes to be with its content: an empty commondir makes git fail.
		temp := fmt.Sprintf("%s.%d.lock", e.name, os.Getpid())
		if f, err = root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err == nil {
			_, err = f.WriteString(e.content)
			err = errors.Join(err, f.Close())
			if err == nil {
				err = root.Link(temp, e.name)
			}
			err = errors.Join(err, root.Remove(temp))
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // another docker loom was faster
	}
	if err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	return ownAs(root, e.name)
}
