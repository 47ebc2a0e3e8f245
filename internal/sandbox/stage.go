package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Staging is what [Stage] is given.
type Staging struct {
	// State is the sandbox's state folder, which is made.
	State string
	// Home is the user's home folder, Vaults the folder of vaults in their configuration, and Vault the one chosen or "".
	Home, Vaults, Vault string
	// Credentials are presets: claude, git, gh, npm.
	Credentials []string
	// UID and GID are the agent's, as this host sees them.
	UID, GID int
	// InnerUID and InnerGID are the same inside, where the engine maps ids; 0 where it does not.
	InnerUID, InnerGID int
	// Passwd, Group and GitConfig are the image's own files, nil where it has none.
	Passwd, Group, GitConfig []byte
	// UserName and UserEmail are git's; GitHosts are those that git@ addresses are reached at by https, and whose
	// credentials the preset git brings.
	UserName, UserEmail string
	GitHosts            []string
}

// Stock is what [Stage] made of it.
type Stock struct {
	// Files are bound into the sandbox.
	Files []Staged
	// Env is of the container: no secrets.
	Env      map[string]string
	Findings []finding.Finding
}

// Names in the state folder.
const (
	stagedHome   = "home"   // copies of files for the agent's home folder
	stagedClaude = "claude" // Claude's folder, which the agent writes
)

const (
	// noSSH is what git says in place of ssh.
	noSSH = "docker loom: ssh does not leave the sandbox. Use the repository's https address, with its host allowed: docker loom agent allow HOST"

	claudeHome     = Home + "/.claude"
	gitCredentials = Home + "/.git-credentials"
)

// mostFile bounds a file that is copied.
const mostFile = 16 << 20

// stage is a Stage at work.
type stage struct {
	Staging
	root  *os.Root // the state folder
	stock Stock
	kept  map[string]bool // names in the state folder's home that are wanted
}

// Stage writes what a sandbox brings from the host into its state folder, with the agent as owner. Files are written in
// place, so that a sandbox that has them mounted sees the new text; what is the same is not written.
func Stage(o Staging) (Stock, error) {
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return Stock{}, fmt.Errorf("state folder: %w", err)
	}
	root, err := os.OpenRoot(o.State)
	if err != nil {
		return Stock{}, fmt.Errorf("state folder: %w", err)
	}
	defer root.Close()
	s := &stage{Staging: o, root: root, kept: map[string]bool{}}
	s.stock.Env = map[string]string{}
	for _, step := range []func() error{s.accounts, s.vault, s.credentials, s.gitConfig, s.sweep} {
		if err := step(); err != nil {
			return Stock{}, err
		}
	}
	slices.SortFunc(s.stock.Files, func(a, b Staged) int { return strings.Compare(a.Target, b.Target) })
	return s.stock, nil
}

// put writes a file of the state folder and binds it at target.
func (s *stage) put(name, target string, text []byte, mode fs.FileMode) error {
	if err := s.write(s.root, name, text, mode); err != nil {
		return err
	}
	s.stock.Files = append(s.stock.Files, Staged{Source: filepath.Join(s.State, name), Target: target})
	return nil
}

// putHome writes a file that is read-only in the agent's home folder; rel is its path there.
func (s *stage) putHome(rel string, text []byte) error {
	name := path.Join(stagedHome, rel)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		s.kept[dir] = true
	}
	if s.kept[name] {
		return fmt.Errorf("%s in the agent's home folder comes both from the vault and from credentials", rel)
	}
	s.kept[name] = true
	// A link that somebody laid here would be followed to its end in the state folder, no further.
	if err := s.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return s.put(name, path.Join(Home, rel), text, homeMode(rel))
}

// homeMode is the mode of a file in the home folder: what may hold a key is the agent's alone, which ssh insists on.
func homeMode(rel string) fs.FileMode {
	if path.Dir(rel) == ".ssh" {
		base := path.Base(rel)
		if strings.HasSuffix(base, ".pub") || base == "config" || base == "known_hosts" {
			return 0o644
		}
	}
	return 0o600
}

// write replaces a file's text in place.
func (s *stage) write(root *os.Root, name string, text []byte, mode fs.FileMode) error {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		if err := root.RemoveAll(name); err != nil {
			return fmt.Errorf("state folder: %w", err)
		}
	}
	// Whoever lays a pipe there in between does not stop us for good.
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		// It is the agent's, and we are neither it nor root.
		if err = root.Remove(name); err == nil {
			f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	defer f.Close()
	was, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if !bytes.Equal(was, text) {
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("state folder: %w", err)
		}
		if _, err := f.WriteAt(text, 0); err != nil {
			return fmt.Errorf("state folder: %w", err)
		}
	}
	if err := errors.Join(f.Chmod(mode), ownFile(f, s.UID, s.GID)); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// warn notes a finding about a preset or the vault.
func (s *stage) warn(subject, message, remedy string) {
	s.stock.Findings = append(s.stock.Findings, finding.Finding{Level: finding.Warning, Subject: subject, Message: message, Remedy: remedy})
}

