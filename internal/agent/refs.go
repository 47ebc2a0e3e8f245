package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// movedRefs lists the refs that changed, but for the work tree's own branches. An agent can move any.
func movedRefs(before, after map[string]string, own ...string) []string {
	all := map[string]bool{}
	for name := range before {
		all[name] = true
	}
	for name := range after {
		all[name] = true
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, is := before[name], after[name]
		if was == is || slices.Contains(own, name) {
			continue
		}
		switch {
		case was == "":
			lines = append(lines, fmt.Sprintf("%s is new, at %.8s", name, is))
		case is == "":
			lines = append(lines, fmt.Sprintf("%s is gone, it was at %.8s", name, was))
		default:
			lines = append(lines, fmt.Sprintf("%s moved from %.8s to %.8s", name, was, is))
		}
	}
	return lines
}

// watchRefs remembers the repository's refs, unless they are known. The function that it returns tells which moved
// since.
func (s *readySandbox) watchRefs(ctx context.Context, git *worktree.Pointers) (tellMoved func(context.Context)) {
	before := s.refs
	if git == nil {
		return func(context.Context) {}
	}
	if before == nil {
		var err error
		if before, err = git.Refs(ctx); err != nil {
			s.debugf("refs: %v", err)
			return func(context.Context) {}
		}
	}
	head := git.Head()
	return func(ctx context.Context) {
		// First: git must not run if the files that lead it were changed.
		if err := git.Verify(); err != nil {
			s.warnf("warning: git's files of the work tree are not as they were: %v", err)
			return
		}
		after, err := git.Refs(ctx)
		if err != nil {
			s.warnf("warning: refs cannot be compared: %v", tell.FirstLine(err))
			return
		}
		lines := movedRefs(before, after, head, git.Head())
		if len(lines) > 0 {
			s.warnf("refs outside of this loom's branch changed meanwhile:\n  %s", strings.Join(lines, "\n  "))
		}
	}
}
