package staging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// put writes a file of a test's own.
func put(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
}

func request(t *testing.T) Request {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("sandboxes have owners and modes")
	}
	dir := t.TempDir()
	return Request{State: dir + "/state", Home: dir + "/home", Vaults: dir + "/vaults", UID: os.Getuid(), GID: os.Getgid()}
}

// target is the staged text at a path inside.
func target(t *testing.T, r Result, at string) string {
	t.Helper()
	for _, f := range r.Files {
		if f.Target == at {
			text, err := os.ReadFile(f.Source)
			assert.NilError(t, err)
			return string(text)
		}
	}
	t.Fatalf("nothing at %s: %v", at, r.Files)
	return ""
}

func messages(r Result) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.String())
	}
	return strings.Join(all, "\n")
}

func TestWriteAddsTheAgentToTheImagesUsers(t *testing.T) {
	t.Parallel()
	req := request(t)
	req.Passwd = []byte("root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\nagent:x:7:7::/:/bin/false")
	req.Group = []byte("root:x:0:\nnode:x:1000:\n")
	req.UID, req.GID = 1000, 1000
	if os.Getuid() != 0 {
		req.UID, req.GID = os.Getuid(), os.Getgid()
		req.Passwd = []byte("root:x:0:0:root:/root:/bin/bash\nnode:x:" + strconv.Itoa(req.UID) + ":1::/home/node:/bin/bash\nagent:x:7:7::/:/bin/false")
	}
	result, err := Write(req)
	assert.NilError(t, err)
	uid, gid := strconv.Itoa(req.UID), strconv.Itoa(req.GID)
	assert.Equal(t, target(t, result, "/etc/passwd"), "root:x:0:0:root:/root:/bin/bash\nagent:x:"+uid+":"+gid+":agent:/home/agent:/bin/sh\n")
	assert.Assert(t, strings.Contains(target(t, result, "/etc/group"), "agent:x:"))
}

func TestWriteWritesInPlace(t *testing.T) {
	t.Parallel()
	req := request(t)
	put(t, req.Home+"/.npmrc", "token=1\n")
	req.Credentials = []string{"npm"}
	result, err := Write(req)
	assert.NilError(t, err)
	assert.Equal(t, target(t, result, "/home/agent/.npmrc"), "token=1\n")
	was, err := os.Stat(req.State + "/home/.npmrc")
	assert.NilError(t, err)
	assert.Equal(t, was.Mode().Perm(), fs.FileMode(0o600))
	put(t, req.Home+"/.npmrc", "2\n")
	result, err = Write(req)
	assert.NilError(t, err)
	assert.Equal(t, target(t, result, "/home/agent/.npmrc"), "2\n")
	is, err := os.Stat(req.State + "/home/.npmrc")
	assert.NilError(t, err)
	assert.Assert(t, os.SameFile(was, is), "a sandbox that has it mounted sees the new text")

	req.Credentials = nil
	_, err = Write(req)
	assert.NilError(t, err)
	_, err = os.Stat(req.State + "/home/.npmrc")
	assert.ErrorIs(t, err, fs.ErrNotExist, "what is not asked for any more goes")
}

func TestAVaultBringsVariablesAndFiles(t *testing.T) {
	t.Parallel()
	req := request(t)
	req.Vault = "work"
	put(t, req.Vaults+"/work/env/API_KEY", "secret\n")
	put(t, req.Vaults+"/work/home/.ssh/id_ed25519", "key\n")
	put(t, req.Vaults+"/work/home/.ssh/id_ed25519.pub", "pub\n")
	put(t, req.Vaults+"/work/keys/one", "one\n")
	assert.NilError(t, os.Symlink("../keys/one", req.Vaults+"/work/home/inside"))
	result, err := Write(req)
	assert.NilError(t, err)
	variables, err := VaultVariables(req.Vaults, req.Vault)
	assert.NilError(t, err)
	assert.DeepEqual(t, variables, map[string]string{"API_KEY": "secret"})
	assert.Equal(t, len(result.Env), 0, "no secret is the container's")
	assert.Equal(t, target(t, result, "/home/agent/inside"), "one\n")
	for name, mode := range map[string]fs.FileMode{"id_ed25519": 0o600, "id_ed25519.pub": 0o644} {
		info, err := os.Stat(req.State + "/home/.ssh/" + name)
		assert.NilError(t, err)
		assert.Equal(t, info.Mode().Perm(), mode, name)
	}
	for _, f := range result.Files {
		assert.Check(t, !f.Writable, f.Target)
	}
	assert.DeepEqual(t, sandbox.Folders(sandbox.Spec{Files: result.Files}), []string{"/home/agent/.ssh"})
}