// accounts are the image's users and groups with the agent among them. Whoever had its number in the image goes: programs
// take the first that has it, and with it the wrong home folder.
func (s *stage) accounts() error {
	passwd := s.Passwd
	if passwd == nil {
		passwd = []byte("root:x:0:0:root:/root:/bin/sh\n")
	}
	uid, gid := cmp.Or(s.InnerUID, s.UID), cmp.Or(s.InnerGID, s.GID)
	passwd = without(passwd, "agent", strconv.Itoa(uid))
	passwd = fmt.Appendf(passwd, "agent:x:%d:%d:agent:%s:/bin/sh\n", uid, gid, Home)
	group := s.Group
	if group == nil {
		group = []byte("root:x:0:\n")
	}
	group = without(group, "agent", strconv.Itoa(gid))
	group = fmt.Appendf(group, "agent:x:%d:\n", gid)
	return errors.Join(s.put("passwd", "/etc/passwd", passwd, 0o644), s.put("group", "/etc/group", group, 0o644))
}

// without leaves out the lines of one name and one number.
func without(text []byte, name, number string) []byte {
	var out []byte
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) > 2 && (f[0] == name || f[2] == number) {
			continue
		}
		out = append(out, line...)
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}

// credentials copies what the presets name. What is missing is a warning: the agent may well do without.
func (s *stage) credentials() error {
	for _, preset := range slices.Compact(slices.Sorted(slices.Values(s.Credentials))) {
		var err error
		switch preset {
		case "claude":
			err = s.claude()
		case "git":
			err = s.git()
		case "gh":
			err = s.gh()
		case "npm":
			err = s.npm()
		default:
			err = fmt.Errorf("allowed are claude, git, gh and npm")
		}
		if err != nil {
			return fmt.Errorf("credentials %q: %w", preset, err)
		}
	}
	return nil
}

// read reads a file of the user's home folder; nil is none.
func (s *stage) read(rel string) ([]byte, error) {
	p := filepath.Join(s.Home, filepath.FromSlash(rel))
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > mostFile {
		return nil, fmt.Errorf("%s is no file of a sensible size", p)
	}
	return os.ReadFile(p)
}

// claude gives the agent a folder of its own for what Claude keeps, with a copy of the user's token in it. The folder and
// not the file is mounted, since Claude replaces files; its token must be writable, since it is renewed.
func (s *stage) claude() error {
	if err := s.root.MkdirAll(stagedClaude, 0o700); err != nil {
		return err
	}
	if err := ownPath(s.root, stagedClaude, s.UID, s.GID); err != nil {
		return err
	}
	dir, err := s.root.OpenRoot(stagedClaude)
	if err != nil {
		return err
	}
	defer dir.Close()
	s.stock.Files = append(s.stock.Files, Staged{Source: filepath.Join(s.State, stagedClaude), Target: claudeHome, Writable: true})
	s.stock.Env["CLAUDE_CONFIG_DIR"] = claudeHome

	token, err := s.read(".claude/.credentials.json")
	if err != nil {
		return err
	}
	if token == nil {
		s.warn("credentials claude", "there is no ~/.claude/.credentials.json",
			"log in with claude on this host, or claude setup-token and --secret CLAUDE_CODE_OAUTH_TOKEN, or --secret ANTHROPIC_API_KEY")
	} else if newer, err := s.newer(dir, token); err != nil {
		return err
	} else if newer {
		if err := s.replace(dir, ".credentials.json", token); err != nil {
			return err
		}
	}
	if _, err := dir.Lstat(".claude.json"); err == nil {
		return nil
	}
	text, err := s.read(".claude.json")
	if err != nil {
		return err
	}
	all, brought := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if text != nil && json.Unmarshal(text, &all) != nil {
		s.warn("credentials claude", "~/.claude.json is no JSON, so Claude asks its first questions again", "")
	}
	// Who the user is and that the first questions were answered; not projects, servers or history.
	for _, key := range []string{"oauthAccount", "hasCompletedOnboarding", "lastOnboardingVersion"} {
		if v, ok := all[key]; ok {
			brought[key] = v
		}
	}
	if len(brought) == 0 {
		return nil
	}
	out, err := json.MarshalIndent(brought, "", "  ")
	if err != nil {
		return err
	}
	return s.replace(dir, ".claude.json", append(out, '\n'))
}

