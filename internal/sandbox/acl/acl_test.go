//go:build linux

package acl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"gotest.tools/v3/assert"
)

// agent is the uid of nobody's.
const agent = 61000

var isRoot = os.Geteuid() == 0

// asUser runs a script as another user. Only root can: otherwise the rights that [assertMay] reads are all that is checked.
func asUser(t *testing.T, uid int, script string) error {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v: %s", script, err, out)
	}
	return err
}

func assertCan(t *testing.T, uid int, script string) {
	t.Helper()
	if isRoot {
		assert.NilError(t, asUser(t, uid, script))
	}
}

func assertCannot(t *testing.T, uid int, script, why string) {
	t.Helper()
	if isRoot {
		assert.Assert(t, asUser(t, uid, script) != nil, why)
	}
}

// assertMay checks what a user who neither owns a file nor is in its group may do with it: by the file's list or mode, as
// acl(5) says, and if we are root by asking the kernel as that user.
func assertMay(t *testing.T, uid int, path, want string) {
	t.Helper()
	perm, ok := readAttr(t, path, accessAttr).user(uint32(uid))
	if !ok {
		info, err := os.Lstat(path)
		assert.NilError(t, err)
		perm = uint16(info.Mode().Perm() & 7)
	}
	assert.Equal(t, permText(perm), want, path)
	for _, test := range want {
		if test != '-' {
			assertCan(t, uid, "test -"+string(test)+" "+path)
		}
	}
	for i, test := range "rwx" {
		if want[i] == '-' {
			assertCannot(t, uid, "test -"+string(test)+" "+path, path)
		}
	}
}

func permText(perm uint16) string {
	text := []byte("rwx")
	for i := range text {
		if perm&(4>>i) == 0 {
			text[i] = '-'
		}
	}
	return string(text)
}

func readAttr(t *testing.T, path, attr string) list {
	t.Helper()
	b := make([]byte, 512)
	n, err := unix.Lgetxattr(path, attr, b)
	if errors.Is(err, unix.ENODATA) {
		return nil
	}
	assert.NilError(t, err)
	l, err := parse(b[:n])
	assert.NilError(t, err)
	return l
}

// openFolder is a folder that everybody can get to, on a file system with lists (/tmp may be one without).
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "loom-rights-")
	assert.NilError(t, err)
	t.Cleanup(func() { assert.Check(t, os.RemoveAll(dir)) })
	assert.NilError(t, os.Chmod(dir, 0o755))
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(text), mode))
	assert.NilError(t, os.Chmod(path, mode))
}

func TestAGrantedUserWritesWhatIsThereAndWhatComesLater(t *testing.T) {
	dir := openFolder(t)
	tree := filepath.Join(dir, "tree")
	write(t, tree+"/a", "a", 0o600)
	write(t, tree+"/sub/run", "#!/bin/sh\n", 0o700)
	assert.NilError(t, os.Chmod(tree+"/sub", 0o700))
	assertMay(t, agent, tree+"/a", "---")
	assertCannot(t, agent, "cat "+tree+"/a", "before the grant")

	n, err := Grant([]Right{{Path: tree, Write: true}}, agent)
	assert.NilError(t, err)
	assert.Equal(t, n, 4)
	assertMay(t, agent, tree+"/a", "rw-")
	assertMay(t, agent, tree+"/sub", "rwx")
	assertMay(t, agent, tree+"/sub/run", "rwx")
	assertCan(t, agent, "cd "+tree+" && cat a && echo b >a && sub/run && mkdir -p new/er && echo x >new/er/f && mv a sub/a")
	if !isRoot {
		assert.NilError(t, os.MkdirAll(tree+"/new/er", 0o777))
		assert.NilError(t, os.Rename(tree+"/a", tree+"/sub/a"))
	}
	// A file that the owner makes later, with the usual umask.
	write(t, tree+"/new/er/root", "r", 0o644)
	assertMay(t, agent, tree+"/new/er", "rwx")
	assertMay(t, agent, tree+"/sub/a", "rw-")
	assertCan(t, agent, "echo more >>"+tree+"/sub/a; rm "+tree+"/new/er/root")
	if !isRoot {
		assert.NilError(t, os.Remove(tree+"/new/er/root"))
	}

	n, err = Grant([]Right{{Path: tree, Write: true}}, agent)
	assert.NilError(t, err)
	assert.Equal(t, n, 0, "a second run changes nothing")

	_, err = Revoke([]Right{{Path: tree}}, agent)
	assert.NilError(t, err)
	assertMay(t, agent, tree+"/sub/a", "---")
	assertCannot(t, agent, "cat "+tree+"/sub/a", "after the revocation")
	info, err := os.Stat(tree + "/sub")
	assert.NilError(t, err)
	assert.Equal(t, info.Mode().Perm(), os.FileMode(0o700), "the mode is what it was")
	n, err = Revoke([]Right{{Path: tree}}, agent)
	assert.NilError(t, err)
	assert.Equal(t, n, 0)
}

