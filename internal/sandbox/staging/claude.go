package staging

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

const (
	claudeHome   = sandbox.Home + "/.claude"
	claudeToken  = ".credentials.json"
	claudeConfig = ".claude.json"
)

// copyClaude gives the agent a folder of its own for what Claude keeps, with a copy of the user's token. The folder is
// mounted, not the file: Claude replaces its files, and must be able to renew the token.
func (w *writer) copyClaude() error {
	if err := w.root.MkdirAll(claudeFolder, 0o700); err != nil {
		return err
	}
	if err := setPathOwner(w.root, claudeFolder, w.UID, w.GID); err != nil {
		return err
	}
	dir, err := w.root.OpenRoot(claudeFolder)
	if err != nil {
		return err
	}
	defer dir.Close()
	w.result.Files = append(w.result.Files, sandbox.StagedFile{
		Source: filepath.Join(w.State, claudeFolder), Target: claudeHome, Writable: true,
	})
	w.result.Env["CLAUDE_CONFIG_DIR"] = claudeHome
	if err := w.copyClaudeToken(dir); err != nil {
		return err
	}
	return w.copyClaudeConfig(dir)
}

func (w *writer) copyClaudeToken(dir *os.Root) error {
	token, err := w.readHomeFile(".claude/" + claudeToken)
	if err != nil {
		return err
	}
	if token == nil {
		w.warn("credentials claude", "no such file ~/.claude/.credentials.json",
			"log in with claude on this host, or claude setup-token and --secret CLAUDE_CODE_OAUTH_TOKEN, "+
				"or --secret ANTHROPIC_API_KEY")
		return nil
	}
	newer, err := isNewerToken(token, dir)
	if err != nil || !newer {
		return err
	}
	return w.replace(dir, claudeToken, token)
}

// copyClaudeConfig copies who the user is and that the first questions were answered, once. Projects, servers and
// history are not copied.
func (w *writer) copyClaudeConfig(dir *os.Root) error {
	if _, err := dir.Lstat(claudeConfig); err == nil {
		return nil
	}
	text, err := w.readHomeFile(claudeConfig)
	if err != nil {
		return err
	}
	all, copied := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if text != nil && json.Unmarshal(text, &all) != nil {
		w.warn("credentials claude", "~/.claude.json is not JSON, so Claude asks its first questions again", "")
	}
	for _, key := range []string{"oauthAccount", "hasCompletedOnboarding", "lastOnboardingVersion"} {
		if v, ok := all[key]; ok {
			copied[key] = v
		}
	}
	if len(copied) == 0 {
		return nil
	}
	out, err := json.MarshalIndent(copied, "", "  ")
	if err != nil {
		return err
	}
	return w.replace(dir, claudeConfig, append(out, '\n'))
}

// isNewerToken reports whether the user's token must replace the sandbox's. The token that expires later was renewed
// last.
func isNewerToken(token []byte, dir *os.Root) (bool, error) {
	info, err := dir.Lstat(claudeToken)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return true, nil
	}
	f, err := dir.OpenFile(claudeToken, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil // the agent's, which we cannot read
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	current, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	if err != nil {
		return false, err
	}
	return tokenExpiry(token) > tokenExpiry(current), nil
}

func tokenExpiry(token []byte) float64 {
	var t struct {
		OAuth struct {
			ExpiresAt float64 `json:"expiresAt"`
		} `json:"claudeAiOauth"`
	}
	if json.Unmarshal(token, &t) != nil {
		return -1
	}
	return t.OAuth.ExpiresAt
}
