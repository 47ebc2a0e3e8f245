//go:build e2e && linux

package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

// These tests are an agent gone wrong: what runs in the sandbox is the attacker (e2e/attacker), and what it tries must fail.
// So that no attack fails for a reason of its own, each is first or last made in a plain container, where it succeeds. What
// each claim of docs/guide/sandbox.md is tested by is said there.

// attackerProgram is built once.
var attackerProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "loom-e2e-attacker-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "attacker")
	cmd := exec.Command("go", "build", "-tags", "e2e", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "./attacker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// siege is the world of a test that attacks. The repository has work trees tree-123 and tree-124 beside its main checkout.
type siege struct {
	*field
	image string
	plain string   // name of a plain container that sees the whole world of the test, as root
	flags []string // of docker loom agent
}

// newSiege makes the world of a siege. settings are those of container.agent beside the image, in JSON without braces. With
// an owner other than 0 all files are that user's, as they are where docker loom is not run by root.
func newSiege(t *testing.T, name string, place, owner int, settings string, files map[string]string) *siege {
	t.Helper()
	notCore(t)
	s := &siege{field: newField(t, name, place, files)}
	s.image = "loom-test/" + s.repo + "-agent"
	s.buildImage()
	if settings != "" {
		settings = ", " + settings
	}
	s.write(filepath.Join(s.home, ".config", "iloom-ai", "settings.json"), fmt.Sprintf(
		`{"container": {"addressPool": ["10.%d.0.0/16"], "agent": {"image": %q%s}, "agents": {"other": {"egress": {"allow": ["other.test"]}}}}}`, 200+place, s.image, settings))
	attacker, err := attackerProgram()
	assert.NilError(t, err)
	s.write(filepath.Join(s.repoDir, ".git", "info", "exclude"), ".attack/\n")
	// git as root in another's repository asks for this.
	s.git(s.repoDir, "config", "--global", "safe.directory", "*")
	for _, id := range []string{"123", "124"} {
		s.git(s.repoDir, "worktree", "add", "-q", "-b", "issue-"+id, s.tree(id))
	}
	for _, dir := range []string{s.repoDir, s.tree("123"), s.tree("124")} {
		assert.NilError(t, os.MkdirAll(filepath.Join(dir, ".attack"), 0o755))
		o := run(s.command(dir, "cp", attacker, ".attack/attacker"))
		assert.NilError(t, o.err, o)
	}
	if owner != 0 {
		for _, dir := range []string{s.repoDir, s.tree("123"), s.tree("124")} {
			o := run(s.command(dir, "chown", "-R", fmt.Sprintf("%d:%d", owner, owner), "."))
			assert.NilError(t, o.err, o)
		}
	}
	s.plain = s.repo + "-plain"
	s.docker("run", "-d", "--init", "--name", s.plain, "--stop-signal", "KILL", "-v", s.work+":"+s.work, s.image, "sleep", "1000000")
	return s
}

// tree is the work tree of loom id.
func (s *siege) tree(id string) string { return filepath.Join(s.work, "tree-"+id) }

// buildImage makes an image with a shell, git and the attacker as a program that is setuid root. git and its libraries are
// this machine's, so that no network is needed.
func (s *siege) buildImage() {
	s.Helper()
	attacker, err := attackerProgram()
	assert.NilError(s, err)
	git, err := exec.LookPath("git")
	assert.NilError(s, err)
	paths := map[string]string{"usr/bin/git": git, "attack/setuid": attacker}
	ldd, err := exec.Command("ldd", git).Output()
	assert.NilError(s, err)
	for _, m := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(string(ldd), -1) {
		paths[strings.TrimPrefix(m[1], "/")] = m[1]
	}
	var context bytes.Buffer
	w := tar.NewWriter(&context)
	add := func(name string, mode int64, text []byte) {
		assert.NilError(s, w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}))
		_, err := w.Write(text)
		assert.NilError(s, err)
	}
	add("Dockerfile", 0o644, []byte("FROM "+image+"\nCOPY root/ /\nRUN chmod 4755 /attack/setuid && mkdir -p /tmp && chmod 1777 /tmp\n"))
	for name, path := range paths {
		text, err := os.ReadFile(path)
		assert.NilError(s, err)
		add("root/"+name, 0o755, text)
	}
	assert.NilError(s, w.Close())
	cmd := s.command(s.work, "docker", "build", "-q", "-t", s.image, "-")
	cmd.Stdin = &context
	o := run(cmd)
	assert.NilError(s, o.err, o)
}

