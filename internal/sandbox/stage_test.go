package sandbox

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
)

// put writes a file of a test's own.
func put(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
}

func staging(t *testing.T) Staging {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("sandboxes have owners and modes")
	}
	dir := t.TempDir()
	return Staging{State: dir + "/state", Home: dir + "/home", Vaults: dir + "/vaults", UID: os.Getuid(), GID: os.Getgid()}
}

// target is the staged text at a path inside.
func target(t *testing.T, stock Stock, at string) string {
	t.Helper()
	for _, f := range stock.Files {
		if f.Target == at {
			text, err := os.ReadFile(f.Source)
			assert.NilError(t, err)
			return string(text)
		}
	}
	t.Fatalf("nothing at %s: %v", at, stock.Files)
	return ""
}

func messages(s Stock) string {
	var all []string
	for _, f := range s.Findings {
		all = append(all, f.String())
	}
	return strings.Join(all, "\n")
}

func TestStageAddsTheAgentToTheImagesUsers(t *testing.T) {
	t.Parallel()
	o := staging(t)
	o.Passwd = []byte("root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\nagent:x:7:7::/:/bin/false")
	o.Group = []byte("root:x:0:\nnode:x:1000:\n")
	o.UID, o.GID = 1000, 1000
	if os.Getuid() != 0 {
		o.UID, o.GID = os.Getuid(), os.Getgid()
		o.Passwd = []byte("root:x:0:0:root:/root:/bin/bash\nnode:x:" + strconv.Itoa(o.UID) + ":1::/home/node:/bin/bash\nagent:x:7:7::/:/bin/false")
	}
	stock, err := Stage(o)
	assert.NilError(t, err)
	uid, gid := strconv.Itoa(o.UID), strconv.Itoa(o.GID)
	assert.Equal(t, target(t, stock, "/etc/passwd"), "root:x:0:0:root:/root:/bin/bash\nagent:x:"+uid+":"+gid+":agent:/home/agent:/bin/sh\n")
	assert.Assert(t, strings.Contains(target(t, stock, "/etc/group"), "agent:x:"))
}

func TestStageWritesInPlace(t *testing.T) {
	t.Parallel()
	o := staging(t)
	put(t, o.Home+"/.npmrc", "token=1\n")
	o.Credentials = []string{"npm"}
	stock, err := Stage(o)
	assert.NilError(t, err)
	assert.Equal(t, target(t, stock, "/home/agent/.npmrc"), "token=1\n")
	was, err := os.Stat(o.State + "/home/.npmrc")
	assert.NilError(t, err)
	assert.Equal(t, was.Mode().Perm(), fs.FileMode(0o600))
	put(t, o.Home+"/.npmrc", "2\n")
	stock, err = Stage(o)
	assert.NilError(t, err)
	assert.Equal(t, target(t, stock, "/home/agent/.npmrc"), "2\n")
	is, err := os.Stat(o.State + "/home/.npmrc")
	assert.NilError(t, err)
	assert.Assert(t, os.SameFile(was, is), "a sandbox that has it mounted sees the new text")

	o.Credentials = nil
	_, err = Stage(o)
	assert.NilError(t, err)
	_, err = os.Stat(o.State + "/home/.npmrc")
	assert.ErrorIs(t, err, fs.ErrNotExist, "what is not asked for any more goes")
}

