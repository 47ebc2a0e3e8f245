// Package staging writes the files that a sandbox brings from the host into its state folder: accounts, copies of
// credentials, a vault and git's configuration.
package staging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Request is the input of [Write].
type Request struct {
	// State is the sandbox's state folder. Write makes it.
	State string
	// Home is the user's home folder. Vaults is the folder of vaults in their configuration, Vault the name of one or "".
	Home, Vaults, Vault string
	// Credentials are presets: claude, git, gh, npm.
	Credentials []string
	// UID and GID are the agent's on this host.
	UID, GID int
	// InnerUID and InnerGID are the agent's inside the container if the engine maps ids, otherwise 0.
	InnerUID, InnerGID int
	// Passwd, Group and GitConfig are the image's own files. A nil one does not exist.
	Passwd, Group, GitConfig []byte
	// UserName and UserEmail are git's.
	UserName, UserEmail string
	// GitHosts are reached by https in place of git@ addresses. The preset git copies their passwords.
	GitHosts []string
}

// Result is the output of [Write].
type Result struct {
	// Files are to be mounted into the sandbox.
	Files []sandbox.StagedFile
	// Env is for the container. It holds no secrets.
	Env      map[string]string
	Findings []finding.Finding
}

// Folders in the state folder.
const (
	homeFolder   = "home"   // copies of files for the agent's home folder
	claudeFolder = "claude" // Claude's folder, which the agent writes
)

// maxFileSize limits a file that is copied.
const maxFileSize = 16 << 20

// writer is one call of Write.
type writer struct {
	Request
	root   *os.Root // the state folder
	result Result
	wanted map[string]bool // names in homeFolder
}

// Write writes the files of a sandbox into its state folder, with the agent as owner. Changed files are written in
// place, so that a sandbox that has them mounted sees the new text. Copies that are no longer asked for are removed.
func Write(req Request) (Result, error) {
	if err := os.MkdirAll(req.State, 0o700); err != nil {
		return Result{}, fmt.Errorf("state folder: %w", err)
	}
	root, err := os.OpenRoot(req.State)
	if err != nil {
		return Result{}, fmt.Errorf("state folder: %w", err)
	}
	defer root.Close()
	w := &writer{Request: req, root: root, wanted: map[string]bool{}}
	w.result.Env = map[string]string{}
	steps := []func() error{w.writeAccounts, w.copyVault, w.copyCredentials, w.writeGitConfig, w.removeUnwanted}
	for _, step := range steps {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	slices.SortFunc(w.result.Files, func(a, b sandbox.StagedFile) int { return strings.Compare(a.Target, b.Target) })
	return w.result, nil
}

// addFile writes a file of the state folder and mounts it at target.
func (w *writer) addFile(name, target string, text []byte, mode fs.FileMode) error {
	if err := w.writeInPlace(name, text, mode); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	w.result.Files = append(w.result.Files, sandbox.StagedFile{Source: filepath.Join(w.State, name), Target: target})
	return nil
}

// addHomeFile writes a file that is read-only in the agent's home folder. rel is its path there.
func (w *writer) addHomeFile(rel string, text []byte) error {
	name := path.Join(homeFolder, rel)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		w.wanted[dir] = true
	}
	if w.wanted[name] {
		return fmt.Errorf("~/%s of the agent comes both from the vault and from credentials", rel)
	}
	w.wanted[name] = true
	// A link in the state folder cannot lead out of it: root stops it.
	if err := w.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return w.addFile(name, path.Join(sandbox.Home, rel), text, homeFileMode(rel))
}

// homeFileMode returns the mode of a file in the home folder. A file that may hold a key is the agent's alone: ssh
// insists.
func homeFileMode(rel string) fs.FileMode {
	if path.Dir(rel) == ".ssh" {
		base := path.Base(rel)
		if strings.HasSuffix(base, ".pub") || base == "config" || base == "known_hosts" {
			return 0o644
		}
	}
	return 0o600
}

// warn adds a finding about a preset.
func (w *writer) warn(subject, message, remedy string) {
	w.result.Findings = append(w.result.Findings, finding.Finding{
		Level: finding.Warning, Subject: subject, Message: message, Remedy: remedy,
	})
}

// removeUnwanted removes copies that nothing asks for any more: they may be secrets.
func (w *writer) removeUnwanted() error {
	var unwanted []string
	err := fs.WalkDir(w.root.FS(), homeFolder, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if name != homeFolder && !w.wanted[name] {
			unwanted = append(unwanted, name)
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if !slices.Contains(w.Credentials, "claude") {
		unwanted = append(unwanted, claudeFolder+"/"+claudeToken)
	}
	for _, name := range unwanted {
		if err := w.root.RemoveAll(name); err != nil {
			return fmt.Errorf("state folder: %w", err)
		}
	}
	return nil
}
