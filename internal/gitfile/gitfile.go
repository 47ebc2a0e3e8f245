// Package gitfile reads the small files that lead git from one folder to another: .git of a linked work tree,
// commondir and gitdir of its git folder.
package gitfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// Read returns the absolute path that the file leads to.
func Read(name string) (string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	return Target(name, content)
}
