// Package gitfile reads the small files that lead git from one folder to another: .git of a linked work tree,
// commondir and gitdir of its git folder. It writes what git's configuration has to say.
package gitfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Written returns the path as the file's content has it. A file called .git has it behind "gitdir: ", the others alone.
func Written(name string, content []byte) (string, error) {
	path, ok := string(content), true
	if filepath.Base(name) == ".git" {
		path, ok = strings.CutPrefix(path, "gitdir: ")
	}
	path = strings.TrimRight(path, "\r\n")
	if !ok || path == "" {
		return "", fmt.Errorf("%s: names no path", name)
	}
	return path, nil
}

// Target returns the absolute path that the file's content leads to. A relative one counts from the file's folder.
func Target(name string, content []byte) (string, error) {
	path, err := Written(name, content)
	if err != nil {
		return "", err
	}
	if path = filepath.FromSlash(path); !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(name), path)
	}
	return path, nil
}

// maxSize bounds what is read of a file: more than git writes into any that is read here.
const maxSize = 10 << 20

// Content returns the content of a regular file of git's. Others may write the folder that it is in: a named pipe or a
// device in its place is an error, and nothing waits for it.
func Content(name string) ([]byte, error) {
	// A device may act on being opened.
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("%s: not a regular file of at most %d MiB", name, maxSize>>20)
	}
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// Path returns the path as the file has it.
func Path(name string) (string, error) {
	content, err := Content(name)
	if err != nil {
		return "", err
	}
	return Written(name, content)
}

// Read returns the absolute path that the file leads to.
func Read(name string) (string, error) {
	content, err := Content(name)
	if err != nil {
		return "", err
	}
	return Target(name, content)
}
