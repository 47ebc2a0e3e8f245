package worktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// envFile is the name of a file with variables, as dotenv has them: .env, .env.local, .env.test, .env.test.local.
var envFile = regexp.MustCompile(`^\.env(\.[A-Za-z0-9_-]+)?(\.local)?$`)

// localSettings are iloom's settings of one work tree, which git does not track.
const localSettings = ".iloom/settings.local.json"

// Untracked lists the files that a new work tree gets a copy of, as paths below this work tree: the untracked env files
// in dirs, iloom's local settings, and the ignored files that match patterns. In a pattern only ** crosses folders, as
// in data/**/*.sqlite.
func (r *Repository) Untracked(ctx context.Context, dirs, patterns []string) ([]string, error) {
	if r.WorkTree == "" {
		return nil, nil
	}
	var found []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(r.WorkTree, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if envFile.MatchString(e.Name()) && (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(r.WorkTree, filepath.FromSlash(localSettings))); err == nil {
		found = append(found, filepath.FromSlash(localSettings))
	}
	var paths []string
	for _, rel := range found {
		paths = append(paths, filepath.Join(r.WorkTree, rel))
	}
	tracked, err := r.Tracked(ctx, paths...)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(rel string) bool { return tracked[filepath.Join(r.WorkTree, rel)] })
	if len(patterns) > 0 {
		args := []string{"--glob-pathspecs", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--"}
		out, err := git(ctx, r.WorkTree, append(args, patterns...)...)
		if err != nil {
			return nil, fmt.Errorf("settings: copyGitIgnoredPatterns: %w", err)
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			// git lists another repository, such as a work tree inside this one, as a folder.
			if name != "" && !strings.HasSuffix(name, "/") {
				found = append(found, filepath.FromSlash(name))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// editable is the size in bytes up to which a file is shown to Copy's edit.
const editable = 1 << 20

// half is the suffix of a file's name while it is being copied.
const half = ".docker-loom-copy"

// Copy copies files to the same paths below another folder and returns those it copied. It never overwrites a file, and
// a copy appears under its name only when it is complete. Missing folders are made. A symbolic link is copied as a
// link; if its target is outside of the folder, the copy has the absolute path. Copy never writes through a link that
// leads out of the other folder. edit gets each small file and returns the content of the copy, nil for no copy.
func Copy(from, to string, files []string, edit func(rel string, content []byte) []byte) ([]string, error) {
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var copied []string
	for _, rel := range files {
		if _, err := root.Lstat(rel); err == nil {
			_ = root.Remove(rel + half) // left by a process that was killed
			continue
		}
		did, err := copyFile(from, root, rel, edit)
		if err != nil {
			return copied, fmt.Errorf("copy %s: %w", filepath.Join(from, rel), err)
		}
		if did {
			copied = append(copied, rel)
		}
	}
	return copied, nil
}

func copyFile(from string, root *os.Root, rel string, edit func(string, []byte) []byte) (bool, error) {
	name := filepath.Join(from, rel)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if dir := filepath.Dir(rel); dir != "." {
		if err := root.MkdirAll(dir, 0o777); err != nil {
			return false, err
		}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return true, copyLink(from, root, rel)
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	in, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer in.Close()
	var content io.Reader = in
	if info.Size() <= editable && edit != nil {
		b, err := io.ReadAll(in)
		if err != nil {
			return false, err
		}
		if b = edit(rel, b); b == nil {
			return false, nil
		}
		content = bytes.NewReader(b)
	}
	if err := writeWhole(root, rel+half, content, info.Mode().Perm()); err != nil {
		_ = root.Remove(rel + half)
		return false, err
	}
	// Unlike a rename, a link fails if somebody has made the file meanwhile.
	err = root.Link(rel+half, rel)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// The file system has no hard links.
		return true, root.Rename(rel+half, rel)
	}
	return err == nil, root.Remove(rel + half)
}

func writeWhole(root *os.Root, rel string, content io.Reader, perm fs.FileMode) error {
	// A file of this name was left by a process that was killed.
	_ = root.Remove(rel)
	out, err := root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, content); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func copyLink(from string, root *os.Root, rel string) error {
	target, err := os.Readlink(filepath.Join(from, rel))
	if err != nil {
		return err
	}
	if to := filepath.Join(filepath.Dir(rel), target); !filepath.IsAbs(target) && !filepath.IsLocal(to) {
		target = filepath.Join(from, to)
	}
	return root.Symlink(target, rel)
}