func TestAVaultBringsVariablesAndFiles(t *testing.T) {
	t.Parallel()
	o := staging(t)
	o.Vault = "work"
	put(t, o.Vaults+"/work/env/API_KEY", "secret\n")
	put(t, o.Vaults+"/work/home/.ssh/id_ed25519", "key\n")
	put(t, o.Vaults+"/work/home/.ssh/id_ed25519.pub", "pub\n")
	put(t, o.Vaults+"/work/keys/one", "one\n")
	assert.NilError(t, os.Symlink("../keys/one", o.Vaults+"/work/home/inside"))
	stock, err := Stage(o)
	assert.NilError(t, err)
	variables, err := VaultVariables(o.Vaults, o.Vault)
	assert.NilError(t, err)
	assert.DeepEqual(t, variables, map[string]string{"API_KEY": "secret"})
	assert.Equal(t, len(stock.Env), 0, "no secret is the container's")
	assert.Equal(t, target(t, stock, "/home/agent/inside"), "one\n")
	for name, mode := range map[string]fs.FileMode{"id_ed25519": 0o600, "id_ed25519.pub": 0o644} {
		info, err := os.Stat(o.State + "/home/.ssh/" + name)
		assert.NilError(t, err)
		assert.Equal(t, info.Mode().Perm(), mode, name)
	}
	for _, f := range stock.Files {
		assert.Check(t, !f.Writable, f.Target)
	}
	assert.DeepEqual(t, Folders(Spec{Files: stock.Files}), []string{"/home/agent/.ssh"})
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
		"home/dir is no file": func(t *testing.T, dir string) {
			put(t, dir+"/x/y", "")
			put(t, dir+"/home/a", "")
			assert.NilError(t, os.Symlink("../x", dir+"/home/dir"))
		},
		"env/A-B is no name":            func(t *testing.T, dir string) { put(t, dir+"/env/A-B", "x") },
		"env/A has a zero byte":         func(t *testing.T, dir string) { put(t, dir+"/env/A", "a\x00b") },
		"env/A is larger than":          func(t *testing.T, dir string) { put(t, dir+"/env/A", strings.Repeat("a", 200<<10)) },
		`has a character in it that no`: func(t *testing.T, dir string) { put(t, dir+"/home/a:b", "x") },
	} {
		o := staging(t)
		o.Vault = "v"
		assert.NilError(t, os.MkdirAll(o.Vaults+"/v", 0o700))
		lay(t, o.Vaults+"/v")
		_, err := Stage(o)
		assert.Check(t, err != nil && strings.Contains(err.Error(), "vault v: ") && strings.Contains(err.Error(), want), "%v, wanted %s", err, want)
	}
	o := staging(t)
	put(t, o.Vaults+"/work/env/A", "a")
	o.Vault = "werk"
	_, err := Stage(o)
	assert.ErrorContains(t, err, "there are work")
	o.Vault = "../home"
	_, err = Stage(o)
	assert.ErrorContains(t, err, `vault "../home": allowed are letters`)
}

func TestClaudesTokenIsACopyThatStaysWhileItIsNewer(t *testing.T) {
	t.Parallel()
	o := staging(t)
	o.Credentials = []string{"claude"}
	token := func(at string) string { return `{"claudeAiOauth":{"accessToken":"x","expiresAt":` + at + `}}` }
	put(t, o.Home+"/.claude/.credentials.json", token("200"))
	put(t, o.Home+"/.claude/history.jsonl", "private")
	put(t, o.Home+"/.claude.json", `{"oauthAccount":{"a":1},"hasCompletedOnboarding":true,"projects":{"/secret":{}},"mcpServers":{}}`)
	stock, err := Stage(o)
	assert.NilError(t, err)
	assert.Equal(t, stock.Env["CLAUDE_CONFIG_DIR"], "/home/agent/.claude")
	read := func(name string) string {
		b, err := os.ReadFile(o.State + "/claude/" + name)
		assert.NilError(t, err)
		return string(b)
	}
	assert.Equal(t, read(".credentials.json"), token("200"))
	assert.Equal(t, read(".claude.json"), "{\n  \"hasCompletedOnboarding\": true,\n  \"oauthAccount\": {\n    \"a\": 1\n  }\n}\n")
	entries, err := os.ReadDir(o.State + "/claude")
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 2)

	for _, tc := range []struct{ inside, host, want string }{{"300", "200", "300"}, {"300", "400", "400"}} {
		put(t, o.State+"/claude/.credentials.json", token(tc.inside))
		put(t, o.Home+"/.claude/.credentials.json", token(tc.host))
		_, err = Stage(o)
		assert.NilError(t, err)
		assert.Equal(t, read(".credentials.json"), token(tc.want))
	}
	// What an agent lays there is not followed.
	victim := filepath.Join(o.Home, "victim")
	put(t, victim, "mine")
	assert.NilError(t, os.Remove(o.State+"/claude/.credentials.json"))
	assert.NilError(t, os.Symlink(victim, o.State+"/claude/.credentials.json"))
	_, err = Stage(o)
	assert.NilError(t, err)
	b, err := os.ReadFile(victim)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "mine")
	assert.Equal(t, read(".credentials.json"), token("400"))
}

