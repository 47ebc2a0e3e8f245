package permit

import (
	"errors"
	"slices"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// Permission asks the user for what the files of looms want of the host.
type Permission struct {
	Teller  tell.Teller
	Process host.Process
	*Given
}

// Request is what the files of a project want.
type Request struct {
	Entry  *registry.Loom
	State  *registry.State
	Access []string
	// Trusted says that the user accepts it without being asked.
	Trusted bool
}

// NotAccepted returns the access that is new to the project.
func (p Permission) NotAccepted(r Request) []string {
	isSet := func(name string) bool {
		_, set := p.Process.LookupEnv(name)
		return set
	}
	return trust.NotAccepted(r.Entry, r.State.Looms, r.Access, isSet)
}

// Ask stops, or asks the user, if access is new to a loom whose work tree others write. What the user has just accepted
// is not asked about again.
func (p Permission) Ask(r Request) error {
	added := append(p.NotAccepted(r), p.Refused...)
	slices.Sort(added)
	added = slices.DeleteFunc(added, p.isPermitted)
	added = slices.Compact(added)
	if len(added) == 0 {
		return nil
	}
	e := &trust.AccessError{ID: r.Entry.ID, Loom: r.Entry.Name(), Added: added}
	if r.Trusted {
		p.permit(added)
		return nil
	}
	if p.Locks > 0 {
		return &QuestionError{e}
	}
	return p.Put(e)
}

// Put asks the user for access.
func (p Permission) Put(e *trust.AccessError) error {
	if err := p.Teller.Ask(e.Error() + "\naccept it"); errors.Is(err, tell.ErrNobody) {
		return e
	} else if err != nil {
		return err
	}
	p.permit(e.Added)
	return nil
}

// Refuse stops if the files of a loom that others write ask for more of the host than up has accepted. Unlike up it
// accepts nothing.
func (p Permission) Refuse(r Request) error {
	if added := append(p.NotAccepted(r), p.Refused...); len(added) > 0 {
		slices.Sort(added)
		return &trust.AccessError{ID: r.Entry.ID, Loom: r.Entry.Name(), Added: slices.Compact(added)}
	}
	return nil
}
