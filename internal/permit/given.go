// Package permit asks the user for what the files of looms want of the host, and remembers the answers for as long as
// the process runs.
package permit

import (
	"errors"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// Given is what the user has accepted in this process, and whether the user may be kept waiting.
type Given struct {
	// Refused is access that was needed to read the files that were read last, and that nobody accepted.
	Refused []string
	// Locks is how many looms this process holds. While it holds one, nothing is asked and nothing is fetched: other
	// commands would wait for an answer, or for another machine.
	Locks int
	// HasReadAhead says that what could be fetched was fetched.
	HasReadAhead bool

	// project is what is worked on. permitted is the access that was accepted for each project: it counts for that one
	// alone.
	project   string
	permitted map[string][]string
}

// WorkOn notes which project is worked on.
func (g *Given) WorkOn(t *survey.Target) { g.project = t.Name() + "\x00" + t.Source.Dir }

// Project names the project that is worked on; it differs from that of any other.
func (g *Given) Project() string { return g.project }

// Variables are the user's variables that were accepted for the project.
func (g *Given) Variables() []string {
	var names []string
	for _, access := range g.permitted[g.project] {
		if name, ok := strings.CutPrefix(access, trust.ReadsVariable); ok {
			names = append(names, name)
		}
	}
	return names
}

func (g *Given) permit(access []string) {
	if g.permitted == nil {
		g.permitted = map[string][]string{}
	}
	g.permitted[g.project] = append(g.permitted[g.project], access...)
}

func (g *Given) isPermitted(access string) bool {
	return slices.Contains(g.permitted[g.project], access)
}

// QuestionError says that something has to be asked for once no loom is held.
type QuestionError struct{ *trust.AccessError }

// Unwrap gives what is asked for.
func (e *QuestionError) Unwrap() error { return e.AccessError }

// ErrFetchLater says that something has to be fetched once no loom is held.
var ErrFetchLater = errors.New("fetched before the loom is locked")