func (s *siege) docker(args ...string) string {
	s.Helper()
	o := run(s.command(s.work, "docker", args...))
	assert.NilError(s, o.err, "docker %s: %s", strings.Join(args, " "), o)
	return strings.TrimSpace(o.stdout.String())
}

// agent runs a command in the sandbox of loom id, from its work tree.
func (s *siege) agent(id, stdin string, command ...string) *outcome {
	return s.agentWith(id, stdin, slices.Concat([]string{"loom", "agent", id, "-q", "-i"}, s.flags, []string{"--"}, command))
}

func (s *siege) agentWith(id, stdin string, args []string) *outcome {
	dir := s.tree(id)
	if !exists(dir) {
		dir = s.repoDir
	}
	cmd := s.command(dir, "docker", args...)
	cmd.Stdin = strings.NewReader(stdin)
	return run(cmd)
}

// up brings a loom up.
func (s *siege) up(id string) {
	s.Helper()
	dir := s.tree(id)
	if !exists(dir) {
		dir = s.repoDir
	}
	o := run(s.command(dir, "docker", "loom", "up", id, "-q"))
	assert.NilError(s, o.err, o)
}

// attacker is the program in the work tree of loom id.
func (s *siege) attacker(id string) string {
	dir := s.tree(id)
	if !exists(dir) {
		dir = s.repoDir
	}
	return filepath.Join(dir, ".attack", "attacker")
}

// refused wants an attack from loom id's sandbox to be refused, and says what the attacker was told.
func (s *siege) refused(id string, args ...string) string {
	s.Helper()
	o := s.agent(id, "", append([]string{s.attacker(id)}, args...)...)
	code := exitOf(o)
	if code != 3 {
		s.Errorf("attack %s: exit code %d, and not 3 (refused):\n%s", strings.Join(args, " "), code, o)
	}
	return o.stdout.String()
}

// reached wants the same to succeed from there.
func (s *siege) reached(id string, args ...string) string {
	s.Helper()
	o := s.agent(id, "", append([]string{s.attacker(id)}, args...)...)
	if exitOf(o) != 0 {
		s.Errorf("%s:\n%s", strings.Join(args, " "), o)
	}
	return o.stdout.String()
}

// control wants an attack to succeed in a container of that name.
func (s *siege) control(container string, args ...string) {
	s.Helper()
	var o *outcome
	for range 3 { // a datagram may be lost
		o = run(s.command(s.work, "docker", append([]string{"exec", container, s.attacker("124")}, args...)...))
		if exitOf(o) == 0 {
			return
		}
	}
	s.Errorf("control: %s does not succeed in container %s either, so that its refusal shows nothing:\n%s", strings.Join(args, " "), container, o)
}

func exitOf(o *outcome) int {
	if o.err == nil {
		return 0
	}
	if e, ok := o.err.(*exec.ExitError); ok { //nolint:errorlint // as exec gives it
		return e.ExitCode()
	}
	return -1
}

// verdicts are the attacker's lines, by what was tried: "" for what succeeded, otherwise the reason.
func (s *siege) verdicts(o *outcome) map[string]string {
	s.Helper()
	all := map[string]string{}
	lines := bufio.NewScanner(&o.stdout)
	for lines.Scan() {
		switch parts := strings.SplitN(lines.Text(), "\t", 3); {
		case len(parts) == 2 && parts[0] == "OK":
			all[parts[1]] = ""
		case len(parts) == 3 && parts[0] == "NO":
			all[parts[1]] = parts[2]
		}
	}
	return all
}

