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
)

// Wish is what a new work tree shall be.
type Wish struct {
	// ID is whom it is for.
	ID string
	// Branch is to be checked out there. "" leaves it to PlanAdd: the one local branch that Belongs, else Default.
	Branch  string
	Default string
	// Belongs tells whether a branch is the ID's by its name.
	Belongs func(branch string) bool
	// From is where a new branch begins; "" means MainBranch, else what the main work tree has checked out.
	From       string
	MainBranch string
	// PullRequest is the number of a pull request whose head a new branch gets, 0 for none.
	PullRequest int
	// Path is its folder; "" leaves it to Prefix, as Folder says.
	Path   string
	Prefix *string
}

// Addition is a work tree that Add makes, or one that is there and has the wanted branch.
type Addition struct {
	ID   string
	Path string
	// There says that nothing needs to be made.
	There bool
	// Branch is what is checked out there. New says that it has to be made, at the commit Start, which From names, or
	// from the pull request.
	Branch      string
	New         bool
	Start, From string
	// Upstream is the remote branch that it shall track, as in origin/feat/x; "" for none.
	Upstream string

	fetch  []string // remote and refspec of the pull request
	stale  []string // paths of work trees that are gone, and keep the path or the branch
	within string   // the work tree that Path is inside of, "" for none
}

// BranchTakenError says that a branch is checked out where it cannot be used.
type BranchTakenError struct{ Branch, Path string }

// Error names both.
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
	return e.Path + " is there already, and is no work tree for it"
}

// NextStep says what the user does next.
func (*FolderTakenError) NextStep() string {
	return "choose another folder with --path DIR"
}

// BranchThereError says that a branch which was to begin at From is there, and is elsewhere.
type BranchThereError struct{ Branch, From string }

// Error names the branch and where it should have begun.
func (e *BranchThereError) Error() string {
	return fmt.Sprintf("branch %s is there already, and is not at %s", e.Branch, e.From)
}

// NextStep says what the user does next.
func (*BranchThereError) NextStep() string {
	return "leave --from out to use it as it is, or choose another branch with --branch NAME"
}

// Folder is where a new work tree of the branch goes: shop-looms/feat-x beside the repository shop. A prefix takes the
// place of "shop-looms/" as iloom has it: it counts from the folder that the repository is in; where it does not end
// in a separator, "-" is put between; "" is none. An absolute prefix stands for itself. Of a bare repository the
// suffix .git is left out, and .bare or .git in a folder of the project's name count as that folder.
func (r *Repository) Folder(prefix *string, branch string) string {
	at := r.Main
	if base := filepath.Base(at); r.Bare && strings.HasPrefix(base, ".") {
		at = filepath.Dir(at)
	} else if r.Bare {
		at = strings.TrimSuffix(at, ".git")
	}
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`/\<>:"|?*`, c) {
			return '-'
		}
		return c
	}, branch)
	p := filepath.Base(at) + "-looms/"
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

// PlanAdd decides which branch and folder the wish comes to, and changes nothing. A branch that is in a linked work tree
// already gives that one. Errors: *BranchTakenError, *FolderTakenError, *BranchThereError, or git's.
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
	if _, err := git(ctx, r.dir(), "check-ref-format", "--branch", a.Branch); err != nil {
		return nil, fmt.Errorf("%q is no name for a branch", a.Branch)
	}
	if err := r.start(ctx, w, refs, a); err != nil {
		return nil, err
	}
	if a.Path = w.Path; a.Path == "" {
		name := a.Branch
		if w.PullRequest > 0 {
			// What is there for no branch's name, as pr/45, is told by the suffix.
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
		if !t.Bare {
			if rel, err := filepath.Rel(t.Path, a.Path); err == nil && filepath.IsLocal(rel) && rel != "." && len(t.Path) > len(a.within) {
				a.within = t.Path
			}
		}
		if t.Path != a.Path && t.Branch != a.Branch || t.Bare {
			continue
		}
		switch {
		case t.Main && t.Path == a.Path:
			return &FolderTakenError{a.Path}
		case t.Main:
			return &BranchTakenError{a.Branch, t.Path}
		case gone(t.Path) && t.Locked:
			return fmt.Errorf("the work tree %s is away and locked (%s): git worktree unlock %s ends that", t.Path, t.Reason, t.Path)
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
		// The same command once more, after one that was interrupted, finds what that one made.
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
		return r.pullRequest(ctx, remote, w.PullRequest, a)
	case theirs != "" && w.From == "":
		a.From, a.Upstream, a.Start = theirs, theirs, refs["refs/remotes/"+theirs]
	default:
		return r.begin(ctx, w, refs, remote, a)
	}
	return nil
}

// begin finds the commit at which a branch of nobody's begins.
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
		if a.Start, err = r.commitIn(ctx, r.Main, "HEAD"); err != nil {
			return fmt.Errorf("%s has no commit that a branch could begin at", r.Main)
		}
		return nil
	}
	a.Start, err = r.commit(ctx, a.From, remote)
	return err
}

