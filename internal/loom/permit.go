package loom

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// AccessError says that the files of a loom ask for more of the host than was accepted.
type AccessError = trust.AccessError

// permission asks the user for what the files of looms want of the host.
type permission struct {
	teller  tell.Teller
	process host.Process
	// permitted is the access that the user has accepted in this process.
	permitted *[]string
}

func (l *Looms) permission() permission { return permission{l.Teller, l.Process, &l.permitted} }

// notAccepted returns the access that is new to the loom.
func (p permission) notAccepted(entry *registry.Loom, state *registry.State, access []string) []string {
	isSet := func(name string) bool {
		_, set := p.process.LookupEnv(name)
		return set
	}
	return trust.NotAccepted(entry, state.Looms, access, isSet)
}

// accept stops if the files of a loom that others write ask for more of the host than was accepted, and puts into the
// plan what is accepted from now on. It comes before anything that the files say is done.
func (l *upRun) accept(ctx context.Context, d *draft) error {
	if d.options.DryRun {
		if added := l.notAccepted(&d.Entry, d.facts.State, d.Access); len(added) > 0 {
			d.Findings = append(d.Findings, finding.Finding{
				Level: finding.Error, Subject: "loom " + d.ID,
				Message: "asks for more of this machine than was accepted: " + strings.Join(added, "; "),
				Remedy:  "--trust accepts it",
			})
		}
		return nil
	}
	if err := l.ask(&d.Entry, d.facts.State, d.Access, d.options.Trust); err != nil {
		return err
	}
	now, err := accepted(d.Plan)
	if err != nil {
		return err
	}
	if have := d.Entry.Accepted; have != nil && have.Hash == now.Hash && slices.Equal(have.HostAccess, now.HostAccess) {
		return nil
	}
	if err := tellMountsMore(ctx, l.Companions, d, now); err != nil {
		return err
	}
	d.Entry.Accepted, d.Leases = now, true
	return nil
}

// accepted is what the plan obeys.
func accepted(p *Plan) (*registry.Accepted, error) {
	project, err := p.Project.MarshalJSON()
	if err != nil {
		return nil, err
	}
	parts := [][]byte{project}
	for _, path := range p.Obeyed {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		parts = append(parts, text)
	}
	return &registry.Accepted{Hash: trust.Digest(parts...), HostAccess: p.Access}, nil
}

// tellMountsMore tells the companions if services mount more of the work tree than before: what runs in a sandbox could
// put a link in its place.
func tellMountsMore(ctx context.Context, cs Companions, d *draft, now *registry.Accepted) error {
	have := d.Entry.Accepted
	more := slices.ContainsFunc(now.HostAccess, func(access string) bool {
		return strings.HasPrefix(access, trust.MountsTree) && (have == nil || !slices.Contains(have.HostAccess, access))
	})
	if !d.Entry.Sandboxed || !more {
		return nil
	}
	return cs.tell(func(c Companion) error { return c.ServicesMountMore(ctx, &d.Entry) })
}

// ask stops, or asks the user, if access is new to a loom whose work tree others write. What the user has just accepted
// is not asked about again.
func (p permission) ask(entry *registry.Loom, state *registry.State, access []string, trusted bool) error {
	added := p.notAccepted(entry, state, access)
	if len(added) == 0 || trusted {
		return nil
	}
	added = slices.DeleteFunc(added, func(a string) bool { return slices.Contains(*p.permitted, a) })
	if len(added) == 0 {
		return nil
	}
	e := &AccessError{ID: entry.ID, Loom: entry.Name(), Added: added}
	if err := p.teller.Ask(e.Error() + "\naccept it"); errors.Is(err, tell.ErrNobody) {
		return e
	} else if err != nil {
		return err
	}
	*p.permitted = append(*p.permitted, added...)
	return nil
}

// refuse stops if the files of a loom that others write ask for more of the host than up has accepted. Unlike up it
// accepts nothing.
func (p permission) refuse(d *draft) error {
	if added := p.notAccepted(&d.Entry, d.facts.State, d.Access); len(added) > 0 {
		return &AccessError{ID: d.ID, Loom: d.Name(), Added: added}
	}
	return nil
}

// userOfURL is the user and password of a reference.
var userOfURL = regexp.MustCompile(`//[^/@]*@`)

// mayFetch refuses to fetch what the files of a loom that others write include from another machine, unless that was
// accepted: the reference can have any variable of the user's in it, and is used before the project is known.
func (p permission) mayFetch(f *survey.Facts, o Options, reference string) error {
	access := "the files include " + userOfURL.ReplaceAllString(reference, "//")
	f.Includes = append(f.Includes, access)
	t := f.Target
	entry := &registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		entry = t.Known.Clone()
	}
	entry.WorkTree = t.WorkTree
	entry.Untrusted = entry.Untrusted || identity.IsPullRequest(t.ID)
	entry.Inherit(f.State, f.Written)
	if !o.DryRun {
		return p.ask(entry, f.State, []string{access}, o.Trust)
	}
	if added := p.notAccepted(entry, f.State, []string{access}); len(added) > 0 && !o.Trust {
		return &AccessError{ID: entry.ID, Loom: entry.Name(), Added: added}
	}
	return nil
}
