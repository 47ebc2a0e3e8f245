//go:build e2e

package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/sandbox/staging"
)

// withGit is debian:bookworm-slim with this machine's git, which needs no library that the image has not.
const withGit = "loom-test/git:latest"

var makeImage = sync.OnceValue(func() error {
	if exec.Command("docker", "image", "inspect", withGit).Run() == nil {
		return nil
	}
	out, err := exec.Command("/bin/sh", "-ec", `
		id=$(docker create debian:bookworm-slim)
		tar -C / -c usr/bin/git usr/lib/git-core usr/share/git-core | docker cp - "$id":/
		docker commit "$id" `+withGit+` >/dev/null
		docker rm "$id" >/dev/null`).CombinedOutput()
	if err != nil {
		return fmt.Errorf("image with git: %w: %s", err, out)
	}
	return nil
})

// box is a running sandbox.
type box struct {
	t    *testing.T
	spec sandbox.Spec
	id   string
}

func host(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := tryHost(t, dir, args...)
	assert.NilError(t, err, "%s: %s", args, out)
	return out
}

func tryHost(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@x", "GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@x")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func realTemp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	return dir
}

var places atomic.Int32

func subnet(a, b, c, d byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), 24)
}

// start makes a sandbox as docker loom does: git's facts, what is missing, rights, files, containers.
func start(t *testing.T, workTree, common, dir string, change func(*sandbox.Spec)) *box {
	t.Helper()
	assert.NilError(t, makeImage())
	name := fmt.Sprintf("sandbox-test-%x", rand.Uint32())
	// No two boxes have the same, and none is of the engine's own pool.
	place := byte(places.Add(1))
	s := sandbox.Spec{
		Policy:  sandbox.Policy{Egress: egress.None, Image: withGit},
		Project: name, WorkTree: workTree, UID: sandbox.FixedID, GID: sandbox.FixedID, Image: withGit, EgressImage: "none", State: t.TempDir(),
		Subnet: subnet(10, 240, place, 0), OuterSubnet: subnet(10, 241, place, 0), IsolatedGateway: engineHasIsolated(t),
	}
	if common != "" {
		var err error
		s.Git, _, err = gitview.Read(workTree, common, dir)
		assert.NilError(t, err)
	}
	if change != nil {
		change(&s)
	}
	assert.NilError(t, gitview.Prepare(workTree, s.Git))
	_, err := acl.Grant(s.Rights(), s.UID)
	assert.NilError(t, err)
	staged, err := staging.Write(staging.Request{State: s.State, UID: s.UID, GID: s.GID, UserName: "Agent", UserEmail: "agent@example.com"})
	assert.NilError(t, err)
	s.Files = append(s.Files, staged.Files...)
	p, _, err := sandbox.Compile(s)
	assert.NilError(t, err)
	text, err := p.MarshalYAML()
	assert.NilError(t, err)
	t.Cleanup(func() {
		cmd := exec.Command("docker", "compose", "-f", "-", "-p", name, "down", "-v", "-t", "2")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.CombinedOutput()
		assert.Check(t, err, "%s", out)
	})
	compose := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "docker", append([]string{"compose", "-f", "-"}, append(args, "--no-deps", sandbox.ServiceName(""))...)...)
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.CombinedOutput()
		assert.NilError(t, err, "%s\n%s", out, text)
	}
	compose("up", "--no-start")
	view, err := s.View()
	assert.NilError(t, err)
	if view != nil {
		links, err := json.Marshal(view.Links)
		assert.NilError(t, err)
		at := host(t, "/", "docker", "volume", "inspect", "-f", "{{.Mountpoint}}", name+"_"+view.Volume)
		var said bytes.Buffer
		code := egress.Main(t.Context(), []string{"view", at, string(links)}, egress.Process{Getenv: os.Getenv, Stdout: &said, Stderr: &said})
		assert.Equal(t, code, 0, said.String())
	}
	compose("up", "-d")
	return &box{t, s, name + "-" + sandbox.ServiceName("") + "-1"}
}

func engineHasIsolated(t *testing.T) bool {
	v := host(t, "/", "docker", "version", "-f", "{{.Server.APIVersion}}")
	var major, minor int
	_, err := fmt.Sscanf(v, "%d.%d", &major, &minor)
	assert.NilError(t, err)
	return major > 1 || minor >= 48
}