// commit is what the user's name for one means; a branch that only the remote has is meant too.
func (r *Repository) commit(ctx context.Context, name, remote string) (string, error) {
	id, err := r.commitIn(ctx, r.dir(), name)
	if err != nil && remote != "" {
		if id, err := r.commitIn(ctx, r.dir(), "refs/remotes/"+remote+"/"+name); err == nil {
			return id, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is no commit, branch or tag of %s", name, r.Main)
	}
	return id, nil
}

func (r *Repository) commitIn(ctx context.Context, dir, name string) (string, error) {
	out, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	return strings.TrimSpace(string(out)), err
}

// pullRequest finds where the remote keeps the head of a pull request.
func (r *Repository) pullRequest(ctx context.Context, remote string, number int, a *Addition) error {
	if remote == "" {
		return fmt.Errorf("pull request %d: the repository has no remote to fetch it from", number)
	}
	refs := []string{fmt.Sprintf("refs/pull/%d/head", number), fmt.Sprintf("refs/merge-requests/%d/head", number)}
	out, err := git(ctx, r.dir(), "ls-remote", remote, refs[0], refs[1])
	if err != nil {
		return fmt.Errorf("pull request %d: %w", number, err)
	}
	for line := range strings.Lines(string(out)) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if slices.Contains(refs, ref) {
			a.Start, a.From = id, ref+" of "+remote
			// Kept as one of the remote's, too: what is there is not lost with the branch.
			a.fetch = []string{remote, fmt.Sprintf("+%s:refs/remotes/%s/pr/%d", ref, remote, number)}
			return nil
		}
	}
	return fmt.Errorf("remote %s has no pull request %d (no %s)", remote, number, refs[0])
}