// tried wants each of the lines to be refused in loom id's sandbox, and to succeed in the plain container afterwards. In
// between, and that is what it is about, git on the host runs nothing of the attacker's.
func (s *siege) tried(id string, lines []string, between func()) {
	s.Helper()
	stdin := strings.Join(lines, "\n") + "\n"
	o := s.agent(id, stdin, s.attacker(id), "files")
	assert.NilError(s, o.err, o)
	got := s.verdicts(o)
	for _, line := range lines {
		why, done := got[line]
		switch {
		case !done:
			s.Errorf("%s was not tried:\n%s", line, o)
		case why == "":
			s.Errorf("attack %s has succeeded", line)
		}
	}
	if between != nil {
		between()
	}
	cmd := s.command(s.work, "docker", "exec", "-i", s.plain, s.attacker(id), "files")
	cmd.Stdin = strings.NewReader(stdin)
	o = run(cmd)
	assert.NilError(s, o.err, o)
	got = s.verdicts(o)
	for _, line := range lines {
		if why, done := got[line]; !done || why != "" {
			s.Errorf("control: %s is refused in a plain container as well (%s), so that the sandbox's refusal shows nothing", line, why)
		}
	}
}

// trap is a file that makes git run a program on the host, once it is in the place that path names.
type trap struct {
	path, text string
	dir        string // where the user calls git
}

// traps are those for a work tree whose own git folder is own, in a repository whose common one is common. The program makes
// the file canary.
func (s *siege) traps(dir, own, common, canary string) []trap {
	config := fmt.Sprintf(`[core]\nrepositoryformatversion = 0\nfsmonitor = "touch %s; false"\n`, canary)
	hook := fmt.Sprintf(`#!/bin/sh\ntouch %s\n`, canary)
	evil := filepath.Join(dir, ".attack", "evil")
	list := []trap{
		{filepath.Join(common, "config"), config, dir},
		{filepath.Join(common, "hooks", "post-index-change"), hook, dir},
		{filepath.Join(own, "config.worktree"), config, dir},
		{filepath.Join(own, "commondir"), evil + `\n`, dir},
		{filepath.Join(common, "modules", "sub", "config"), config, dir},
	}
	if own != common {
		list = append(list,
			trap{filepath.Join(dir, ".git"), "gitdir: " + evil + `\n`, dir},
			trap{filepath.Join(own, "modules", "sub", "config"), config, dir},
		)
	}
	return list
}

// evil makes, from inside the sandbox, a git folder in the work tree that runs the canary: what other files can lead git to.
func (s *siege) evil(id, dir, canary string) {
	s.Helper()
	o := s.agent(id, "", "sh", "-ec", fmt.Sprintf(`cd %[1]s/.attack
git init -q --bare evil
git --git-dir=evil config core.bare false
git --git-dir=evil config core.fsmonitor "touch %[2]s; false"
`, dir, canary))
	assert.NilError(s, o.err, o)
}

// status calls git on the host as its user does, in all work trees, and reports whether something of the attacker's ran.
func (s *siege) status(canary string) (ran bool) {
	for _, dir := range []string{s.repoDir, s.tree("123"), s.tree("124")} {
		// A file that looks changed makes git write the index, for which there is a hook.
		now := time.Now()
		assert.NilError(s, os.Chtimes(filepath.Join(dir, "compose.yaml"), now, now))
		for _, args := range [][]string{{"status"}, {"diff"}, {"add", "-u"}, {"log", "-1"}, {"submodule", "status"}} {
			_ = run(s.command(dir, "git", args...)) // it may fail: only what it runs counts
		}
	}
	ran = exists(canary)
	_ = os.Remove(canary)
	return ran
}