// in runs a script in the sandbox.
func (b *box) in(script string) (string, error) {
	out, err := exec.CommandContext(b.t.Context(), "docker", "exec", b.id, "/bin/sh", "-ec", script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (b *box) must(script string) string {
	b.t.Helper()
	out, err := b.in(script)
	assert.Check(b.t, err, "%s: %s", script, out)
	return out
}

func (b *box) refused(script string) {
	b.t.Helper()
	if out, err := b.in(script); err == nil {
		b.t.Errorf("it worked: %s\n%s", script, out)
	}
}

// project is a repository with a submodule, a linked work tree beside it and one inside it.
func project(t *testing.T) (main, linked, canary string) {
	t.Helper()
	dir := realTemp(t)
	main, linked, canary = filepath.Join(dir, "main"), filepath.Join(dir, "linked"), filepath.Join(dir, "canary")
	host(t, dir, "git", "init", "-q", "-b", "main", "lib")
	host(t, dir+"/lib", "git", "commit", "-q", "--allow-empty", "-m", "lib")
	host(t, dir, "git", "init", "-q", "-b", "main", "main")
	write(t, main+"/a", "1\n")
	host(t, main, "git", "add", ".")
	host(t, main, "git", "-c", "protocol.file.allow=always", "submodule", "add", "-q", dir+"/lib", "deep/er/lib")
	host(t, main, "git", "commit", "-q", "-m", "one")
	write(t, main+"/a", "2\n")
	host(t, main, "git", "commit", "-q", "-am", "two")
	host(t, main, "git", "worktree", "add", "-q", linked, "-b", "feat")
	host(t, linked, "git", "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	host(t, main, "git", "worktree", "add", "-q", "trees/other", "-b", "other")
	host(t, main, "git", "config", "core.editor", "true")
	return main, linked, canary
}

// good are git's everyday commands.
const good = `
	echo 3 >>a; git commit -qam three; git branch side; git tag t1; git tag -a -m m t2
	echo 4 >>a; git stash -q; git stash list | grep -q stash; git stash pop -q; git commit -qam four
	git checkout -q -b topic HEAD~1; echo n >n; git add n; git commit -qm n; git rebase -q side; git log --oneline | grep -q three
	git commit -q --amend -m nn; git reset -q --soft HEAD~1; git commit -qm nnn; git merge -q side; git status --porcelain | grep -v '^??' || true
	git diff HEAD~1 --stat >/dev/null; git fsck --no-dangling >/dev/null 2>&1; git worktree list >/dev/null; git submodule status >/dev/null`

func TestGitWorksInALinkedWorkTreeAndItsConfigurationIsOutOfReach(t *testing.T) {
	main, linked, canary := project(t)
	b := start(t, linked, main+"/.git", main+"/.git/worktrees/linked", nil)
	b.must(good)
	b.must(`git checkout -q -b pick side; echo p >p; git add p; git commit -qm p; git checkout -q feat; git cherry-pick pick >/dev/null; git commit -q --amend -m picked
		test -z "$(git stash list)"; git tag t3; git update-ref -d refs/tags/t3; git update-ref -d refs/heads/pick
		! git rev-parse -q --verify t3; ! git rev-parse -q --verify pick; test -z "$(git status --porcelain | grep -v '^??')"`)
	assert.Equal(t, b.must("id -u"), "61000")
	plant := "printf '#!/bin/sh\\ntouch " + canary + "\\n' >/tmp/evil; chmod +x /tmp/evil; "
	own := main + "/.git/worktrees/linked"
	for _, script := range []string{
		"echo x >" + main + "/.git/hooks/pre-commit", "git config core.fsmonitor /tmp/evil", "git config --worktree core.fsmonitor /tmp/evil",
		"git config core.hooksPath /tmp", "rm " + main + "/.git/config", "mv " + main + "/.git/config " + main + "/.git/c",
		"mv " + main + "/.git " + main + "/g", "mv " + main + "/.git/hooks " + main + "/.git/h",
		"echo /tmp >" + own + "/commondir", "rm " + own + "/commondir", "mv " + own + "/commondir " + own + "/x", "ln -sf /tmp " + own + "/commondir",
		"echo /tmp >" + own + "/gitdir", "rm " + own + "/gitdir", "echo x >" + own + "/config.worktree", "rm " + own + "/config.worktree",
		"echo x >" + own + "/config.worktree.lock && mv " + own + "/config.worktree.lock " + own + "/config.worktree",
		"mv " + own + " " + own + "x", "mv " + own + "/modules " + own + "/m", "rmdir " + own + "/modules/deep", "touch " + own + "/modules/x",
		"echo '[core] fsmonitor=/tmp/evil' >>" + own + "/modules/deep/er/lib/config",
		"echo x >" + main + "/.git/worktrees/other/HEAD", "touch " + main + "/.git/worktrees/other/x",
		"echo 'gitdir: /tmp' >.git", "rm .git", "mv .git x", "mv x .git",
		"echo 'gitdir: /tmp' >deep/er/lib/.git", "mv deep/er/lib/.git x", "rm -f deep/er/lib/.git", "mv deep/er deep/x", "mv deep x", "mv deep/er/lib deep/y", "rm -rf deep",
		"touch .iloom/x", "mv .iloom x", "rmdir .iloom", "touch " + main + "/a", "cat " + main + "/a", "touch /usr/x", "touch /etc/x", "touch " + filepath.Dir(main) + "/x",
	} {
		b.refused(plant + script)
	}
	for _, dir := range []string{linked, main, linked + "/deep/er/lib", main + "/trees/other"} {
		host(t, dir, "git", "status")
		host(t, dir, "git", "-c", "core.untrackedCache=false", "diff", "HEAD")
	}
	assertNone(t, canary)
	// What it makes beside them is in the sandbox's own folder. A view that went through one would end every ref that it packs.
	b.must("echo x >" + main + "/.git/new")
	assertNone(t, main+"/.git/new")
	for _, script := range []string{"git pack-refs --all", "git gc", "rm " + main + "/.git/packed-refs", "mv " + main + "/.git/packed-refs.5 /tmp", "touch " + main + "/.git/x.tmp && mv " + main + "/.git/x.tmp " + main + "/.git/packed-refs.5", "mv " + main + "/.git/HEAD /tmp"} {
		b.refused(script)
	}
	assert.Equal(t, host(t, main, "git", "rev-parse", "--abbrev-ref", "feat"), "feat")
	// What another process writes, the agent sees, and the other way round.
	host(t, main, "git", "pack-refs", "--all")
	b.must("git log -1 side >/dev/null; git stash list; git branch afterwards; git branch | grep -q topic")
	host(t, main, "git", "gc", "-q")
	b.must("git log -1 side >/dev/null; git rev-parse feat t1 main >/dev/null; echo 9 >>a; git commit -qam nine")
	assert.Equal(t, host(t, linked, "git", "log", "-1", "--format=%s"), "nine")
}

func TestGitWorksInAMainCheckoutAndItsConfigurationIsOutOfReach(t *testing.T) {
	main, _, canary := project(t)
	before := host(t, main, "git", "config", "--list", "--local")
	b := start(t, main, main+"/.git", main+"/.git", nil)
	b.must(good + "; git branch -D side; git tag -d t1; git pack-refs --all; git cherry-pick topic~1 || git cherry-pick --abort; git stash drop || true")
	plant := "printf '#!/bin/sh\\ntouch " + canary + "\\n' >/tmp/evil; chmod +x /tmp/evil; mkdir -p /tmp/c; printf '[core]\\nfsmonitor=/tmp/evil\\n' >/tmp/c/config; "
	for _, script := range []string{
		"echo x >.git/hooks/pre-commit", "mv .git/hooks .git/h", "rm -rf .git/hooks && mkdir .git/hooks", "rm .git/hooks/*",
		"git config core.fsmonitor /tmp/evil", "git config --worktree core.fsmonitor /tmp/evil", "rm .git/config", "mv /tmp/c/config .git/config",
		"echo '[core] fsmonitor=/tmp/evil' >.git/config.lock && mv .git/config.lock .git/config", "echo x >>.git/config.worktree", "rm -f .git/config.worktree",
		"echo /tmp/c >.git/commondir", "rm -f .git/commondir", "mv .git/commondir x", "ln -sf /tmp/c .git/commondir", "cp -f /tmp/c/config .git/commondir",
		"mv .git g", "rmdir .git", "mv .git/objects .git/o", "mv .git/refs .git/r", "mv .git/logs .git/l", "mv .git/info .git/i", "echo '* filter=x' >.git/info/attributes",
		"touch .git/modules/x", "mv .git/modules .git/m", "echo '[core] fsmonitor=/tmp/evil' >>.git/modules/deep/er/lib/config", "echo x >.git/remotes/origin",
		"touch .git/worktrees/x", "echo /tmp/c >.git/worktrees/other/commondir", "mv .git/worktrees .git/w", "echo x >.git/description",
		"echo 'gitdir: /tmp' >deep/er/lib/.git", "mv deep/er/lib/.git x", "mv deep/er deep/x", "mv deep x", "mv deep/er/lib deep/y",
		"touch trees/other/x", "echo 'gitdir: /tmp' >trees/other/.git", "mv trees x", "mv trees/other trees/x", "rm -rf trees",
		"touch .iloom/x", "mv .iloom x", "touch /usr/x", "touch " + filepath.Dir(main) + "/x", "touch " + filepath.Dir(main) + "/linked/x",
	} {
		b.refused(plant + script)
	}
	for _, dir := range []string{main, main + "/deep/er/lib", main + "/trees/other", filepath.Dir(main) + "/linked"} {
		host(t, dir, "git", "status")
	}
	assertNone(t, canary)
	assert.Equal(t, host(t, main, "git", "config", "--list", "--local"), before)
	// The user's own git is unharmed by what guards it.
	write(t, main+"/u", "u")
	host(t, main, "git", "add", "u")
	host(t, main, "git", "commit", "-q", "-m", "u")
	host(t, main, "git", "worktree", "add", "-q", filepath.Dir(main)+"/third", "-b", "third")
	host(t, main, "git", "gc", "-q")
	host(t, main, "git", "fsck")
	b.must("git log -1 third >/dev/null; echo z >>a; git commit -qam z")
	assert.NilError(t, gitview.Unprepare(b.spec.Git))
	assert.Equal(t, host(t, main, "git", "log", "-1", "--format=%s"), "z")
}

func TestAReadOnlyAgentReadsAndWritesNothing(t *testing.T) {
	main, linked, _ := project(t)
	for _, at := range []struct{ tree, dir string }{{linked, main + "/.git/worktrees/linked"}, {main, main + "/.git"}} {
		b := start(t, at.tree, main+"/.git", at.dir, func(s *sandbox.Spec) { s.ReadOnly = true })
		b.must("git log --oneline | grep -q two; git status >/dev/null; git diff HEAD~1 >/dev/null; cat a")
		for _, script := range []string{"touch x", "echo x >>a", "git branch x", "git add -A && git commit -m x", "touch .git/x", "touch " + at.dir + "/x", "touch " + main + "/.git/objects/x", "touch .iloom/x"} {
			b.refused(script)
		}
	}
}

func TestTheContainerIsHardened(t *testing.T) {
	dir := realTemp(t)
	b := start(t, dir, "", "", func(s *sandbox.Spec) { s.Limits = sandbox.Limits{Memory: 256 << 20, CPUs: 1, PIDs: 64} })
	b.must("touch f; grep -q '^CapEff:.0000000000000000$' /proc/self/status; grep -q '^CapBnd:.0000000000000000$' /proc/self/status; grep -q '^NoNewPrivs:.1$' /proc/self/status; grep -q '^Seccomp:.2$' /proc/self/status")
	b.must("cp /bin/true /tmp/t && /tmp/t; touch /run/x; test $(stat -c %a /tmp) = 1777; test \"$(whoami)\" = agent; test $HOME = /home/agent")
	b.refused("touch /x")
	b.refused("mount -t tmpfs x /tmp")
	b.refused("unshare -m true")
	b.refused("test -e /var/run/docker.sock")
	b.refused("head -c 200m /dev/zero >/tmp/full")
	b.must("getent hosts loom-agent-egress | grep -q ^10.240")
	b.refused("getent hosts deb.debian.org")
	got := host(t, "/", "docker", "inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.IpcMode}} {{.HostConfig.Privileged}} {{.HostConfig.PidMode}} {{.Config.User}}", b.id)
	assert.Equal(t, got, "268435456 268435456 1000000000 64 true private false  61000:61000")
	host(t, "/", "docker", "stop", "-t", "60", b.id)
	assert.Equal(t, host(t, "/", "docker", "inspect", "-f", "{{.State.ExitCode}}", b.id), "0")
}

func assertNone(t *testing.T, path string) {
	t.Helper()
	_, err := os.Lstat(path)
	assert.Assert(t, os.IsNotExist(err), "%s: something ran", path)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
}