// remote is where branches are looked for that are not here: that of the main branch, else origin, else the only one.
func (r *Repository) remote(ctx context.Context, mainBranch string) (string, error) {
	out, err := git(ctx, r.dir(), "remote")
	if err != nil {
		return "", err
	}
	all := strings.Fields(string(out))
	if len(all) == 0 {
		return "", nil
	}
	// Its error says that there is no such key.
	if out, err := git(ctx, r.dir(), "config", "--get", "branch."+mainBranch+".remote"); err == nil {
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

// refs are the commits of branches here and of remotes, by full name.
type refs map[string]string

func (r *Repository) refs(ctx context.Context) (refs, error) {
	out, err := git(ctx, r.dir(), "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/remotes")
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

// Add makes the work tree, its branch too where that is new. It is then locked until Finish, so that the caller can put
// in what else it needs: a crash before that leaves what Resume continues or clears away. Nothing is left of an Add
// that fails.
//
// No hook of the repository runs. Filters do, as configured: files of Git LFS have their content. Submodules are empty.
// Where other git processes hold locks that it needs, Add tries again for a while.
func (r *Repository) Add(ctx context.Context, a *Addition) (err error) {
	if err := Verify(r); err != nil {
		return err
	}
	for _, path := range a.stale {
		if _, err := r.patient(ctx, "worktree", "remove", "--force", path); err != nil {
			return err
		}
	}
	if a.within != "" {
		// First the name, then the folder: git never sees it in between.
		if err := r.Exclude(ctx, ownerOf(a.Path), []string{Pattern(mustRel(a.within, a.Path))}); err != nil {
			return err
		}
	}
	made := false
	defer func() {
		if err != nil {
			r.undo(context.WithoutCancel(ctx), a, made)
		}
	}()
	if made, err = r.makeBranch(ctx, a); err != nil {
		return err
	}
	if err = removeStub(filepath.Join(r.CommonDir, "worktrees", filepath.Base(a.Path))); err != nil {
		return err
	}
	if _, err = r.patient(ctx, "worktree", "add", "--no-checkout", "--lock", "--reason", reason(a.ID, a.Path), a.Path, a.Branch); err != nil {
		return err
	}
	at, err := Find(ctx, a.Path)
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(at.GitDir, marker), []byte(a.ID+"\n"), 0o644); err != nil {
		return err
	}
	// Unlike reset, it leaves all refs alone.
	_, err = at.patient(ctx, "read-tree", "--reset", "-u", "--no-recurse-submodules", "HEAD")
	return err
}

// removeStub removes the folder that a git which was killed at once has made for a work tree: one with nothing in it, or
// with files that have nothing in them.
func removeStub(admin string) error {
	entries, err := os.ReadDir(admin)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > 0 {
			return nil //nolint:nilerr // no stub then, and git's to judge
		}
	}
	return os.RemoveAll(admin)
}

// makeBranch makes the branch if it is new, in steps that can each be tried again.
func (r *Repository) makeBranch(ctx context.Context, a *Addition) (made bool, err error) {
	start := a.Start
	if a.New && a.fetch != nil {
		args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--refmap="}
		if _, err := r.patient(ctx, append(args, a.fetch...)...); err != nil {
			return false, err
		}
		// It may have moved since it was planned.
		_, start, _ = strings.Cut(a.fetch[1], ":")
	}
	if a.New {
		if _, err := r.patientWith(ctx, a.Branch, "branch", "--no-track", a.Branch, start); err != nil {
			return false, err
		}
	}
	if a.Upstream != "" {
		if _, err := r.patient(ctx, "branch", "--quiet", "--set-upstream-to="+a.Upstream, a.Branch); err != nil {
			return a.New, err
		}
	}
	return a.New, nil
}

// undo takes back what an Add that failed has done. What cannot be taken back now, Resume finds.
func (r *Repository) undo(ctx context.Context, a *Addition, branch bool) {
	_ = r.clear(a.ID)
	if branch {
		_, _ = r.patient(ctx, "branch", "--quiet", "-D", a.Branch)
	}
	if a.within != "" {
		_ = r.Unexclude(ctx, ownerOf(a.Path))
	}
}

// Finish says that the work tree at path is complete.
func (r *Repository) Finish(ctx context.Context, path string) error {
	_, err := r.patient(ctx, "worktree", "unlock", path)
	return err
}

// Resume returns the path of a work tree that Add has made for the id and that was never finished, "" where there is
// none. One in which git had not yet written all files is cleared away. The caller must keep other processes from
// adding one for the same id meanwhile.
func (r *Repository) Resume(ctx context.Context, id string) (path string, err error) {
	for _, u := range r.unfinished(id) {
		if _, err := os.Stat(filepath.Join(u.admin, "index")); err == nil && !gone(u.path) {
			if err := os.WriteFile(filepath.Join(u.admin, marker), []byte(id+"\n"), 0o644); err != nil {
				return "", err
			}
			return u.path, nil
		}
	}
	return "", r.clear(id)
}

// Interrupted tells whether an Add for the id is under way, or was interrupted.
func (r *Repository) Interrupted(id string) bool { return len(r.unfinished(id)) > 0 }

// mend writes into git's folders of work trees that Add began what git was killed before it wrote, so that git reads the
// others again: it reads none while one of these files is empty. What is written is what git would have.
func (r *Repository) mend() error {
	for _, admin := range r.admins() {
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
func (r *Repository) clear(id string) error {
	for _, u := range r.unfinished(id) {
		if u.noted {
			if err := os.RemoveAll(u.path); err != nil {
				return err
			}
		} else {
			// Killed before git had noted the path: git itself knows nothing of it, and has put nothing there.
			_ = os.Remove(u.path)
		}
		if err := r.forget(u.admin); err != nil {
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

func (r *Repository) unfinished(id string) []partial {
	var all []partial
	for _, admin := range r.admins() {
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

// admins are the folders that git keeps of linked work trees.
func (r *Repository) admins() []string {
	dir := filepath.Join(r.CommonDir, "worktrees")
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

// pathOf is the path of the work tree whose folder in .git this is, "" where it is not noted.
func pathOf(admin string) string {
	to, err := pointer(filepath.Join(admin, "gitdir"), "")
	if err != nil {
		return ""
	}
	return resolve(filepath.Dir(to))
}

// made tells by path whom work trees were made for.
func (r *Repository) made() (map[string]string, error) {
	all := map[string]string{}
	for _, admin := range r.admins() {
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

// MadeFor is the id that Add made this work tree for, "" where somebody else made it.
func (r *Repository) MadeFor() (string, error) {
	b, err := os.ReadFile(filepath.Join(r.GitDir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// ownerOf is how a work tree inside another one is called in info/exclude.
func ownerOf(path string) string { return "work tree " + filepath.Base(path) }

// mustRel is the way from a folder to a path inside it.
func mustRel(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return path
	}
	return rel
}
