//go:build linux

package sandbox

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

// own is a uid of nobody's.
const own = 61000

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

// open is a folder that everybody can get to.
func open(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
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
	dir := open(t)
	tree := filepath.Join(dir, "tree")
	write(t, tree+"/a", "a", 0o600)
	write(t, tree+"/sub/run", "#!/bin/sh\n", 0o700)
	assert.NilError(t, os.Chmod(tree+"/sub", 0o700))
	assert.Assert(t, asUser(t, own, "cat "+tree+"/a") != nil)

	n, err := Grant([]Right{{Path: tree, Write: true}}, own)
	assert.NilError(t, err)
	assert.Equal(t, n, 4)
	assert.NilError(t, asUser(t, own, "cd "+tree+" && cat a && echo b >a && sub/run && mkdir -p new/er && echo x >new/er/f && mv a sub/a"))
	// A file that root makes later, with the usual umask.
	write(t, tree+"/new/er/root", "r", 0o644)
	assert.NilError(t, asUser(t, own, "echo more >>"+tree+"/sub/a; rm "+tree+"/new/er/root"))

	n, err = Grant([]Right{{Path: tree, Write: true}}, own)
	assert.NilError(t, err)
	assert.Equal(t, n, 0, "a second run changes nothing")

	_, err = Revoke([]string{tree}, own)
	assert.NilError(t, err)
	assert.Assert(t, asUser(t, own, "cat "+tree+"/sub/a") != nil)
	info, err := os.Stat(tree + "/sub")
	assert.NilError(t, err)
	assert.Equal(t, info.Mode().Perm(), os.FileMode(0o700), "the mode is what it was")
	n, err = Revoke([]string{tree}, own)
	assert.NilError(t, err)
	assert.Equal(t, n, 0)
}

func TestOthersEntriesAndRightsStay(t *testing.T) {
	dir := open(t)
	f := filepath.Join(dir, "f")
	write(t, f, "x", 0o640)
	// Another user may read and write, but the mask leaves it reading.
	list := aclList{{aclUserObj, 6, aclNoID}, {aclUser, 6, 4711}, {aclGroupObj, 4, aclNoID}, {aclMask, 4, aclNoID}, {aclOther, 0, aclNoID}}
	assert.NilError(t, syscall.Setxattr(f, aclAccess, list.bytes(), 0))
	_, err := Grant([]Right{{Path: f, Write: true}}, own)
	assert.NilError(t, err)
	assert.NilError(t, asUser(t, own, "echo y >>"+f))
	assert.NilError(t, asUser(t, 4711, "cat "+f))
	assert.Assert(t, asUser(t, 4711, "echo z >>"+f) != nil, "the mask grew, and the other user's rights did not")
	_, err = Revoke([]string{f}, own)
	assert.NilError(t, err)
	assert.NilError(t, asUser(t, 4711, "cat "+f))
	assert.Assert(t, asUser(t, 4711, "echo z >>"+f) != nil)
	assert.Assert(t, asUser(t, own, "cat "+f) != nil)
}

func TestLinksAndExceptionsAreNotFollowed(t *testing.T) {
	dir := open(t)
	tree := filepath.Join(dir, "tree")
	write(t, tree+"/git/config", "c", 0o600)
	write(t, dir+"/outside/secret", "s", 0o600)
	assert.NilError(t, os.Symlink(dir+"/outside", tree+"/link"))
	assert.NilError(t, os.Symlink(dir+"/outside/secret", tree+"/file"))
	assert.NilError(t, syscall.Mkfifo(tree+"/pipe", 0o600))
	_, err := Grant([]Right{{Path: tree, Write: true, Except: []string{tree + "/git/config"}}, {Path: tree + "/git/config"}, {Path: tree + "/link", Write: true}}, own)
	assert.NilError(t, err)
	assert.Assert(t, asUser(t, own, "cat "+dir+"/outside/secret") != nil)
	assert.NilError(t, asUser(t, own, "cat "+tree+"/git/config"))
	assert.Assert(t, asUser(t, own, "echo x >>"+tree+"/git/config") != nil)
}

func TestAFileSystemWithoutListsIsNamed(t *testing.T) {
	var none *NoACLError
	_, err := Grant([]Right{{Path: "/proc/sys/kernel/hostname", Write: true}}, own)
	assert.Assert(t, errors.As(err, &none), "%v", err)
	assert.ErrorContains(t, err, "/proc/sys/kernel/hostname: its file system keeps no access control lists")
}

func TestReadersNeedNoEntryWhereAnybodyReads(t *testing.T) {
	dir := open(t)
	write(t, dir+"/d/f", "x", 0o644)
	n, err := Grant([]Right{{Path: dir + "/d"}}, own)
	assert.NilError(t, err)
	assert.Equal(t, n, 0)
}

// Where the engine is a user's own, the agent can be neither root nor that user: what it makes is its own, and both work on.
func TestTheOwnerOfATreeWorksOnWhatAGrantedUserMakes(t *testing.T) {
	const owner = 4711
	tree := filepath.Join(open(t), "tree")
	write(t, tree+"/sub/a", "a", 0o644)
	for _, p := range []string{tree, tree + "/sub", tree + "/sub/a"} {
		assert.NilError(t, os.Chown(p, owner, owner))
	}
	// grant runs as the owner, who is not allowed what root is.
	as := func(do func() error) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := unix.SetfsuidRetUid(owner)
		assert.NilError(t, err)
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
		return do()
	}
	rights := []Right{{Path: tree, Write: true}}
	grant := func() error { _, err := Grant(rights, own); return err }
	assert.NilError(t, as(grant))
	assert.NilError(t, asUser(t, own, "umask 022; cd "+tree+" && mkdir -p sub/new/er && echo x >sub/new/er/f && echo y >>sub/a && mkdir -m 700 closed && echo s >closed/s && echo k >key && chmod 600 key"))
	assert.NilError(t, asUser(t, owner, "cd "+tree+" && echo mine >>sub/new/er/f && echo z >sub/new/er/g && rm sub/new/er/f && rmdir sub/new/er 2>/dev/null; rm sub/new/er/g"))
	assert.Assert(t, asUser(t, owner, "cat "+tree+"/key") != nil, "what the agent closed stays closed")
	assert.NilError(t, as(grant), "a second time, with what the agent owns there")

	assert.NilError(t, as(func() error { _, err := Revoke([]string{tree}, own); return err }))
	assert.Assert(t, asUser(t, own, "touch "+tree+"/sub/x") != nil)
	n, err := Revoke([]string{tree}, own)
	assert.NilError(t, err)
	assert.Assert(t, n > 0, "root takes away what the owner could not")
	l, err := unix.Lgetxattr(tree+"/sub/a", aclAccess, make([]byte, 512))
	assert.Assert(t, errors.Is(err, unix.ENODATA), "%d %v", l, err)
}
