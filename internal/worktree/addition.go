package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Wish is what the user wants of a work tree.
type Wish struct {
	// ID is the loom's id.
	ID string
	// Branch is to be checked out there. "" leaves it to PlanAdd: the one local branch that Belongs, otherwise Default.
	Branch  string
	Default string
	// Belongs reports whether a branch has the ID in its name.
	Belongs func(branch string) bool
	// From is where a new branch begins; "" means MainBranch, otherwise what the main work tree has checked out.
	From       string
	MainBranch string
	// PullRequest is the number of a pull request whose head a new branch gets, 0 for none.
	PullRequest int
	// Fetched is that head if it was fetched already. NoNetwork asks the remote for nothing: then it must have been.
	Fetched   *Head
	NoNetwork bool
	// Path is the tree's folder. If it is "", Folder makes one from Prefix and the branch.
	Path   string
	Prefix *string
}

// Addition is a work tree that Add makes, or a work tree that is there and has the wanted branch.
type Addition struct {
	ID   string
	Path string
	// There says that the work tree exists already.
	There bool
	// Branch is checked out in the work tree. New says that the branch has to be made: at the commit Start, which the
	// user named as From, or from the pull request.
	Branch      string
	New         bool
	Start, From string
	// Upstream is the remote branch that it will track, as in origin/feat/x; "" for none.
	Upstream string

	fetch  []string // remote and refspec of the pull request
	stale  []string // work trees whose folders are gone, and that still take the path or the branch
	within string   // the work tree that Path is inside of, "" for none
}

// Head is the head of a pull request as it was fetched.
type Head struct {
	// Commit is the head, From says in words where it is from.
	Commit, From string
}

// NotFetchedError says that the head of a pull request was not fetched before its work tree is made.
type NotFetchedError struct{ Number int }

// Error names the pull request.
func (e *NotFetchedError) Error() string {
	return fmt.Sprintf("pull request %d: its work tree or branch went away meanwhile", e.Number)
}

// NextStep says what the user does next.
func (*NotFetchedError) NextStep() string { return "run the command again" }

// BranchTakenError says that another work tree has the branch checked out.
type BranchTakenError struct{ Branch, Path string }

// Error names the branch and the work tree.
func (e *BranchTakenError) Error() string {
	return fmt.Sprintf("branch %s is checked out in %s", e.Branch, e.Path)
}

// NextStep says what the user does next.
func (*BranchTakenError) NextStep() string {
	return "choose another branch with --branch NAME"
}

// FolderTakenError says that the folder of a new work tree has something in it.
type FolderTakenError struct{ Path string }

// Error names the folder.
func (e *FolderTakenError) Error() string {
	return e.Path + " is there already, and is not a work tree for it"
}

// NextStep says what the user does next.
func (*FolderTakenError) NextStep() string {
	return "choose another folder with --path DIR"
}

// BranchThereError says that the branch exists and is not at From, where the user wants it to begin.
type BranchThereError struct{ Branch, From string }

// Error names the branch and where it should have begun.
func (e *BranchThereError) Error() string {
	return fmt.Sprintf("branch %s is there already, and is not at %s", e.Branch, e.From)
}

// NextStep says what the user does next.
func (*BranchThereError) NextStep() string {
	return "leave --from out to use it as it is, or choose another branch with --branch NAME"
}

// Folder returns the path of a new work tree of the branch: shop-looms/feat-x beside the repository shop.
//
// prefix replaces "shop-looms/" by iloom's rules. It is relative to the folder that the repository is in, unless it is
// absolute. If it does not end in a separator, "-" follows it; an empty prefix adds nothing. A bare repository's name
// is taken without .git; if it is called .bare or .git, the name is that of its folder. The work trees of a submodule
// are beside the outermost repository: shop-lib-looms/feat-x for the submodule lib of shop.
func (r *Repository) Folder(prefix *string, branch string) string {
	at := r.Main
	if base := filepath.Base(at); r.Bare && strings.HasPrefix(base, ".") {
		at = filepath.Dir(at)
	} else if r.Bare {
		at = strings.TrimSuffix(at, ".git")
	}
	own := filepath.Base(at)
	if outer := outermost(r.Main); outer != "" {
		own = filepath.Base(outer) + "-" + own
		at = outer
	}
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`/\<>:"|?*`, c) {
			return '-'
		}
		return c
	}, branch)
	p := own + "-looms/"
	if prefix != nil {
		p = *prefix
	}
	if p != "" && !strings.HasSuffix(p, "/") && !strings.HasSuffix(p, "-") && !strings.HasSuffix(p, "_") {
		p += "-"
	}
	p = filepath.FromSlash(p)
	if filepath.IsAbs(p) {
		return filepath.Clean(p + name)
	}
	return filepath.Clean(filepath.Dir(at) + string(filepath.Separator) + p + name)
}

