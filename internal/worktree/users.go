package worktree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is one that has a folder open.
type Process struct {
	PID  int
	Name string
}

// String is the name with the number: bash (1234).
func (p Process) String() string { return fmt.Sprintf("%s (%d)", p.Name, p.PID) }

// Users are the processes that work in a folder or have a file of it open, as far as this user may see them, without
// this process and those that it was started by, and without what containers run by themselves. Only Linux tells;
// elsewhere there are none.
func Users(dir string) []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	skip := ancestors()
	var users []Process
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
		users = append(users, Process{pid, strings.TrimSpace(string(name))})
	}
	return users
}

// contained reports whether a process is the first of a container or was started by it. One that somebody has put
// into a container with exec comes from outside, and counts.
func contained(pid int) bool {
	for pid > 0 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return false
		}
		parent := 0
		var pids []string // of the process, in our namespace and in those below it
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
	entries, _ := os.ReadDir(fds) // another user's is not to be seen
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

// ancestors are this process and the docker command that started it. The shell before them is told of: it stays in a
// folder that is gone.
func ancestors() map[int]bool {
	pids := map[int]bool{os.Getpid(): true}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	if err == nil && strings.TrimSpace(string(name)) == "docker" {
		pids[os.Getppid()] = true
	}
	return pids
}
