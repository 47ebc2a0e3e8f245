// Package trust decides what the files of a work tree ask of the host beyond containers of their own, and what of that
// is new. It decides on values: it reads no file and asks nobody.
package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// Access that is recorded for every loom and counts for some only. Each is the beginning of a line.
const (
	// ReadsVariable counts if the user has set the variable.
	ReadsVariable = "the files read your variable "
	// ReadsFile counts for what is outside of the work tree.
	ReadsFile = "the files read "
	// MountsTree counts once an agent writes the work tree: it can replace what a service mounts by a link, which the
	// engine follows when the service starts the next time.
	MountsTree = "a service mounts, of the work tree, "
	// WritesGit counts once an agent writes the work tree.
	WritesGit = "a service writes to the repository's git folder "
	// Publishes is nothing new from a pull request; an agent may not let others in.
	Publishes = "others reach, on every address of this machine, "
)

// AccessError says that the files of a loom whose work tree is not trusted ask for more of the host than was accepted.
// Nothing of it was done.
type AccessError struct {
	ID, Loom string
	Added    []string
}

// Error lists what is new.
func (e *AccessError) Error() string {
	lines := make([]string, 0, len(e.Added))
	for _, access := range e.Added {
		lines = append(lines, Printable(access))
	}
	return "the files of loom " + e.Loom + " ask for more of this machine than was accepted:\n  + " +
		strings.Join(lines, "\n  + ")
}

// NextStep says what the user does next.
func (e *AccessError) NextStep() string {
	return fmt.Sprintf("look at what changed, then docker loom up %s --trust accepts it", e.ID)
}

// Printable quotes text that has control characters or line ends: a terminal would obey them, and whoever is asked
// must see what is asked.
func Printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// WrittenByOthers reports whether others may have written the loom's work tree: the author of a pull request, or an
// agent.
func WrittenByOthers(k *registry.Loom) bool {
	return k.IsWrittenByOthers()
}

// Reasons lists why others may have written the loom's work tree.
func Reasons(k *registry.Loom) []string {
	reasons := []string{}
	switch {
	case k.Origin != "":
		reasons = append(reasons, k.Origin)
	case strings.HasPrefix(k.ID, "pr/"):
		reasons = append(reasons, registry.FromPullRequest(k.ID))
	case k.Untrusted:
		reasons = append(reasons, "it has the changes of others")
	}
	if k.Sandboxed {
		reasons = append(reasons, "a sandbox could write it")
	}
	return reasons
}

// NotAccepted returns the access that is new to the loom. A loom that only its user writes may ask for anything. One
// that others write may ask for no more than the last time, and the first time for no more than the same folder's
// project in looms of its repository that only the user writes: a line names services, and those of another folder are
// others. isSet reports whether the user has set a variable.
func NotAccepted(entry *registry.Loom, looms []*registry.Loom, access []string, isSet func(string) bool) []string {
	if !WrittenByOthers(entry) {
		return nil
	}
	var accepted []string
	if entry.Accepted != nil {
		accepted = entry.Accepted.HostAccess
	} else {
		for _, k := range looms {
			isSame := k.Repository == entry.Repository && k.Folder() == entry.Folder()
			if isSame && !WrittenByOthers(k) && k.Accepted != nil {
				accepted = append(accepted, k.Accepted.HostAccess...)
			}
		}
	}
	var added []string
	for _, a := range access {
		if !slices.Contains(accepted, a) && counts(entry, a, isSet) {
			added = append(added, a)
		}
	}
	return added
}

func counts(entry *registry.Loom, access string, isSet func(string) bool) bool {
	if name, ok := strings.CutPrefix(access, ReadsVariable); ok {
		return isSet(name)
	}
	return entry.Sandboxed || !strings.HasPrefix(access, MountsTree) && !strings.HasPrefix(access, WritesGit) &&
		!strings.HasPrefix(access, Publishes)
}

// Digest is a hash over parts, each with its length.
func Digest(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d\x00", len(part))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
