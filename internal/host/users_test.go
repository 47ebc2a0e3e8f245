package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/poll"
)

func TestUsersNamesProcesses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	dir := realTemp(t)
	assert.NilError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	cmd := exec.Command("sleep", "600")
	cmd.Dir = filepath.Join(dir, "sub")
	assert.NilError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	assert.DeepEqual(t, Users(dir), []User{{cmd.Process.Pid, "sleep"}})
	assert.Equal(t, len(Users(filepath.Join(dir, "other"))), 0)
}

// What a container runs by itself ends with it; a command put into it from outside is somebody's work.
func TestUsersLeavesOutContainersOwnProcesses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root can make a process namespace")
	}
	dir := realTemp(t)
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "sleep 600 & echo; wait")
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	assert.NilError(t, err)
	assert.NilError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	_, err = out.Read(make([]byte, 1))
	assert.NilError(t, err)
	assert.DeepEqual(t, Users(dir), []User{{cmd.Process.Pid, "unshare"}})
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
	assert.NilError(t, err)
	first := strings.Fields(string(children))[0]
	enter := exec.Command("nsenter", "--pid", "--target", first, "sleep", "601")
	enter.Dir = dir
	assert.NilError(t, enter.Start())
	defer func() {
		_ = enter.Process.Kill()
		_ = enter.Wait()
	}()
	poll.WaitOn(t, func(poll.LogT) poll.Result {
		for _, p := range Users(dir) {
			if p.Name == "sleep" {
				return poll.Success()
			}
		}
		return poll.Continue("the command inside is not seen")
	})
}

// realTemp is a folder whose path has no links.
func realTemp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	return dir
}