// gitWorld are the files of a repository with a submodule, config for single work trees, and a service.
func gitWorld(base int) map[string]string {
	return map[string]string{
		"compose.yaml": fmt.Sprintf(`services:
  web:
    image: %s
    command: httpd -f -p 80 -h /src/www
    stop_signal: SIGKILL
    volumes: [".:/src"]
    ports: ["%d:80"]
`, image, base),
		"www/index.html":       "hello",
		"www/cgi-bin/attack":   "#!/bin/sh\necho\nexec /src/.attack/attacker $(cat /src/.attack/order) </src/.attack/lines 2>&1\n",
		".iloom/settings.json": "{}\n",
	}
}

// readyGit gives the repository a submodule that is checked out in every work tree, and a hook and config for single trees
// that would be obeyed.
func (s *siege) readyGit() {
	s.Helper()
	origin := filepath.Join(s.work, "origin")
	s.write(filepath.Join(origin, "file"), "text\n")
	s.git(origin, "init", "-q")
	s.git(origin, "add", "-A")
	s.git(origin, "commit", "-q", "-m", "origin")
	s.git(s.repoDir, "config", "extensions.worktreeConfig", "true")
	s.git(s.repoDir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", origin, "sub")
	s.git(s.repoDir, "commit", "-q", "-m", "submodule")
	for _, id := range []string{"123", "124"} {
		s.git(s.tree(id), "merge", "-q", "--ff-only", "main")
		s.git(s.tree(id), "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	}
	assert.NilError(s, os.Chmod(filepath.Join(s.repoDir, "www", "cgi-bin", "attack"), 0o755))
}

// checkout is the work tree of loom id, whose owner is a user by number, at one of the places for sieges.
type checkout struct {
	name         string
	place, owner int
	id           string
}

// checkouts are a linked work tree of root's, one of another user's, and that user's main checkout.
func checkouts(name string, root, user, main int) []checkout {
	return []checkout{
		{name + "root", root, 0, "123"},
		{name + "user", user, 1000, "123"},
		{name + "main", main, 1000, "125"},
	}
}

// TestAgentCannotMakeTheHostRunItsPrograms: nothing that git on the host obeys can be written from a sandbox, in a linked
// work tree and in a main checkout, as root's and as another user's; and git works in there.
func TestAgentCannotMakeTheHostRunItsPrograms(t *testing.T) {
	for _, c := range checkouts("host", 2, 3, 4) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, c.name, c.place, 0, "", gitWorld(basePort(c.place)))
			s.readyGit()
			if c.owner != 0 {
				for _, dir := range []string{s.repoDir, s.tree("123"), s.tree("124")} {
					o := run(s.command(dir, "chown", "-R", fmt.Sprintf("%d:%d", c.owner, c.owner), "."))
					assert.NilError(t, o.err, o)
				}
			}
			dir, common := s.tree(c.id), filepath.Join(s.repoDir, ".git")
			own := filepath.Join(common, "worktrees", "tree-"+c.id)
			if c.id == "125" {
				dir, own = s.repoDir, common
			}
			canary := filepath.Join(s.work, "canary")
			s.up(c.id)
			s.evil(c.id, dir, canary)
			assert.Assert(t, !s.status(canary))

			for _, trap := range s.traps(dir, own, common, canary) {
				s.sprung(c.id, trap, canary)
			}
			s.tried(c.id, s.outside(dir, own, common), func() { assert.Assert(t, !s.status(canary)) })
		})
	}
}

