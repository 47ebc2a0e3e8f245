package worktree

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Ignored is what a work tree has that git ignores.
type Ignored struct {
	// Files are those that may be the user's work; Caches those in folders that a tool makes again, as node_modules.
	Files, Caches Tally
	// Repositories are folders with a git repository of their own, below the work tree.
	Repositories []string
}

// Risks lists what would be lost with the repositories in ignored folders.
func (i *Ignored) Risks() []string {
	if len(i.Repositories) == 0 {
		return nil
	}
	what := "repository"
	if len(i.Repositories) > 1 {
		what = "repositories"
	}
	return []string{fmt.Sprintf("%d %s in ignored folders, whose commits and changes were not looked at: %s",
		len(i.Repositories), what, list(i.Repositories))}
}

// Tally counts files.
type Tally struct {
	Count int
	Size  int64 // bytes
	// Partial reports that there are more: folders that cannot be read, or more files than are counted.
	Partial bool

	sizes map[string]int64 // by the name that git status gives them
}

// String names the largest files and folders, as in: 3 ignored files (2kB): tmp/, .env.local.
func (t Tally) String() string {
	names := slices.SortedFunc(maps.Keys(t.sizes), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.sizes[b], t.sizes[a]), cmp.Compare(a, b))
	})
	files := count(t.Count, "ignored file")
	if t.Partial {
		files = "at least " + files
	}
	return fmt.Sprintf("%s (%s): %s", files, units.HumanSize(float64(t.Size)), list(names))
}

// None reports whether nothing was counted and nothing was left out.
func (t Tally) None() bool { return t.Count == 0 && !t.Partial }

func (t *Tally) add(name string, size int64, files int) {
	if t.sizes == nil {
		t.sizes = map[string]int64{}
	}
	t.sizes[name] += size
	t.Count += files
	t.Size += size
}

// maxCounted bounds how many ignored files are counted.
const maxCounted = 200_000

// FindIgnored looks at the files that git ignores. It runs git for their names alone: a repository in an ignored folder
// may have any configuration, which can run programs.
func FindIgnored(ctx context.Context, r *Repository, keep Keep) (*Ignored, error) {
	out, err := git.Run(ctx, r.WorkTree, "status", "--porcelain", "-z",
		"--untracked-files=all", "--ignored=matching", "--ignore-submodules=all")
	if err != nil {
		return nil, err
	}
	scan := &ignoredScan{ctx: ctx, top: r.WorkTree, keep: keep, left: maxCounted, found: &Ignored{}}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if name, ok := strings.CutPrefix(entry, "!! "); ok {
			scan.entry(name)
		}
	}
	slices.Sort(scan.found.Repositories)
	return scan.found, ctx.Err()
}

// ignoredScan walks through ignored files and folders.
type ignoredScan struct {
	ctx   context.Context
	top   string
	keep  Keep
	left  int // files that are still counted
	found *Ignored
}

// entry looks at one name of git status; a folder's ends with a slash.
func (s *ignoredScan) entry(name string) {
	s.walk(name, filepath.Join(s.top, filepath.FromSlash(name)), false)
}

// walk counts a file, or those in a folder. name is the entry that they are counted for.
func (s *ignoredScan) walk(name, path string, isCache bool) {
	tally := &s.found.Files
	if isCache {
		tally = &s.found.Caches
	}
	info, err := os.Lstat(path)
	if err != nil {
		return
	}
	rel, err := filepath.Rel(s.top, path)
	if err != nil {
		return
	}
	if !info.IsDir() {
		if isCache || s.keep.Copied == nil || !s.keep.Copied(rel) {
			s.left--
			tally.add(name, info.Size(), 1)
		}
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil || s.left <= 0 || s.ctx.Err() != nil {
		tally.add(name, 0, 0)
		tally.Partial = true
		return
	}
	if isRepository(entries) {
		s.found.Repositories = append(s.found.Repositories, rel)
		return
	}
	isCache = isCache || isCacheFolder(path, entries)
	for _, e := range entries {
		s.walk(name, filepath.Join(path, e.Name()), isCache)
	}
}

func hasEntry(entries []fs.DirEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
}

// isRepository reports whether a folder is the top of a work tree, or a git folder itself.
func isRepository(entries []fs.DirEntry) bool {
	return hasEntry(entries, ".git") ||
		hasEntry(entries, "HEAD") && hasEntry(entries, "objects") && hasEntry(entries, "refs")
}

// isCacheFolder reports whether a tool makes the folder again from files that git tracks.
func isCacheFolder(path string, entries []fs.DirEntry) bool {
	switch filepath.Base(path) {
	case "node_modules":
		_, err := os.Lstat(filepath.Join(filepath.Dir(path), "package.json"))
		return err == nil
	case "__pycache__":
		return true
	}
	if hasEntry(entries, "pyvenv.cfg") {
		return true // Python's virtual environment
	}
	tag, err := gitfile.Content(filepath.Join(path, "CACHEDIR.TAG"))
	return err == nil && bytes.HasPrefix(tag, []byte(cacheTag))
}

// cacheTag begins the file CACHEDIR.TAG of a cache folder, as bford.info/cachedir specifies it.
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55"
