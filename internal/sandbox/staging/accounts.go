package staging

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// writeAccounts writes the image's users and groups with the agent among them. An entry of the image with the agent's
// number is removed: programs take the first entry with a number, and with it the wrong home folder.
func (w *writer) writeAccounts() error {
	passwd := w.Passwd
	if passwd == nil {
		passwd = []byte("root:x:0:0:root:/root:/bin/sh\n")
	}
	uid, gid := cmp.Or(w.InnerUID, w.UID), cmp.Or(w.InnerGID, w.GID)
	passwd = withoutEntry(passwd, "agent", strconv.Itoa(uid))
	passwd = fmt.Appendf(passwd, "agent:x:%d:%d:agent:%s:/bin/sh\n", uid, gid, sandbox.Home)
	group := w.Group
	if group == nil {
		group = []byte("root:x:0:\n")
	}
	group = withoutEntry(group, "agent", strconv.Itoa(gid))
	group = fmt.Appendf(group, "agent:x:%d:\n", gid)
	return errors.Join(w.addFile("passwd", "/etc/passwd", passwd, 0o644), w.addFile("group", "/etc/group", group, 0o644))
}

// withoutEntry removes the lines with this name or number from a file of users or groups.
func withoutEntry(text []byte, name, number string) []byte {
	var out []byte
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) > 2 && (f[0] == name || f[2] == number) {
			continue
		}
		out = append(out, line...)
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
