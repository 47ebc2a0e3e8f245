package loom

import (
	"bufio"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// agentUser is who an agent is: inside, and what this machine takes it for.
type agentUser struct{ uid, gid, hostUID, hostGID int }

// IDsError says that the engine gives containers other ids than the machine's, and that it cannot be told which.
type IDsError struct{ Err error }

// Error says why.
func (e *IDsError) Error() string { return "ids of the engine's containers: " + e.Err.Error() }

// NextStep says what the user does next.
func (*IDsError) NextStep() string {
	return "docker info --format '{{.SecurityOptions}}' shows whether the engine maps user ids"
}

// Unwrap gives the reason.
func (e *IDsError) Unwrap() error { return e.Err }

var remappedRoot = regexp.MustCompile(`/(\d+)\.(\d+)$`)

// userOn decides who the agent is: the owner of the work tree, where the engine's containers can be that user and it is not
// root; else a user of its own, which has to be given rights.
func userOn(info engine.Info, uid, gid int) (agentUser, error) {
	const span = 65536 // ids that an engine maps, at least
	switch {
	case info.Confines.Rootless:
		base, err := subordinate("/etc/subuid")
		if err != nil {
			return agentUser{}, &IDsError{err}
		}
		group, err := subordinate("/etc/subgid")
		if err != nil {
			return agentUser{}, &IDsError{err}
		}
		// Inside, 0 is the engine's user, and 1 the first of its subordinate ids.
		return agentUser{sandbox.FixedID, sandbox.FixedID, base + sandbox.FixedID - 1, group + sandbox.FixedID - 1}, nil
	case info.Confines.Remapped:
		m := remappedRoot.FindStringSubmatch(info.RootDir)
		if m == nil {
			return agentUser{}, &IDsError{fmt.Errorf("the engine's folder %s does not tell", info.RootDir)}
		}
		base, _ := strconv.Atoi(m[1])
		group, _ := strconv.Atoi(m[2])
		if uid > base && uid < base+span && gid > group && gid < group+span {
			return agentUser{uid - base, gid - group, uid, gid}, nil
		}
		return agentUser{sandbox.FixedID, sandbox.FixedID, base + sandbox.FixedID, group + sandbox.FixedID}, nil
	case uid == 0:
		return agentUser{sandbox.FixedID, sandbox.FixedID, sandbox.FixedID, sandbox.FixedID}, nil
	case gid == 0:
		return agentUser{uid, sandbox.FixedID, uid, sandbox.FixedID}, nil
	}
	return agentUser{uid, gid, uid, gid}, nil
}

// subordinate is the first of the user's subordinate ids.
func subordinate(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	me, err := user.Current()
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 3 && (fields[0] == me.Username || fields[0] == me.Uid) {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, fmt.Errorf("%s has no line for %s", path, me.Username)
}
