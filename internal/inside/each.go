package inside

import (
	"errors"
	"slices"

	"github.com/docker-loom/docker-loom/internal/loom"
)

// nothingError says that a project has no containers in the state that a command wants.
type nothingError struct{ error }

// Unwrap gives the cause.
func (e nothingError) Unwrap() error { return e.error }

// Each does something to the target's project if a service is named, otherwise to all that the target means. A project
// without such containers is passed over if another has some.
func (l *Containers) Each(t *loom.Target, services []string, do func(*loom.Target) (*Acted, error)) (*Acted, error) {
	projects := t.Meant()
	if len(services) > 0 || len(projects) == 1 {
		return do(t)
	}
	acted := &Acted{Loom: t.ID, Project: t.Known.Project, Services: []string{}}
	var nothing error
	hasActed := false
	for _, k := range projects {
		a, err := do(t.Of(k))
		if errors.As(err, new(nothingError)) {
			nothing = err
			continue
		}
		if err != nil {
			return nil, err
		}
		hasActed = true
		acted.Services = append(acted.Services, a.Services...)
	}
	if !hasActed {
		return nil, nothing
	}
	slices.Sort(acted.Services)
	acted.Services = slices.Compact(acted.Services)
	return acted, nil
}
