package worktree

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// FoldersWith lists the folders of a work tree that have a file of one of the names, below its top with slashes, "."
// for the top itself. Files that git ignores do not count, nor do those of submodules. The list is sorted. It runs one
// git process.
func FoldersWith(ctx context.Context, workTree string, names []string) ([]string, error) {
	args := []string{"--glob-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}
	for _, name := range names {
		args = append(args, "**/"+name)
	}
	out, err := git.Run(ctx, workTree, args...)
	if err != nil {
		return nil, err
	}
	var folders []string
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if file != "" {
			folders = append(folders, filepath.ToSlash(filepath.Dir(filepath.FromSlash(file))))
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders), nil
}