func TestAVaultIsRefused(t *testing.T) {
	t.Parallel()
	for want, lay := range map[string]func(t *testing.T, dir string){
		"home/out is a symbolic link that leaves the vault": func(t *testing.T, dir string) {
			put(t, filepath.Dir(dir)+"/other/home/x", "x")
			assert.NilError(t, os.MkdirAll(dir+"/home", 0o700))
			assert.NilError(t, os.Symlink("../../other/home/x", dir+"/home/out"))
		},
		"env/out is a symbolic link that leaves": func(t *testing.T, dir string) {
			assert.NilError(t, os.MkdirAll(dir+"/env", 0o700))
			assert.NilError(t, os.Symlink("/etc/passwd", dir+"/env/out"))
		},
		"home/dir must be a file": func(t *testing.T, dir string) {
			put(t, dir+"/x/y", "")
			put(t, dir+"/home/a", "")
			assert.NilError(t, os.Symlink("../x", dir+"/home/dir"))
		},
		"env/A-B is not a name":         func(t *testing.T, dir string) { put(t, dir+"/env/A-B", "x") },
		"env/A has a zero byte":         func(t *testing.T, dir string) { put(t, dir+"/env/A", "a\x00b") },
		"env/A is larger than":          func(t *testing.T, dir string) { put(t, dir+"/env/A", strings.Repeat("a", 200<<10)) },
		`has a character in it that no`: func(t *testing.T, dir string) { put(t, dir+"/home/a:b", "x") },
	} {
		req := request(t)
		req.Vault = "v"
		assert.NilError(t, os.MkdirAll(req.Vaults+"/v", 0o700))
		lay(t, req.Vaults+"/v")
		_, err := Write(req)
		assert.Check(t, err != nil && strings.Contains(err.Error(), "vault v: ") && strings.Contains(err.Error(), want), "%v, wanted %s", err, want)
	}
	req := request(t)
	put(t, req.Vaults+"/work/env/A", "a")
	req.Vault = "werk"
	_, err := Write(req)
	assert.ErrorContains(t, err, "there are work")
	req.Vault = "../home"
	_, err = Write(req)
	assert.ErrorContains(t, err, `vault "../home": a name must have only letters`)
}

func TestClaudesTokenIsACopyThatStaysWhileItIsNewer(t *testing.T) {
	t.Parallel()
	req := request(t)
	req.Credentials = []string{"claude"}
	token := func(at string) string { return `{"claudeAiOauth":{"accessToken":"x","expiresAt":` + at + `}}` }
	put(t, req.Home+"/.claude/.credentials.json", token("200"))
	put(t, req.Home+"/.claude/history.jsonl", "private")
	put(t, req.Home+"/.claude.json", `{"oauthAccount":{"a":1},"hasCompletedOnboarding":true,"projects":{"/secret":{}},"mcpServers":{}}`)
	result, err := Write(req)
	assert.NilError(t, err)
	assert.Equal(t, result.Env["CLAUDE_CONFIG_DIR"], "/home/agent/.claude")
	read := func(name string) string {
		b, err := os.ReadFile(req.State + "/claude/" + name)
		assert.NilError(t, err)
		return string(b)
	}
	assert.Equal(t, read(".credentials.json"), token("200"))
	assert.Equal(t, read(".claude.json"), "{\n  \"hasCompletedOnboarding\": true,\n  \"oauthAccount\": {\n    \"a\": 1\n  }\n}\n")
	entries, err := os.ReadDir(req.State + "/claude")
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 2)

	for _, tc := range []struct{ inside, host, want string }{{"300", "200", "300"}, {"300", "400", "400"}} {
		put(t, req.State+"/claude/.credentials.json", token(tc.inside))
		put(t, req.Home+"/.claude/.credentials.json", token(tc.host))
		_, err = Write(req)
		assert.NilError(t, err)
		assert.Equal(t, read(".credentials.json"), token(tc.want))
	}
	// What an agent lays there is not followed.
	victim := filepath.Join(req.Home, "victim")
	put(t, victim, "mine")
	assert.NilError(t, os.Remove(req.State+"/claude/.credentials.json"))
	assert.NilError(t, os.Symlink(victim, req.State+"/claude/.credentials.json"))
	_, err = Write(req)
	assert.NilError(t, err)
	b, err := os.ReadFile(victim)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "mine")
	assert.Equal(t, read(".credentials.json"), token("400"))
}

