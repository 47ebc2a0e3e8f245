package worktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Pointers are the files by which git finds the repository of a work tree, as they were at one moment.
type Pointers struct {
	workTree, gitDir, commonDir string
	dotGit, common              string // their contents; "" for a folder or none
}

// Points reads the pointers without git. It returns nil if the folder is not the top level of a work tree.
func Points(workTree string) (*Pointers, error) {
	p := &Pointers{workTree: workTree, gitDir: filepath.Join(workTree, ".git")}
	info, err := os.Lstat(p.gitDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.commonDir = p.gitDir
	if info.IsDir() {
		return p, nil
	}
	content, err := gitfile.Content(p.gitDir)
	if err != nil {
		return nil, err
	}
	p.dotGit = string(content)
	if p.gitDir, err = gitfile.Target(p.gitDir, content); err != nil {
		return nil, err
	}
	p.commonDir = p.gitDir
	name := filepath.Join(p.gitDir, "commondir")
	if content, err = gitfile.Content(name); errors.Is(err, fs.ErrNotExist) {
		return p, nil
	} else if err != nil {
		return nil, err
	}
	p.common = string(content)
	p.commonDir, err = gitfile.Target(name, content)
	return p, err
}

// String names the folders that the pointers lead to. Two pointers that lead elsewhere have different strings.
func (p *Pointers) String() string {
	if p == nil {
		return ""
	}
	return p.gitDir + " " + p.commonDir
}

// GitDir is the git folder of the work tree, CommonDir the one that all work trees share.
func (p *Pointers) GitDir() string { return p.gitDir }

// CommonDir is GitDir for a main checkout.
func (p *Pointers) CommonDir() string { return filepath.Clean(p.commonDir) }

// Verify returns an error if the files have changed since.
func (p *Pointers) Verify() error {
	now, err := Points(p.workTree)
	switch {
	case err != nil:
		return err
	case now == nil:
		return errors.New(filepath.Join(p.workTree, ".git") + " is gone")
	case now.dotGit != p.dotGit:
		return errors.New(filepath.Join(p.workTree, ".git") + " leads elsewhere")
	case now.common != p.common:
		return errors.New(filepath.Join(p.gitDir, "commondir") + " leads elsewhere")
	}
	return nil
}

// Head is the ref that the work tree is on, "" if that is none or unknown.
func (p *Pointers) Head() string {
	text, err := gitfile.Content(filepath.Join(p.gitDir, "HEAD"))
	if err != nil {
		return ""
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: ")
	if !ok {
		return ""
	}
	return name
}

// Refs returns all refs of the repository with their objects.
func (p *Pointers) Refs(ctx context.Context) (map[string]string, error) {
	out, err := git.Run(ctx, p.commonDir, "for-each-ref", "--format=%(refname) %(objectname)")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, id, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name] = id
		}
	}
	return all, nil
}

// User is the name and address that git would commit with in a folder, "" if none is set.
func User(ctx context.Context, dir string) (name, email string) {
	// git config ends with 1 if there is no value.
	out, _ := git.Run(ctx, dir, "config", "--null", "--get-regexp", `^user\.(name|email)$`)
	for entry := range strings.SplitSeq(string(out), "\x00") {
		// The last value counts.
		switch key, value, _ := strings.Cut(entry, "\n"); key {
		case "user.name":
			name = strings.TrimSpace(value)
		case "user.email":
			email = strings.TrimSpace(value)
		}
	}
	return name, email
}