func TestOthersEntriesAndRightsStay(t *testing.T) {
	const other = 4711
	f := filepath.Join(openFolder(t), "f")
	write(t, f, "x", 0o640)
	// The other user has read and write, and the mask leaves read.
	l := list{{tagOwner, 6, noID}, {tagUser, 6, other}, {tagOwnerGroup, 4, noID}, {tagMask, 4, noID}, {tagOther, 0, noID}}
	assert.NilError(t, syscall.Setxattr(f, accessAttr, l.bytes(), 0))
	_, err := Grant([]Right{{Path: f, Write: true}}, agent)
	assert.NilError(t, err)
	assertMay(t, agent, f, "rw-")
	assertMay(t, other, f, "r--")
	assertCan(t, agent, "echo y >>"+f)
	assertCan(t, other, "cat "+f)
	assertCannot(t, other, "echo z >>"+f, "the mask grew, and the other user's rights did not")
	_, err = Revoke([]Right{{Path: f}}, agent)
	assert.NilError(t, err)
	assertMay(t, agent, f, "---")
	assertMay(t, other, f, "r--")
	assertCan(t, other, "cat "+f)
	assertCannot(t, other, "echo z >>"+f, "after the revocation")
	assertCannot(t, agent, "cat "+f, "after the revocation")
}

func TestLinksAndExceptionsAreNotFollowed(t *testing.T) {
	dir := openFolder(t)
	tree := filepath.Join(dir, "tree")
	write(t, tree+"/git/config", "c", 0o600)
	write(t, dir+"/outside/secret", "s", 0o600)
	assert.NilError(t, os.Symlink(dir+"/outside", tree+"/link"))
	assert.NilError(t, os.Symlink(dir+"/outside/secret", tree+"/file"))
	assert.NilError(t, syscall.Mkfifo(tree+"/pipe", 0o600))
	rights := []Right{
		{Path: tree, Write: true, Except: []string{tree + "/git/config"}},
		{Path: tree + "/git/config"},
		{Path: tree + "/link", Write: true},
	}
	_, err := Grant(rights, agent)
	assert.NilError(t, err)
	assertMay(t, agent, dir+"/outside/secret", "---")
	assertMay(t, agent, tree+"/git/config", "r--")
	assert.Assert(t, readAttr(t, dir+"/outside", accessAttr) == nil)
	assert.Assert(t, readAttr(t, tree+"/pipe", accessAttr) == nil)
	assertCannot(t, agent, "cat "+dir+"/outside/secret", "a link was followed")
	assertCan(t, agent, "cat "+tree+"/git/config")
	assertCannot(t, agent, "echo x >>"+tree+"/git/config", "it is an exception")
}