func TestGitBringsOnlyPasswordsOfHostsThatAreReached(t *testing.T) {
	t.Parallel()
	req := request(t)
	req.Credentials, req.GitHosts = []string{"git"}, []string{"github.com"}
	req.UserName, req.UserEmail = `A "B" \C`, "a@b"
	req.GitConfig = []byte("[core]\n\tpager = cat")
	put(t, req.Home+"/.git-credentials", "https://u:p@github.com\nhttps://u:p@git.example.com\nhttp://u:p@github.com\n")
	result, err := Write(req)
	assert.NilError(t, err)
	assert.Equal(t, target(t, result, "/home/agent/.git-credentials"), "https://u:p@github.com\n")
	assert.Equal(t, target(t, result, "/etc/gitconfig"), `[core]
	pager = cat
# docker loom: below is what the sandbox adds
[safe]
	directory = *
[user]
	name = "A \"B\" \\C"
	email = "a@b"
[gc]
	auto = 0
	reflogExpire = never
	reflogExpireUnreachable = never
[maintenance]
	auto = false
[branch]
	autoSetupMerge = false
[push]
	default = current
[credential]
	helper = "!f() { test \"$1\" != get || git credential-store --file=/home/agent/.git-credentials get; }; f"
[core]
	sshCommand = "f() { test -e ~/.ssh/config && exec ssh \"$@\"; echo \"docker loom: ssh does not leave the sandbox. Use the repository's https address, with its host allowed (docker loom agent allow --help)\" >&2; exit 255; }; f"
[ssh]
	variant = ssh
[url "https://github.com/"]
	insteadOf = "git@github.com:"
	insteadOf = "ssh://git@github.com/"
`)
}

// Where ssh would be asked, git says what to do; a vault's .ssh/config has the word before.
func TestGitSaysWhySSHDoesNotWork(t *testing.T) {
	t.Parallel()
	req := request(t)
	_, err := Write(req)
	assert.NilError(t, err)
	home, bin := t.TempDir(), t.TempDir()
	put(t, bin+"/ssh", "#!/bin/sh\necho its own ssh >&2\nexit 255\n")
	assert.NilError(t, os.Chmod(bin+"/ssh", 0o755))
	ask := func(address string) string {
		cmd := exec.CommandContext(t.Context(), "git", "ls-remote", address)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_SYSTEM=" + req.State + "/gitconfig"}
		out, err := cmd.CombinedOutput()
		assert.Assert(t, err != nil, "%s", out)
		return string(out)
	}
	for _, address := range []string{"git@git.invalid:a/b", "ssh://git@git.invalid:2222/a/b"} {
		said := ask(address)
		assert.Check(t, strings.HasPrefix(said, "docker loom: ssh does not leave the sandbox."), said)
		assert.Check(t, strings.Count(said, "docker loom agent allow") == 1, said)
	}
	put(t, home+"/.ssh/config", "")
	assert.Check(t, strings.HasPrefix(ask("git@git.invalid:a/b"), "its own ssh"))
}

func TestMissingCredentialsSayWhatToDo(t *testing.T) {
	t.Parallel()
	req := request(t)
	req.Credentials = []string{"claude", "git", "gh", "npm"}
	result, err := Write(req)
	assert.NilError(t, err)
	for _, want := range []string{"claude setup-token", "--secret GH_TOKEN", "no such file ~/.config/gh/hosts.yml", "no such file ~/.npmrc"} {
		assert.Check(t, strings.Contains(messages(result), want), "%s not in\n%s", want, messages(result))
	}
	put(t, req.Home+"/.config/gh/hosts.yml", "github.com:\n    user: me\n")
	result, err = Write(req)
	assert.NilError(t, err)
	assert.Check(t, strings.Contains(messages(result), "keyring"), messages(result))
	req.Credentials = []string{"aws"}
	_, err = Write(req)
	assert.ErrorContains(t, err, `credentials must be claude, git, gh or npm, not "aws"`)
}
