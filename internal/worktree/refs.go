package worktree

import (
	"context"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// refs are the commits of branches here and of remotes, by full name.
type refs map[string]string

func (r *Repository) refs(ctx context.Context) (refs, error) {
	out, err := git.Run(ctx, r.dir(), "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/remotes")
	if err != nil {
		return nil, err
	}
	all := refs{}
	for line := range strings.Lines(string(out)) {
		if name, id, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name] = id
		}
	}
	return all, nil
}

func (r refs) has(branch string) bool { return r["refs/heads/"+branch] != "" }

func (r refs) belonging(belongs func(string) bool) []string {
	var of []string
	for name := range r {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok && belongs != nil && belongs(branch) {
			of = append(of, branch)
		}
	}
	return of
}

// mains are the full names of the main branch here and at remotes, other than the branch itself.
func (r refs) mains(mainBranch, branch string) []string {
	var names []string
	for name := range r {
		if name == "refs/heads/"+mainBranch && branch != mainBranch ||
			strings.HasPrefix(name, "refs/remotes/") && strings.HasSuffix(name, "/"+mainBranch) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
