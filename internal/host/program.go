package host

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Program names a program that listens on a tcp or udp port, as in "node (4711)". It is "" if no program that this user
// may look at does, and anywhere but on Linux.
func (*Host) Program(protocol string, port int) string {
	var links []string
	for _, name := range []string{protocol, protocol + "6"} {
		f, err := os.Open(filepath.Join("/proc/net", filepath.Base(name)))
		if err != nil {
			continue
		}
		list, _ := parseSockets(f)
		_ = f.Close()
		for _, s := range list {
			if int(s.Local.Port()) == port && (s.Listens || protocol == "udp") && s.inode != "" {
				links = append(links, "socket:["+s.inode+"]")
			}
		}
	}
	if len(links) == 0 {
		return ""
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !hasOpen(filepath.Join("/proc", e.Name(), "fd"), links) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "comm"))
		return User{pid, strings.TrimSpace(string(name))}.String()
	}
	return ""
}

// hasOpen reports whether one of a process's files is one of the links.
func hasOpen(fds string, links []string) bool {
	entries, _ := os.ReadDir(fds) // fails for another user's process
	return slices.ContainsFunc(entries, func(fd os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(fds, fd.Name()))
		return err == nil && slices.Contains(links, to)
	})
}
