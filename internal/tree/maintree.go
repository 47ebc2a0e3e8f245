package tree

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/internal/worktree/submodules"
	"github.com/docker-loom/docker-loom/internal/worktree/untracked"
	"github.com/docker-loom/docker-loom/overrides"
)

// mainTree is the main work tree, where new work trees get their settings and copies from. A bare repository has
// none: the work tree of its main branch stands in.
type mainTree struct {
	repo     *worktree.Repository // nil if there is none
	settings *settings.Settings
	files    *settings.Files // that the settings are from
}

// mainTree finds the main work tree. Settings come only from there: another work tree's may be a stranger's.
func (w *Trees) mainTree(ctx context.Context, repo *worktree.Repository) (*mainTree, error) {
	m := &mainTree{}
	dir := repo.Main
	if repo.Bare {
		trees, err := repo.Trees(ctx)
		if err != nil {
			return nil, err
		}
		user, err := settings.Read(settings.Sources{User: w.Finder.UserSettings})
		if err != nil {
			return nil, err
		}
		dir = ""
		for _, tree := range trees {
			if tree.Branch == user.MainBranch && host.IsDir(tree.Path) {
				dir = tree.Path
			}
		}
	}
	var err error
	switch dir {
	case "":
	case repo.WorkTree:
		m.repo = repo
	default:
		if m.repo, err = worktree.Find(ctx, dir); err != nil {
			return nil, err
		}
	}
	m.files, err = settings.ReadFiles(settings.Sources{User: w.Finder.UserSettings, WorkTree: dir})
	if err != nil {
		return nil, err
	}
	m.settings, err = m.files.Settings()
	return m, err
}

// mainTreeOf is mainTree for a target, whose settings may have been read already.
func (w *Trees) mainTreeOf(ctx context.Context, t *find.Target) (*mainTree, error) {
	if t.SettingsFiles == nil || t.Git.Bare || t.WorkTree != t.Git.Main || t.Git.WorkTree != t.WorkTree {
		return w.mainTree(ctx, t.Git)
	}
	set, err := t.SettingsFiles.Settings()
	return &mainTree{repo: t.Git, settings: set, files: t.SettingsFiles}, err
}

// wish is the work tree that a loom will have.
func (m *mainTree) wish(t *find.Target, o Options) worktree.Wish {
	w := worktree.Wish{
		ID: t.ID, Branch: o.Branch, From: o.From, Path: o.Path,
		Prefix: m.settings.WorktreePrefix, MainBranch: m.settings.MainBranch,
		Default: "feat/issue-" + t.ID,
		Belongs: func(branch string) bool { return find.MatchesBranch(t.ID, branch) },
	}
	switch {
	case identity.IsPullRequest(t.ID):
		w.Default, w.Belongs = t.ID, nil
		w.PullRequest, _ = strconv.Atoi(strings.TrimPrefix(t.ID, "pr/"))
	case !identity.IsNumber(t.ID) && !identity.IsKey(t.ID):
		w.Default = t.ID
	}
	return w
}

// copyUntracked copies the untracked files that a loom needs into a new work tree, and returns which these are.
func (m *mainTree) copyUntracked(ctx context.Context, t *find.Target, path string) (*untracked.Files, error) {
	if m.repo == nil {
		return &untracked.Files{}, nil
	}
	files, err := untracked.Find(ctx, m.repo, projectDirs(t), m.settings.CopyGitIgnoredPatterns)
	if err != nil {
		return nil, err
	}
	_, err = untracked.Copy(m.repo.WorkTree, path, files.Paths, withoutGenerated)
	return files, err
}

// projectDirs are the folders, from the top of the work tree to where the project is looked for, that may have a .env.
func projectDirs(t *find.Target) []string {
	rel, err := filepath.Rel(t.WorkTree, t.Source.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		return []string{"."}
	}
	dirs := []string{rel}
	for ; rel != "."; dirs = append(dirs, rel) {
		rel = filepath.Dir(rel)
	}
	return dirs
}

// withoutGenerated returns a file's content without what was generated for the main work tree's loom, nil if nothing is
// left. With that loom's block, plain docker compose in the new work tree would act on it.
func withoutGenerated(rel string, content []byte) []byte {
	switch base := filepath.Base(rel); {
	case base == overrides.EnvFile:
		rest := overrides.Cut(content)
		if len(rest) == 0 && overrides.MadeFile(content) {
			return nil
		}
		return rest
	case overrides.IsGenerated(content):
		return nil
	}
	return content
}

// fillSubmodules fills the submodules of a new work tree that the main work tree has checked out.
func (m *mainTree) fillSubmodules(ctx context.Context, teller tell.Teller, path string) error {
	if !hasSubmodules(path) {
		return nil
	}
	if m.repo == nil || !m.settings.Container.Submodules {
		teller.Sayf("its submodules are empty: git -C %s submodule update --init --recursive fetches them", path)
		return nil
	}
	done, err := submodules.Fill(ctx, m.repo.WorkTree, path)
	if err != nil {
		return err
	}
	teller.Debugf("submodules filled: %v", done.Filled)
	for _, f := range done.Failed {
		teller.Sayf("warning: submodule %s is not as it should be: %v; "+
			"git -C %s submodule update --init --recursive tries again", f.Path, tell.FirstLine(f.Err), path)
	}
	return nil
}

// hasSubmodules reports whether the work tree has submodules, which git leaves empty in a new one.
func hasSubmodules(path string) bool {
	_, err := os.Stat(filepath.Join(path, ".gitmodules"))
	return err == nil
}

// isCopied reports whether a file of a work tree is what copyUntracked put there.
func (m *mainTree) isCopied(path, rel string) bool {
	if m.repo == nil {
		return false
	}
	if untracked.IsCopy(path, m.repo.WorkTree, rel) {
		return true
	}
	if filepath.Base(rel) != overrides.EnvFile {
		return false
	}
	// Each of the two may have the block of a loom.
	a, errA := rooted.ReadFile(filepath.Join(path, rel))
	b, errB := rooted.ReadFile(filepath.Join(m.repo.WorkTree, rel))
	return errA == nil && errB == nil && bytes.Equal(overrides.Cut(a), overrides.Cut(b))
}
