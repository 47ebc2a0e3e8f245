package untracked

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// editable is the size in bytes up to which a file is shown to Copy's edit.
const editable = 1 << 20

// half is the suffix of a file's name while it is being copied.
const half = ".docker-loom-copy"

// Copy copies files to the same paths below another folder and returns those it copied. It never overwrites a file, and
// a copy appears under its name only when it is complete. Missing folders are made. A symbolic link is copied as a
// link; if its target is outside of the folder, the copy has the absolute path. Copy never writes through a link that
// leads out of the other folder. edit gets each small file and returns the content of the copy, nil for no copy.
func Copy(from, to string, files []string, edit func(rel string, content []byte) []byte) ([]string, error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return nil, err
	}
	defer source.Close()
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
		did, err := copyFile(source, root, rel, edit)
		if err != nil {
			return copied, fmt.Errorf("copy %s: %w", filepath.Join(from, rel), err)
		}
		if did {
			copied = append(copied, rel)
		}
	}
	return copied, nil
}

func copyFile(source, root *os.Root, rel string, edit func(string, []byte) []byte) (bool, error) {
	info, err := source.Lstat(rel)
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
		return true, copyLink(source, root, rel)
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	// If somebody put a named pipe in its place meanwhile, opening it must not wait.
	in, err := source.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer in.Close()
	if info, err = in.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
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

func copyLink(source, root *os.Root, rel string) error {
	target, err := source.Readlink(rel)
	if err != nil {
		return err
	}
	if to := filepath.Join(filepath.Dir(rel), target); !filepath.IsAbs(target) && !filepath.IsLocal(to) {
		target = filepath.Join(source.Name(), to)
	}
	return root.Symlink(target, rel)
}

// sameFile reports whether two paths are regular files with the same content.
func sameFile(a, b string) bool {
	for _, path := range []string{a, b} {
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > editable {
			return false
		}
	}
	x, err := gitfile.Content(a)
	if err != nil {
		return false
	}
	y, err := gitfile.Content(b)
	return err == nil && bytes.Equal(x, y)
}

// IsCopy reports whether dir and other have the same file or link at the path rel. An unfinished copy that a killed
// process left in dir counts too.
func IsCopy(dir, other, rel string) bool {
	if whole, found := strings.CutSuffix(rel, half); found {
		_, err := os.Lstat(filepath.Join(other, whole))
		return err == nil
	}
	a, b := filepath.Join(dir, rel), filepath.Join(other, rel)
	if info, err := os.Lstat(a); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		x, errX := filepath.EvalSymlinks(a)
		y, errY := filepath.EvalSymlinks(b)
		return errX == nil && errY == nil && x == y
	}
	return sameFile(a, b)
}
