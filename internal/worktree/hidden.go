package worktree

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// indexEntry is a file of git's index.
type indexEntry struct {
	mode, object, path string
	// unwatched reports that git status does not look at the file: it is assumed to be unchanged, or skipped.
	unwatched bool
}

// readIndex returns the entries of a work tree's index.
func readIndex(ctx context.Context, workTree string) ([]indexEntry, error) {
	out, err := git.Run(ctx, workTree, "ls-files", "-z", "-v", "--stage")
	if err != nil {
		return nil, err
	}
	var all []indexEntry
	for line := range strings.SplitSeq(string(out), "\x00") {
		// TAG MODE OBJECT STAGE, a tab, the path. The tag is S for a file to be skipped; in lower case it says that
		// the file is assumed to be unchanged.
		head, path, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 {
			continue
		}
		tag := fields[0]
		all = append(all, indexEntry{
			mode: fields[1], object: fields[2], path: path, unwatched: tag == "S" || tag != strings.ToUpper(tag),
		})
	}
	return all, nil
}

// The modes of the index.
const (
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// changedUnwatched lists the changed files that git status does not look at. A missing file is not listed: in a sparse
// checkout most are.
func changedUnwatched(ctx context.Context, workTree string, index []indexEntry) ([]string, error) {
	var changed []string
	var same []indexEntry // so far: of the same kind as in the index
	for _, e := range index {
		if !e.unwatched || e.mode == modeSubmodule {
			continue
		}
		info, err := os.Lstat(filepath.Join(workTree, filepath.FromSlash(e.path)))
		switch {
		case err != nil:
		case info.Mode()&fs.ModeSymlink != 0 != (e.mode == modeLink), e.mode != modeLink && !info.Mode().IsRegular():
			changed = append(changed, e.path)
		case e.mode == modeLink:
			differs, err := differsFromLink(ctx, workTree, e)
			if err != nil {
				return nil, err
			}
			if differs {
				changed = append(changed, e.path)
			}
		default:
			same = append(same, e)
		}
	}
	// A command line has a bounded length.
	for some := range slices.Chunk(same, 100) {
		more, err := differing(ctx, workTree, some)
		if err != nil {
			return nil, err
		}
		changed = append(changed, more...)
	}
	slices.Sort(changed)
	return changed, nil
}

func differsFromLink(ctx context.Context, workTree string, e indexEntry) (bool, error) {
	to, err := os.Readlink(filepath.Join(workTree, filepath.FromSlash(e.path)))
	if err != nil {
		return true, nil //nolint:nilerr // it was a link a moment ago
	}
	out, err := git.Run(ctx, workTree, "cat-file", "blob", e.object)
	return string(out) != filepath.ToSlash(to), err
}

// differing lists the regular files whose content git would store as another object.
func differing(ctx context.Context, workTree string, entries []indexEntry) ([]string, error) {
	args := []string{"hash-object", "--"}
	for _, e := range entries {
		args = append(args, e.path)
	}
	out, err := git.Run(ctx, workTree, args...)
	if err != nil {
		return nil, err
	}
	objects := strings.Fields(string(out))
	var changed []string
	for i, e := range entries {
		if i >= len(objects) || objects[i] != e.object {
			changed = append(changed, e.path)
		}
	}
	return changed, nil
}