func TestARightThatKeepsWiderEntriesOnlyAdds(t *testing.T) {
	tree := filepath.Join(openFolder(t), "tree")
	write(t, tree+"/mine/f", "x", 0o600)
	write(t, tree+"/other/f", "x", 0o600)
	_, err := Grant([]Right{{Path: tree + "/mine", Write: true}}, agent)
	assert.NilError(t, err)
	_, err = Grant([]Right{{Path: tree, KeepWider: true}}, agent)
	assert.NilError(t, err)
	assertMay(t, agent, tree+"/mine/f", "rw-")
	assertMay(t, agent, tree+"/other/f", "r--")
	later, ok := readAttr(t, tree+"/mine", defaultAttr).user(agent)
	assert.Assert(t, ok && later == permAll, "what comes later in it")

	_, err = Revoke([]Right{{Path: tree, Except: []string{tree + "/mine"}}}, agent)
	assert.NilError(t, err)
	assertMay(t, agent, tree+"/other/f", "---")
	perm, ok := readAttr(t, tree+"/mine/f", accessAttr).user(agent)
	assert.Assert(t, ok && perm == 6, "an exception keeps its entry")
	_, err = Grant([]Right{{Path: tree + "/mine"}}, agent)
	assert.NilError(t, err)
	perm, _ = readAttr(t, tree+"/mine/f", accessAttr).user(agent)
	assert.Equal(t, perm, uint16(4), "any other right reduces it")
}

func TestAFileSystemWithoutListsIsNamed(t *testing.T) {
	const path = "/proc/self/status" // it is ours
	var unsupported *UnsupportedError
	_, err := Grant([]Right{{Path: path, Write: true}}, agent)
	assert.Assert(t, errors.As(err, &unsupported), "%v", err)
	assert.ErrorContains(t, err, path+": its file system keeps no access control lists")
	assert.Assert(t, errors.As(CheckSupport(path), &unsupported))
	assert.NilError(t, CheckSupport(openFolder(t)))
}

func TestReadersNeedNoEntryWhereAnybodyReads(t *testing.T) {
	dir := openFolder(t)
	write(t, dir+"/d/f", "x", 0o644)
	n, err := Grant([]Right{{Path: dir + "/d"}}, agent)
	assert.NilError(t, err)
	assert.Equal(t, n, 0)
	assertMay(t, agent, dir+"/d/f", "r--")
}

// If the engine is a user's own, the agent can be neither root nor that user: what it makes is its own, and both work on.
func TestTheOwnerOfATreeWorksOnWhatAGrantedUserMakes(t *testing.T) {
	owner, group := os.Geteuid(), os.Getegid()
	if isRoot {
		owner, group = 4711, 4711
	}
	tree := filepath.Join(openFolder(t), "tree")
	write(t, tree+"/sub/a", "a", 0o644)
	for _, p := range []string{tree, tree + "/sub", tree + "/sub/a"} {
		assert.NilError(t, os.Chown(p, owner, group))
	}
	// asOwner runs as the owner, who is not allowed what root is.
	asOwner := func(do func() error) error {
		if !isRoot {
			return do()
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := unix.SetfsuidRetUid(owner)
		assert.NilError(t, err)
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
		return do()
	}
	rights := []Right{{Path: tree, Write: true}}
	grant := func() error { _, err := Grant(rights, agent); return err }
	assert.NilError(t, asOwner(grant))
	for _, uid := range []int{agent, owner} {
		perm, ok := readAttr(t, tree+"/sub", defaultAttr).user(uint32(uid))
		assert.Assert(t, ok && perm == permAll, "new files are for user %d too", uid)
	}
	assertCan(t, agent, "umask 022; cd "+tree+" && mkdir -p sub/new/er && echo x >sub/new/er/f && echo y >>sub/a && mkdir -m 700 closed && echo s >closed/s && echo k >key && chmod 600 key")
	assertCan(t, owner, "cd "+tree+" && echo mine >>sub/new/er/f && echo z >sub/new/er/g && rm sub/new/er/f && rmdir sub/new/er 2>/dev/null; rm sub/new/er/g")
	assertCannot(t, owner, "cat "+tree+"/key", "what the agent closed stays closed")
	assert.NilError(t, asOwner(grant), "a second time, with what the agent owns there")

	assert.NilError(t, asOwner(func() error { _, err := Revoke([]Right{{Path: tree}}, agent); return err }))
	assertCannot(t, agent, "touch "+tree+"/sub/x", "after the revocation")
	n, err := Revoke([]Right{{Path: tree}}, agent)
	assert.NilError(t, err)
	assert.Equal(t, n > 0, isRoot, "only root removes what the owner could not")
	assert.Assert(t, readAttr(t, tree+"/sub/a", accessAttr) == nil)
	assert.Assert(t, readAttr(t, tree+"/sub", defaultAttr) == nil)
}