// outermost is the top of the outermost repository that a main work tree is a submodule of, "" if it is none.
func outermost(main string) string {
	outer := ""
	for at, ok := main, isSubmodule(main); ok; ok = isSubmodule(at) {
		dotGit, found := dotGit(filepath.Dir(at))
		if !found {
			break
		}
		at = filepath.Dir(dotGit)
		outer = at
	}
	return outer
}

// isSubmodule reports whether .git of a work tree leads to where git keeps the repositories of submodules.
func isSubmodule(workTree string) bool {
	to, err := gitfile.Read(filepath.Join(workTree, ".git"))
	to = filepath.ToSlash(to)
	return err == nil && strings.Contains(to, ".git/") && strings.Contains(to, "/modules/")
}

// PlanAdd decides the branch and the folder, and changes nothing. If a linked work tree has the branch already, the
// result is that tree. Errors: *BranchTakenError, *FolderTakenError, *BranchThereError, or git's.
func (r *Repository) PlanAdd(ctx context.Context, w Wish) (*Addition, error) {
	refs, err := r.refs(ctx)
	if err != nil {
		return nil, err
	}
	a := &Addition{ID: w.ID, Branch: w.Branch}
	if a.Branch == "" {
		a.Branch = w.Default
		if of := refs.belonging(w.Belongs); len(of) == 1 && !refs.has(w.Default) {
			a.Branch = of[0]
		}
	}
	if _, err := git.Run(ctx, r.dir(), "check-ref-format", "--branch", a.Branch); err != nil {
		return nil, fmt.Errorf("%q is not a valid branch name", a.Branch)
	}
	if err := r.start(ctx, w, refs, a); err != nil {
		return nil, err
	}
	if a.Path = w.Path; a.Path == "" {
		name := a.Branch
		if w.PullRequest > 0 {
			// A work tree whose folder is not named after its branch (pr/45) is recognised by its suffix.
			if name == w.Default {
				name = strings.TrimSuffix(filepath.Base(r.Main), ".git")
			}
			name += fmt.Sprintf("_pr_%d", w.PullRequest)
		}
		a.Path = r.Folder(w.Prefix, name)
	}
	a.Path = resolve(a.Path)
	return a, r.place(ctx, a)
}

// place finds what is at the path, and where the branch is.
func (r *Repository) place(ctx context.Context, a *Addition) error {
	trees, err := r.Trees(ctx)
	if err != nil {
		return err
	}
	for _, t := range trees {
		if !t.Bare && isBelow(t.Path, a.Path) && len(t.Path) > len(a.within) {
			a.within = t.Path
		}
		if t.Path != a.Path && t.Branch != a.Branch || t.Bare {
			continue
		}
		switch {
		case t.Main && t.Path == a.Path:
			return &FolderTakenError{a.Path}
		case t.Main:
			return &BranchTakenError{a.Branch, t.Path}
		case gone(t.Path) && t.isLockedByOthers():
			return fmt.Errorf("the work tree %s is away and locked (%s): git worktree unlock %[1]s ends that", t.Path, t.Reason)
		case gone(t.Path):
			a.stale = append(a.stale, t.Path)
		case t.Branch == a.Branch:
			a.Path, a.There, a.New = t.Path, true, false
			return nil
		default:
			return &FolderTakenError{a.Path}
		}
	}
	entries, err := os.ReadDir(a.Path)
	if err == nil && len(entries) == 0 || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &FolderTakenError{a.Path}
}

