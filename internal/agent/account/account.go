// Package account decides who an agent is: in its containers, and on this machine.
package account

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

// Account is an agent's user: UID and GID in its containers, the other two on this machine.
type Account struct{ UID, GID, HostUID, HostGID int }

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

// On decides who the agent is on an engine: the owner of the work tree if the engine's containers can be that user and
// it is not root. Otherwise it is a user of its own, which must be given rights.
func On(info engine.Capabilities, uid, gid int) (Account, error) {
	const span = 65536 // ids that an engine maps, at least
	switch {
	case info.Confines.Rootless:
		base, err := subordinate("/etc/subuid")
		if err != nil {
			return Account{}, &IDsError{err}
		}
		group, err := subordinate("/etc/subgid")
		if err != nil {
			return Account{}, &IDsError{err}
		}
		// Inside, 0 is the engine's user, and 1 the first of its subordinate ids.
		return Account{sandbox.FixedID, sandbox.FixedID, base + sandbox.FixedID - 1, group + sandbox.FixedID - 1}, nil
	case info.Confines.Remapped:
		m := remappedRoot.FindStringSubmatch(info.RootDir)
		if m == nil {
			return Account{}, &IDsError{fmt.Errorf("the engine's folder %s does not tell", info.RootDir)}
		}
		base, _ := strconv.Atoi(m[1])
		group, _ := strconv.Atoi(m[2])
		if uid > base && uid < base+span && gid > group && gid < group+span {
			return Account{uid - base, gid - group, uid, gid}, nil
		}
		return Account{sandbox.FixedID, sandbox.FixedID, base + sandbox.FixedID, group + sandbox.FixedID}, nil
	case uid == 0:
		return Account{sandbox.FixedID, sandbox.FixedID, sandbox.FixedID, sandbox.FixedID}, nil
	case gid == 0:
		return Account{uid, sandbox.FixedID, uid, sandbox.FixedID}, nil
	}
	return Account{uid, gid, uid, gid}, nil
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