func TestGitBringsOnlyPasswordsOfHostsThatAreReached(t *testing.T) {
	t.Parallel()
	o := staging(t)
	o.Credentials, o.GitHosts = []string{"git"}, []string{"github.com"}
	o.UserName, o.UserEmail = `A "B" \C`, "a@b"
	o.GitConfig = []byte("[core]\n\tpager = cat")
	put(t, o.Home+"/.git-credentials", "https://u:p@github.com\nhttps://u:p@git.example.com\nhttp://u:p@github.com\n")
	stock, err := Stage(o)
	assert.NilError(t, err)
	assert.Equal(t, target(t, stock, "/home/agent/.git-credentials"), "https://u:p@github.com\n")
	assert.Equal(t, target(t, stock, "/etc/gitconfig"), `[core]
	pager = cat
# docker loom: below is what the sandbox adds
[safe]
	directory = *
[user]
	name = "A \"B\" \\C"
	email = "a@b"
[gc]
	auto = 0
[maintenance]
	auto = false
[branch]
	autoSetupMerge = false
[push]
	default = current
[credential]
	helper = "!f() { test \"$1\" != get || git credential-store --file=/home/agent/.git-credentials get; }; f"
[core]
	sshCommand = "f() { test -e ~/.ssh/config && exec ssh \"$@\"; echo \"docker loom: ssh does not leave the sandbox. Use the repository's https address, with its host allowed: docker loom agent allow HOST\" >&2; exit 255; }; f"
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
	o := staging(t)
	_, err := Stage(o)
	assert.NilError(t, err)
	home, bin := t.TempDir(), t.TempDir()
	put(t, bin+"/ssh", "#!/bin/sh\necho its own ssh >&2\nexit 255\n")
	assert.NilError(t, os.Chmod(bin+"/ssh", 0o755))
	ask := func(address string) string {
		cmd := exec.CommandContext(t.Context(), "git", "ls-remote", address)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_SYSTEM=" + o.State + "/gitconfig"}
		out, err := cmd.CombinedOutput()
		assert.Assert(t, err != nil, "%s", out)
		return string(out)
	}
	for _, address := range []string{"git@git.invalid:a/b", "ssh://git@git.invalid:2222/a/b"} {
		said := ask(address)
		assert.Check(t, strings.HasPrefix(said, "docker loom: ssh does not leave the sandbox."), said)
		assert.Check(t, strings.Count(said, "docker loom agent allow HOST") == 1, said)
	}
	put(t, home+"/.ssh/config", "")
	assert.Check(t, strings.HasPrefix(ask("git@git.invalid:a/b"), "its own ssh"))
}

func TestMissingCredentialsSayWhatToDo(t *testing.T) {
	t.Parallel()
	o := staging(t)
	o.Credentials = []string{"claude", "git", "gh", "npm"}
	stock, err := Stage(o)
	assert.NilError(t, err)
	for _, want := range []string{"claude setup-token", "--secret GH_TOKEN", "there is no ~/.config/gh/hosts.yml", "there is no ~/.npmrc"} {
		assert.Check(t, strings.Contains(messages(stock), want), "%s not in\n%s", want, messages(stock))
	}
	put(t, o.Home+"/.config/gh/hosts.yml", "github.com:\n    user: me\n")
	stock, err = Stage(o)
	assert.NilError(t, err)
	assert.Check(t, strings.Contains(messages(stock), "keyring"), messages(stock))
	o.Credentials = []string{"aws"}
	_, err = Stage(o)
	assert.ErrorContains(t, err, `credentials "aws": allowed are claude, git, gh and npm`)
}

func TestCheckMounts(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths of another system")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	h := Host{Home: dir + "/home", WorkTree: dir + "/tree", Closed: []string{dir + "/home/.docker", dir + "/docker.sock"}}
	for _, f := range []string{"/home/notes/a", "/home/.ssh/id", "/home/.docker/config.json", "/home/.aws/credentials", "/tree/.git/config", "/docker.sock", "/else/x"} {
		put(t, dir+f, "")
	}
	assert.NilError(t, os.Symlink(dir+"/home/.docker", dir+"/home/link"))
	assert.NilError(t, os.Symlink(dir+"/else", dir+"/home/fine"))
	got, found, err := CheckMounts([]Mount{
		{Source: "~/notes", Target: "/notes/", ReadOnly: true},
		{Source: "~/gone", Target: "/gone", ReadOnly: true},
		{Source: "~/fine", Target: "/fine"},
		{Source: "~/.aws/credentials", Target: "/home/agent/.aws/credentials", ReadOnly: true},
	}, h)
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []Mount{
		{Source: dir + "/home/notes", Target: "/notes", ReadOnly: true},
		{Source: dir + "/else", Target: "/fine"},
		{Source: dir + "/home/.aws/credentials", Target: "/home/agent/.aws/credentials", ReadOnly: true},
	})
	assert.Equal(t, len(found), 1)
	assert.Equal(t, found[0].String(), "warning: mount ~/gone: it is not there, so the agent goes without it (container.agent.mounts)")

	for _, tc := range []struct{ source, target, want string }{
		{"notes", "/n", "neither absolute nor in ~"},
		{"~/notes/../.ssh", "/n", `has ".." in it`},
		{"~", "/n", "has your whole home folder in it"},
		{"/", "/n", "has your whole home folder in it"},
		{dir, "/n", "has your whole home folder in it"},
		{"/etc", "/n", "is a folder of the system"},
		{"~/.docker", "/n", "would show the agent"},
		{"~/.docker/config.json", "/n", "would show the agent"},
		{"~/link/config.json", "/n", "would show the agent"},
		{dir + "/docker.sock", "/n", "would show the agent"},
		{"~/.ssh", "/n", "would show the agent all keys"},
		{"~/notes", "n", "it is not absolute"},
		{"~/notes", "/n/../etc", `it has ".." in it`},
		{"~/notes", "/", "the sandbox's own"},
		{"~/notes", "/etc/ssl", "the sandbox's own"},
		{"~/notes", "/home/agent", "the sandbox's own"},
		{"~/notes", "/home", "the sandbox's own"},
		{"~/notes", "/usr", "the sandbox's own"},
		{"~/notes", dir + "/tree", "it covers the work tree"},
		{"~/notes", dir, "it covers the work tree"},
		{"~/notes", dir + "/tree/.git", "it covers .git"},
		{"~/notes", dir + "/tree/.git/hooks", "it covers .git"},
		{"~/notes", dir + "/tree/.iloom", "it covers .iloom"},
		{dir + "/tree/.git", "/n", "parts of which are read-only"},
	} {
		_, _, err := CheckMounts([]Mount{{Source: tc.source, Target: tc.target}}, h)
		assert.Check(t, err != nil && strings.Contains(err.Error(), tc.want), "%s at %s: %v, wanted %s", tc.source, tc.target, err, tc.want)
	}
}

func TestALinkInTheWorkTreeIsNoSourceOfAMount(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	tree, other := filepath.Join(dir, "tree"), filepath.Join(dir, "other")
	for _, d := range []string{tree, other, filepath.Join(tree, "data")} {
		assert.NilError(t, os.Mkdir(d, 0o755))
	}
	assert.NilError(t, os.Symlink(other, filepath.Join(tree, "link")))
	h := Host{Home: filepath.Join(dir, "home"), WorkTree: tree}
	_, _, err = CheckMounts([]Mount{{Source: filepath.Join(tree, "data"), Target: "/data", ReadOnly: true}}, h)
	assert.NilError(t, err)
	_, _, err = CheckMounts([]Mount{{Source: filepath.Join(tree, "link"), Target: "/data", ReadOnly: true}}, h)
	assert.ErrorContains(t, err, "a link in the work tree leads to "+other)
}
