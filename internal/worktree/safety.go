package worktree

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Keep says what counts as a loss when a work tree is removed.
type Keep struct {
	// MainBranch is the branch that work is merged into.
	MainBranch string
	// Protected are branches that must not be removed, such as develop.
	Protected []string
	// Copied reports whether an untracked file is only a copy, so that its loss does not matter. rel is its path below
	// the work tree.
	Copied func(rel string) bool
}

// Risks lists what removing the work tree and its branch would lose: uncommitted changes, untracked files, commits that
// exist nowhere else, an unfinished rebase. r must be the work tree itself. An empty list means that nothing would be
// lost. Risks changes nothing and runs no program that the work tree could have configured.
func (r *Repository) Risks(ctx context.Context, keep Keep) ([]string, error) {
	if err := Verify(r); err != nil {
		return nil, err
	}
	if !r.Linked() {
		return []string{r.WorkTree + " is the main work tree"}, nil
	}
	var risks []string
	if slices.Contains(keep.Protected, r.Branch) {
		risks = append(risks, "branch "+r.Branch+" is protected")
	}
	trees, err := r.Trees(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range trees {
		switch rel, err := filepath.Rel(r.WorkTree, t.Path); {
		case t.Path == r.WorkTree && t.isLockedByOthers() && !t.Unfinished:
			risks = append(risks, strings.TrimSuffix("it is locked by git worktree lock: "+t.Reason, ": "))
		case t.Path != r.WorkTree && err == nil && filepath.IsLocal(rel):
			risks = append(risks, "the work tree "+t.Path+" is inside it")
		}
	}
	risks = append(risks, r.underway()...)
	more, err := r.uncommitted(ctx, keep)
	if err != nil {
		return nil, err
	}
	risks = append(risks, more...)
	if more, err = r.unpushed(ctx, keep); err != nil {
		return nil, err
	}
	risks = append(risks, more...)
	more, err = r.inIndex(ctx)
	return append(risks, more...), err
}

// inIndex lists what would be lost of changed files that git status does not look at, and in submodules.
func (r *Repository) inIndex(ctx context.Context) ([]string, error) {
	index, err := readIndex(ctx, r.WorkTree)
	if err != nil {
		return nil, err
	}
	changed, err := changedUnwatched(ctx, r.WorkTree, index)
	if err != nil {
		return nil, err
	}
	var risks []string
	if len(changed) > 0 {
		const hidden = "with changes that git status does not show (skip-worktree or assume-unchanged)"
		risks = append(risks, fmt.Sprintf("%s %s: %s", count(len(changed), "file"), hidden, list(changed)))
	}
	more, err := r.inSubmodules(ctx, index)
	return append(risks, more...), err
}

// underway lists the operations that git has not finished, such as a rebase.
func (r *Repository) underway() []string {
	var risks []string
	for name, what := range map[string]string{
		"rebase-merge": "a rebase", "rebase-apply": "a rebase", "MERGE_HEAD": "a merge",
		"CHERRY_PICK_HEAD": "a cherry-pick", "REVERT_HEAD": "a revert", "BISECT_LOG": "a bisection",
	} {
		if _, err := os.Lstat(filepath.Join(r.GitDir, name)); err == nil {
			risks = append(risks, what+" is not finished")
		}
	}
	slices.Sort(risks)
	return slices.Compact(risks)
}

// shown is the largest number of files that a risk names.
const shown = 3

// uncommitted lists the changed and untracked files of git status. For submodules it compares the commits only: to see
// more, git would run inside them and obey their configuration.
func (r *Repository) uncommitted(ctx context.Context, keep Keep) ([]string, error) {
	out, err := git.Run(ctx, r.WorkTree, "status", "--porcelain", "-z",
		"--untracked-files=all", "--ignore-submodules=dirty", "--no-renames")
	if err != nil {
		return nil, err
	}
	var changed, untracked []string
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if len(entry) < 4 {
			continue
		}
		switch rel := entry[3:]; {
		case !strings.HasPrefix(entry, "??"):
			changed = append(changed, rel)
		case keep.Copied == nil || !keep.Copied(filepath.FromSlash(rel)):
			untracked = append(untracked, rel)
		}
	}
	var risks []string
	if len(changed) > 0 {
		risks = append(risks, fmt.Sprintf("%s with uncommitted changes: %s", count(len(changed), "file"), list(changed)))
	}
	if len(untracked) > 0 {
		risks = append(risks, fmt.Sprintf("%s that git does not track: %s", count(len(untracked), "file"), list(untracked)))
	}
	return risks, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func list(names []string) string {
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// unpushed lists commits that only this work tree's HEAD or branch has.
func (r *Repository) unpushed(ctx context.Context, keep Keep) ([]string, error) {
	if r.Branch == "" {
		n, err := countCommits(ctx, r.WorkTree, "HEAD", "--not", "--branches", "--remotes", "--tags")
		if err != nil || n == 0 {
			return nil, err
		}
		return []string{count(n, "commit") + " that no branch has"}, nil
	}
	return r.Unmerged(ctx, r.Branch, keep.MainBranch)
}

// Unmerged lists the commits of a branch that neither a remote nor the main branch has. After a squash merge the main
// branch has their changes, not the commits; they are not listed then.
func (r *Repository) Unmerged(ctx context.Context, branch, mainBranch string) ([]string, error) {
	refs, err := r.refs(ctx)
	if err != nil {
		return nil, err
	}
	if !refs.has(branch) {
		return nil, nil // before its first commit
	}
	args := []string{"refs/heads/" + branch, "--not", "--remotes"}
	args = append(args, refs.mains(mainBranch, branch)...)
	n, err := countCommits(ctx, r.dir(), args...)
	if err != nil || n == 0 {
		return nil, err
	}
	if in, err := r.contained(ctx, refs, branch, mainBranch); err != nil || in {
		return nil, err
	}
	for name := range refs {
		if strings.HasPrefix(name, "refs/remotes/") && strings.HasSuffix(name, "/"+branch) {
			remote := strings.TrimPrefix(name, "refs/remotes/")
			return []string{fmt.Sprintf("branch %s has %s that %s has not", branch, count(n, "commit"), remote)}, nil
		}
	}
	return []string{fmt.Sprintf("branch %s has %s that no remote has and that %s not in %s",
		branch, count(n, "commit"), isAre(n), mainBranch)}, nil
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// contained reports whether merging the branch into a main branch would change nothing there.
func (r *Repository) contained(ctx context.Context, refs refs, branch, mainBranch string) (bool, error) {
	for _, main := range refs.mains(mainBranch, branch) {
		// Its exit code is 1 for conflicts; then it is not contained.
		out, err := git.Run(ctx, r.dir(), "merge-tree", "--write-tree", main, "refs/heads/"+branch)
		if err != nil {
			if ctx.Err() != nil {
				return false, err
			}
			continue
		}
		tree, err := git.Run(ctx, r.dir(), "rev-parse", main+"^{tree}")
		if err != nil {
			return false, err
		}
		if bytes.Equal(bytes.TrimSpace(out), bytes.TrimSpace(tree)) {
			return true, nil
		}
	}
	return false, nil
}

// Merged reports whether the branch had commits of its own and the main branch has all of them. A new branch without
// commits is not merged.
func (r *Repository) Merged(ctx context.Context, branch, mainBranch string) (bool, error) {
	refs, err := r.refs(ctx)
	if err != nil || !refs.has(branch) || branch == mainBranch {
		return false, err
	}
	mains := refs.mains(mainBranch, branch)
	for _, main := range mains {
		n, err := countCommits(ctx, r.dir(), "refs/heads/"+branch, "--not", main)
		if err != nil {
			return false, err
		}
		if n == 0 {
			return r.worked(ctx, branch)
		}
	}
	return r.contained(ctx, refs, branch, mainBranch)
}

// worked reports whether a branch whose commits are all in the main branch ever had one of its own. Its reflog has a
// commit then, or its upstream branch was removed.
func (r *Repository) worked(ctx context.Context, branch string) (bool, error) {
	out, err := git.Run(ctx, r.dir(), "for-each-ref", "--format=%(upstream:track)", "refs/heads/"+branch)
	if err != nil {
		return false, err
	}
	if strings.TrimSpace(string(out)) == "[gone]" {
		return true, nil
	}
	out, err = git.Run(ctx, r.dir(), "reflog", "show", "--format=%gs", "refs/heads/"+branch)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "commit") {
			return true, nil
		}
	}
	return false, nil
}

func countCommits(ctx context.Context, dir string, args ...string) (int, error) {
	out, err := git.Run(ctx, dir, append([]string{"rev-list", "--count"}, args...)...)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// SubmoduleStart begins the names of the refs in a submodule of a new work tree that say which commits it began with:
// another work tree has them.
const SubmoduleStart = "refs/docker-loom"

// inSubmodules lists what would be lost in the submodules. They are repositories of their own, inside the work tree.
func (r *Repository) inSubmodules(ctx context.Context, index []indexEntry) ([]string, error) {
	var risks []string
	for _, e := range index {
		if e.mode != modeSubmodule {
			continue
		}
		dir := filepath.Join(r.WorkTree, filepath.FromSlash(e.path))
		more, err := r.inSubmodule(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, risk := range more {
			risks = append(risks, "submodule "+e.path+": "+risk)
		}
	}
	return risks, nil
}

func (r *Repository) inSubmodule(ctx context.Context, dir string) ([]string, error) {
	if gone(filepath.Join(dir, ".git")) {
		// git leaves an empty folder for a submodule that is not checked out.
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			return []string{"it has files and no repository"}, nil
		}
		return nil, nil
	}
	// git keeps a submodule's git folder below the work tree's own. A .git that leads elsewhere may have any
	// configuration, which can run programs.
	at, err := gitfile.Read(filepath.Join(dir, ".git"))
	if err != nil {
		return []string{"it is not a submodule that git made, and was not looked at"}, nil //nolint:nilerr // told as a risk
	}
	rel, err := filepath.Rel(filepath.Join(r.GitDir, "modules"), resolve(at))
	if err != nil || !filepath.IsLocal(rel) {
		return []string{".git leads to " + at + ", and it was not looked at"}, nil //nolint:nilerr // told as a risk
	}
	sub, err := Find(ctx, dir)
	if err != nil || sub == nil {
		return []string{"it cannot be read"}, nil //nolint:nilerr // told as a risk
	}
	risks, err := sub.uncommitted(ctx, Keep{})
	if err != nil {
		return nil, err
	}
	ignored, err := FindIgnored(ctx, sub, Keep{})
	if err != nil {
		return nil, err
	}
	risks = append(risks, ignored.Risks()...)
	if !ignored.Files.None() {
		risks = append(risks, ignored.Files.String())
	}
	// Its stash goes with it, too.
	n, err := countCommits(ctx, dir, "HEAD", "--branches", "--glob=refs/stash",
		"--not", "--remotes", "--tags", "--glob="+SubmoduleStart)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		risks = append(risks, count(n, "commit")+" that no remote has")
	}
	more, err := sub.inIndex(ctx)
	return append(risks, more...), err
}
