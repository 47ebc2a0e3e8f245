package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// User is a process that has a folder open.
type User struct {
	PID  int
	Name string
}

// String is the name with the number: bash (1234).
func (u User) String() string { return fmt.Sprintf("%s (%d)", u.Name, u.PID) }

// Users returns the processes that work in a folder or have a file in it open, as far as this user may see them. It
// leaves out this process, the docker command that started it, and the processes that containers run by themselves. It
// works on Linux only; on other systems the result is empty.
func Users(dir string) []User {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	skip := ancestors()
	var users []User
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || skip[pid] {
			continue
		}
		at := filepath.Join("/proc", e.Name())
		if !opens(at, dir) || contained(pid) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(at, "comm"))
		users = append(users, User{pid, strings.TrimSpace(string(name))})
	}
	return users
}

// contained reports whether a process is the first of a container or was started by that. A process that docker exec
// started comes from outside: it is somebody's work.
func contained(pid int) bool {
	for pid > 0 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return false
		}
		parent := 0
		var pids []string // the process's ids in our pid namespace and in those below it
		for line := range strings.SplitSeq(string(status), "\n") {
			if name, value, _ := strings.Cut(line, ":"); name == "PPid" {
				parent, _ = strconv.Atoi(strings.TrimSpace(value))
			} else if name == "NSpid" {
				pids = strings.Fields(value)
			}
		}
		if len(pids) < 2 {
			return false
		}
		if pids[len(pids)-1] == "1" {
			return true
		}
		pid = parent
	}
	return false
}

func opens(proc, dir string) bool {
	links := []string{filepath.Join(proc, "cwd")}
	fds := filepath.Join(proc, "fd")
	entries, _ := os.ReadDir(fds) // fails for another user's process
	for _, fd := range entries {
		links = append(links, filepath.Join(fds, fd.Name()))
	}
	return slices.ContainsFunc(links, func(link string) bool {
		to, err := os.Readlink(link)
		if err != nil {
			return false
		}
		rel, err := filepath.Rel(dir, to)
		return err == nil && filepath.IsLocal(rel)
	})
}

// ancestors returns this process and the docker command that started it. The shell that started docker is not among
// them: it stays behind in a removed folder, and the user should know.
func ancestors() map[int]bool {
	pids := map[int]bool{os.Getpid(): true}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	if err == nil && strings.TrimSpace(string(name)) == "docker" {
		pids[os.Getppid()] = true
	}
	return pids
}