// newer tells whether the user's token is to replace the sandbox's: the one that ends later is the one that was renewed last.
func (s *stage) newer(dir *os.Root, token []byte) (bool, error) {
	info, err := dir.Lstat(".credentials.json")
	if err != nil || !info.Mode().IsRegular() || info.Size() > mostFile {
		return true, nil
	}
	f, err := dir.OpenFile(".credentials.json", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil // it is the agent's, which we cannot read
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	inside, err := io.ReadAll(io.LimitReader(f, mostFile))
	if err != nil {
		return false, err
	}
	return expires(token) > expires(inside), nil
}

func expires(token []byte) float64 {
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

// replace puts a file into a folder that the agent writes: made aside and moved, so that nothing it laid there is written to.
func (s *stage) replace(dir *os.Root, name string, text []byte) error {
	temp := fmt.Sprintf("%s.loom-%d", name, os.Getpid())
	if err := dir.RemoveAll(temp); err != nil {
		return err
	}
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, ownFile(f, s.UID, s.GID), f.Close()); err != nil {
		return err
	}
	if info, err := dir.Lstat(name); err == nil && info.IsDir() {
		if err := dir.RemoveAll(name); err != nil {
			return err
		}
	}
	return dir.Rename(temp, name)
}

// git brings the passwords for hosts that the agent may reach, out of the file in which git's own helper store keeps them.
func (s *stage) git() error {
	var kept []byte
	for _, name := range []string{".git-credentials", ".config/git/credentials"} {
		text, err := s.read(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if u, err := url.Parse(line); err == nil && u.Scheme == "https" && slices.Contains(s.GitHosts, u.Hostname()) {
				kept = append(kept, line+"\n"...)
			}
		}
	}
	if kept == nil {
		s.warn("credentials git", "neither ~/.git-credentials nor ~/.config/git/credentials has one for a host that the agent may reach over https",
			"where another helper keeps them: --credentials gh, or --secret GH_TOKEN")
		return nil
	}
	return s.putHome(strings.TrimPrefix(gitCredentials, Home+"/"), kept)
}

func (s *stage) gh() error {
	text, err := s.read(".config/gh/hosts.yml")
	if err != nil {
		return err
	}
	if text == nil {
		s.warn("credentials gh", "there is no ~/.config/gh/hosts.yml", "gh auth login, or --secret GH_TOKEN")
		return nil
	}
	if !bytes.Contains(text, []byte("oauth_token:")) {
		s.warn("credentials gh", "gh keeps its token in the system's keyring, not in ~/.config/gh/hosts.yml",
			"GH_TOKEN=$(gh auth token) docker loom agent --secret GH_TOKEN")
	}
	return s.putHome(".config/gh/hosts.yml", text)
}

func (s *stage) npm() error {
	text, err := s.read(".npmrc")
	if err != nil {
		return err
	}
	if text == nil {
		s.warn("credentials npm", "there is no ~/.npmrc", "npm login, or --secret NPM_TOKEN with an .npmrc of the project that names it")
		return nil
	}
	return s.putHome(".npmrc", text)
}

// gitConfig is the image's own with what the agent's git needs. It comes before the repository's, which can say otherwise.
func (s *stage) gitConfig() error {
	var b bytes.Buffer
	b.Write(s.GitConfig)
	if n := b.Len(); n > 0 && s.GitConfig[n-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString("# docker loom: below is what the sandbox adds\n")
	// The agent owns nothing but what it writes, and no other user is here whose repository could be meant.
	b.WriteString("[safe]\n\tdirectory = *\n")
	if s.UserName != "" || s.UserEmail != "" {
		b.WriteString("[user]\n")
		if s.UserName != "" {
			b.WriteString("\tname = " + quoted(s.UserName) + "\n")
		}
		if s.UserEmail != "" {
			b.WriteString("\temail = " + quoted(s.UserEmail) + "\n")
		}
	}
	// It would lock the repository for the user, and has not the rights for all of it.
	b.WriteString("[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n")
	// A new branch would be written into the repository's configuration with the one it follows, and a push would ask for it.
	b.WriteString("[branch]\n\tautoSetupMerge = false\n[push]\n\tdefault = current\n")
	if s.kept[path.Join(stagedHome, strings.TrimPrefix(gitCredentials, Home+"/"))] {
		// The helper store would also want to write the file.
		b.WriteString("[credential]\n\thelper = \"!f() { test \\\"$1\\\" != get || git credential-store --file=" + gitCredentials + " get; }; f\"\n")
	}
	// ssh gets out by a ProxyCommand at most, which stands in a vault's file. Else git is told why, and ssh not asked.
	b.WriteString("[core]\n\tsshCommand = " + quoted(`f() { test -e ~/.ssh/config && exec ssh "$@"; echo "`+noSSH+`" >&2; exit 255; }; f`) + "\n[ssh]\n\tvariant = ssh\n")
	for _, host := range slices.Compact(slices.Sorted(slices.Values(s.GitHosts))) {
		fmt.Fprintf(&b, "[url %s]\n\tinsteadOf = %s\n\tinsteadOf = %s\n", quoted("https://"+host+"/"), quoted("git@"+host+":"), quoted("ssh://git@"+host+"/"))
	}
	return s.put("gitconfig", "/etc/gitconfig", b.Bytes(), 0o644)
}

// quoted is a value as git's configuration writes it.
func quoted(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", "", "\x00", "").Replace(v) + `"`
}

// sweep removes the copies that nothing asks for any more: they may be secrets.
func (s *stage) sweep() error {
	var gone []string
	err := fs.WalkDir(s.root.FS(), stagedHome, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if name != stagedHome && !s.kept[name] {
			gone = append(gone, name)
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if !slices.Contains(s.Credentials, "claude") {
		gone = append(gone, stagedClaude+"/.credentials.json")
	}
	for _, name := range gone {
		if err := s.root.RemoveAll(name); err != nil {
			return fmt.Errorf("state folder: %w", err)
		}
	}
	return nil
}
