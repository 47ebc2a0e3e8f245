package staging

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

const gitCredentials = sandbox.Home + "/.git-credentials"

// copyCredentials copies the files of the presets. A missing file is a warning: the agent may work without it.
func (w *writer) copyCredentials() error {
	for _, preset := range slices.Compact(slices.Sorted(slices.Values(w.Credentials))) {
		var err error
		switch preset {
		case "claude":
			err = w.copyClaude()
		case "git":
			err = w.copyGitPasswords()
		case "gh":
			err = w.copyGitHubToken()
		case "npm":
			err = w.copyNpmConfig()
		default:
			return fmt.Errorf("credentials must be claude, git, gh or npm, not %q", preset)
		}
		if err != nil {
			return fmt.Errorf("credentials %s: %w", preset, err)
		}
	}
	return nil
}

// readHomeFile reads a file of the user's home folder. It returns nil if there is none.
func (w *writer) readHomeFile(rel string) ([]byte, error) {
	p := filepath.Join(w.Home, filepath.FromSlash(rel))
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, fmt.Errorf("%s must be a file of at most %d bytes", p, maxFileSize)
	}
	return os.ReadFile(p)
}

// copyGitPasswords copies the passwords for hosts that the agent may reach, from the files of git's helper store.
func (w *writer) copyGitPasswords() error {
	var passwords []byte
	for _, name := range []string{".git-credentials", ".config/git/credentials"} {
		text, err := w.readHomeFile(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if u, err := url.Parse(line); err == nil && u.Scheme == "https" && slices.Contains(w.GitHosts, u.Hostname()) {
				passwords = append(passwords, line+"\n"...)
			}
		}
	}
	if passwords == nil {
		w.warn("credentials git",
			"~/.git-credentials and ~/.config/git/credentials have none for a host that the agent may reach over https",
			"if another helper keeps them: --credentials gh, or --secret GH_TOKEN")
		return nil
	}
	return w.addHomeFile(strings.TrimPrefix(gitCredentials, sandbox.Home+"/"), passwords)
}

func (w *writer) copyGitHubToken() error {
	text, err := w.readHomeFile(".config/gh/hosts.yml")
	if err != nil {
		return err
	}
	if text == nil {
		w.warn("credentials gh", "no such file ~/.config/gh/hosts.yml", "gh auth login, or --secret GH_TOKEN")
		return nil
	}
	if !bytes.Contains(text, []byte("oauth_token:")) {
		w.warn("credentials gh", "gh keeps its token in the system's keyring, not in ~/.config/gh/hosts.yml",
			"GH_TOKEN=$(gh auth token) docker loom agent ID --secret GH_TOKEN")
	}
	return w.addHomeFile(".config/gh/hosts.yml", text)
}

func (w *writer) copyNpmConfig() error {
	text, err := w.readHomeFile(".npmrc")
	if err != nil {
		return err
	}
	if text == nil {
		w.warn("credentials npm", "no such file ~/.npmrc",
			"npm login, or --secret NPM_TOKEN with an .npmrc of the project that names it")
		return nil
	}
	return w.addHomeFile(".npmrc", text)
}