// isBelow reports whether a path is in a folder, and is not the folder.
func isBelow(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// start decides whether the branch is new, and where it begins.
func (r *Repository) start(ctx context.Context, w Wish, refs refs, a *Addition) error {
	remote, err := r.remote(ctx, w.MainBranch)
	if err != nil {
		return err
	}
	theirs := ""
	if remote != "" && refs["refs/remotes/"+remote+"/"+a.Branch] != "" {
		theirs = remote + "/" + a.Branch
	}
	at, here := refs["refs/heads/"+a.Branch]
	if a.New = !here; here && w.From != "" {
		// The branch may be from the same command, which was interrupted: then it is at the commit that From names.
		want, err := r.commit(ctx, w.From, remote)
		if err != nil {
			return err
		}
		if want != at {
			return &BranchThereError{a.Branch, w.From}
		}
	}
	switch {
	case here:
		if theirs != "" && refs["refs/remotes/"+theirs] == at && w.From == "" && w.PullRequest == 0 {
			a.Upstream = theirs
		}
	case w.PullRequest > 0 && w.From == "":
		return r.pullRequest(ctx, w, remote, a)
	case theirs != "" && w.From == "":
		a.From, a.Upstream, a.Start = theirs, theirs, refs["refs/remotes/"+theirs]
	default:
		return r.begin(ctx, w, refs, remote, a)
	}
	return nil
}

// begin finds the commit at which a branch begins that exists neither here nor at the remote.
func (r *Repository) begin(ctx context.Context, w Wish, refs refs, remote string, a *Addition) error {
	var err error
	switch main := w.MainBranch; {
	case w.From != "":
		a.From = w.From
	case refs["refs/heads/"+main] != "":
		a.From, a.Start = main, refs["refs/heads/"+main]
		return nil
	case remote != "" && refs["refs/remotes/"+remote+"/"+main] != "":
		a.From = remote + "/" + main
	default:
		a.From = "HEAD"
		if a.Start, err = commitIn(ctx, r.Main, "HEAD"); err != nil {
			return fmt.Errorf("%s has no commit that a branch could begin at", r.Main)
		}
		return nil
	}
	a.Start, err = r.commit(ctx, a.From, remote)
	return err
}

// commit returns the commit that the user's name means. The name may also be a branch that only the remote has.
func (r *Repository) commit(ctx context.Context, name, remote string) (string, error) {
	id, err := commitIn(ctx, r.dir(), name)
	if err != nil && remote != "" {
		if id, err := commitIn(ctx, r.dir(), "refs/remotes/"+remote+"/"+name); err == nil {
			return id, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is not a commit, branch or tag of %s", name, r.Main)
	}
	return id, nil
}

func commitIn(ctx context.Context, dir, name string) (string, error) {
	out, err := git.Run(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	return strings.TrimSpace(string(out)), err
}

// pullRequest finds the head of a pull request: as it was fetched, otherwise where the remote keeps it.
func (r *Repository) pullRequest(ctx context.Context, w Wish, remote string, a *Addition) error {
	number := w.PullRequest
	switch {
	case w.Fetched != nil:
		a.Start, a.From = w.Fetched.Commit, w.Fetched.From
		return nil
	case w.NoNetwork:
		return &NotFetchedError{number}
	}
	if remote == "" {
		return fmt.Errorf("pull request %d: the repository has no remote to fetch it from", number)
	}
	refs := []string{fmt.Sprintf("refs/pull/%d/head", number), fmt.Sprintf("refs/merge-requests/%d/head", number)}
	out, err := git.Run(ctx, r.dir(), "ls-remote", remote, refs[0], refs[1])
	if err != nil {
		return fmt.Errorf("pull request %d: %w", number, err)
	}
	for line := range strings.Lines(string(out)) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if slices.Contains(refs, ref) {
			a.Start, a.From = id, ref+" of "+remote
			// The head is kept as a remote-tracking ref too, so that its commits count as pushed when the branch is removed.
			a.fetch = []string{remote, fmt.Sprintf("+%s:refs/remotes/%s/pr/%d", ref, remote, number)}
			return nil
		}
	}
	return fmt.Errorf("remote %s has no pull request %d (no %s)", remote, number, refs[0])
}

// remote returns the remote to look for a branch that is not local: the main branch's, or origin, or the only one.
func (r *Repository) remote(ctx context.Context, mainBranch string) (string, error) {
	out, err := git.Run(ctx, r.dir(), "remote")
	if err != nil {
		return "", err
	}
	all := strings.Fields(string(out))
	if len(all) == 0 {
		return "", nil
	}
	// Its error says that there is no such key.
	if out, err := git.Run(ctx, r.dir(), "config", "--get", "branch."+mainBranch+".remote"); err == nil {
		if name := strings.TrimSpace(string(out)); slices.Contains(all, name) {
			return name, nil
		}
	}
	if slices.Contains(all, "origin") {
		return "origin", nil
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return "", nil
}