// sprung wants a trap not to be laid from the sandbox, and to work where it is laid.
func (s *siege) sprung(id string, t trap, canary string) {
	s.Helper()
	line := "put " + t.path + " " + t.text
	o := s.agent(id, line+"\n", s.attacker(id), "files")
	assert.NilError(s, o.err, o)
	if why := s.verdicts(o)[line]; why == "" {
		s.Errorf("attack: %s could be written:\n%s", t.path, o)
	}
	if s.status(canary) {
		s.Errorf("attack: after %s was tried, git on the host ran a program of the agent's", t.path)
	}
	before, err := os.ReadFile(t.path)
	there := err == nil
	assert.NilError(s, os.MkdirAll(filepath.Dir(t.path), 0o755))
	if strings.Contains(t.path, "config") {
		// On top of what is there: git does not read a config that lacks the rest.
		f, err := os.OpenFile(t.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		assert.NilError(s, err)
		_, err = f.WriteString("\n" + strings.ReplaceAll(t.text, `\n`, "\n"))
		assert.NilError(s, err)
		assert.NilError(s, f.Close())
	} else {
		assert.NilError(s, os.WriteFile(t.path, []byte(strings.ReplaceAll(t.text, `\n`, "\n")), 0o755))
		assert.NilError(s, os.Chmod(t.path, 0o755))
	}
	if !s.status(canary) {
		s.Errorf("control: %s makes git on the host run nothing, so that its refusal shows nothing", t.path)
	}
	if there {
		assert.NilError(s, os.WriteFile(t.path, before, 0o644))
	} else {
		assert.NilError(s, os.Remove(t.path))
	}
	assert.Assert(s, !s.status(canary))
}

// outside are writes beyond what is the agent's: in git's folders, in other work trees and elsewhere on the host.
func (s *siege) outside(dir, own, common string) []string {
	other := filepath.Join(common, "worktrees", "tree-124")
	lines := []string{
		"write " + filepath.Join(common, "config"),
		"over " + filepath.Join(common, "config"),
		"write " + filepath.Join(common, "hooks", "pre-commit"),
		"write " + filepath.Join(common, "hooks", "post-checkout"),
		"write " + filepath.Join(common, "info", "attributes"),
		"over " + filepath.Join(common, "info", "exclude"),
		"write " + filepath.Join(common, "modules", "sub", "hooks", "post-checkout"),
		"mkdir " + filepath.Join(common, "worktrees", "new"),
		"write " + filepath.Join(other, "HEAD"),
		"write " + filepath.Join(other, "config.worktree"),
		"over " + filepath.Join(other, "commondir"),
		"over " + filepath.Join(other, "gitdir"),
		"write " + filepath.Join(s.tree("124"), "compose.yaml"),
		"write " + filepath.Join(s.work, "beside"),
		"write " + filepath.Join(s.home, ".bashrc"),
		"write " + filepath.Join(s.home, ".docker", "config.json"),
		"read " + filepath.Join(s.home, ".gitconfig"),
		"read " + filepath.Join(s.home, ".docker", "loom", "registry.json"),
		"read " + filepath.Join(s.tree("124"), "compose.yaml"),
		"write " + filepath.Join(dir, ".iloom", "settings.local.json"),
		"over " + filepath.Join(dir, ".iloom", "settings.json"),
		"write " + filepath.Join(own, "config.worktree"),
		"over " + filepath.Join(own, "config.worktree"),
		"over " + filepath.Join(own, "commondir"),
		"link " + filepath.Join(common, "config"),
		"move " + filepath.Join(common, "hooks"),
		"move " + filepath.Join(common, "config"),
		"move " + filepath.Join(dir, ".iloom"),
		"swap " + filepath.Join(own, "config.worktree"),
		"unlink " + filepath.Join(dir, ".iloom", "settings.json"),
		"unlink " + filepath.Join(own, "commondir"),
	}
	if own != common {
		lines = slices.Concat([]string{
			"over " + filepath.Join(own, "gitdir"),
			"write " + filepath.Join(dir, ".git"),
			"over " + filepath.Join(dir, ".git"),
			"move " + filepath.Join(dir, ".git"),
			"link " + filepath.Join(dir, ".git"),
			"write " + filepath.Join(common, "HEAD"),
			"write " + filepath.Join(common, "packed-refs"),
			"write " + filepath.Join(s.repoDir, "compose.yaml"),
			"move " + own,
		}, lines, []string{"unlink " + filepath.Join(own, "gitdir"), "unlink " + filepath.Join(dir, ".git")})
	} else {
		lines = slices.Concat([]string{"move " + common}, lines)
	}
	return lines
}

// remapped reports whether the engine maps its containers' user ids to other ids of the host.
func remapped(t *testing.T) bool {
	t.Helper()
	info, err := suite.docker.Info(t.Context())
	assert.NilError(t, err)
	return slices.Contains(info.SecurityOptions, "name=userns")
}

// TestAgentWorksAsTheUser: what an agent is for works in the sandbox, and the user goes on from there: commits, branches,
// tags, a stash, a merge, a rebase, a cherry-pick and refs that go again; what it made is the user's.
func TestAgentWorksAsTheUser(t *testing.T) {
	for _, c := range checkouts("work", 3, 4, 8) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, c.name, c.place, c.owner, "", gitWorld(basePort(c.place)))
			dir, branch := s.tree(c.id), "issue-"+c.id
			if c.id == "125" {
				dir, branch = s.repoDir, "main"
			}
			s.up(c.id)
			o := s.agent(c.id, "", "sh", "-exc", fmt.Sprintf(`
echo one >work
git add work
git commit -qm one
git checkout -q -b side
echo two >>work
git commit -qam two
git tag light
git tag -a -m annotated heavy
git checkout -q %[1]s
echo three >other
git add other
git commit -qm three
git merge -q -m merged side
echo four >>work
git stash -q
git stash list | grep -q .
git stash pop -q
test -z "$(git stash list)"
git commit -qam four
git checkout -q -b based HEAD~1
echo five >five
git add five
git commit -qm four-and-a-half
git commit -q --amend -m "five, amended"
git rebase -q %[1]s
git checkout -q %[1]s
git merge -q --ff-only based
git checkout -q side
git cherry-pick based >/dev/null
git checkout -q %[1]s
git tag gone
git update-ref -d refs/tags/gone
git update-ref -d refs/heads/based
test -z "$(git rev-parse -q --verify refs/tags/gone)$(git rev-parse -q --verify refs/heads/based)"
mkdir -p deep/er
echo x >deep/er/file
test -z "$(git status --porcelain --untracked-files=no)"
`, branch))
			assert.NilError(t, o.err, o)
			assert.Equal(t, strings.TrimSpace(s.git(dir, "log", "-1", "--format=%s %an <%ae>")), "five, amended Loom Tester <tester@loom.test>")
			s.git(dir, "fsck", "--strict")
			assert.Equal(t, strings.TrimSpace(s.git(dir, "cat-file", "-t", "heavy")), "tag")
			for _, path := range []string{"work", "deep/er/file"} {
				info, err := os.Stat(filepath.Join(dir, path))
				assert.NilError(t, err)
				// Where the engine maps its containers' users, none of them need be this one.
				if uid := int(info.Sys().(*syscall.Stat_t).Uid); c.owner != 0 && uid != c.owner && !remapped(t) {
					t.Errorf("%s is of user %d, and not of %d", path, uid, c.owner)
				}
				user := strconv.Itoa(c.owner)
				o := run(s.command(dir, "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "sh", "-ec",
					": >>"+path+"; touch "+filepath.Dir(path)+"/mine; rm "+filepath.Dir(path)+"/mine"))
				assert.Check(t, o.err, "as user %d: %s", c.owner, o)
			}
			// The user goes on, and so does the agent after that.
			s.write(filepath.Join(dir, "work"), "six\n")
			s.git(dir, "commit", "-q", "-am", "six")
			if c.owner != 0 {
				o := run(s.command(dir, "chown", "-R", fmt.Sprintf("%d:%d", c.owner, c.owner), dir, filepath.Join(s.repoDir, ".git")))
				assert.NilError(t, o.err, o)
			}
			o = s.agent(c.id, "", "sh", "-ec", "echo seven >>work && git commit -qam seven")
			assert.NilError(t, o.err, o)
		})
	}
}
