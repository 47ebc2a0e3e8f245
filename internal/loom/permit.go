package loom

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// AccessError says that the files of a loom ask for more of the host than was accepted.
type AccessError = trust.AccessError

// permission asks the user for what the files of looms want of the host.
type permission struct {
	teller  tell.Teller
	process host.Process
	*given
}

func (l *Looms) permission() permission { return permission{l.Teller, l.Process, &l.granted} }

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
	now, err := accepted(d)
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
func accepted(d *draft) (*registry.Accepted, error) {
	project, err := d.Project.MarshalJSON()
	if err != nil {
		return nil, err
	}
	parts := [][]byte{project}
	files := map[string]string{"the Compose project": trust.Digest(project)[:32]}
	for _, path := range d.Obeyed {
		text, err := d.facts.Files.Read(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		parts = append(parts, text)
		files[path] = trust.Digest(text)[:32]
	}
	return &registry.Accepted{Hash: trust.Digest(parts...), HostAccess: d.Access, Files: files}, nil
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
	added := append(p.notAccepted(entry, state, access), p.refused...)
	slices.Sort(added)
	added = slices.DeleteFunc(added, func(a string) bool { return slices.Contains(p.permitted, a) })
	added = slices.Compact(added)
	if len(added) == 0 {
		return nil
	}
	e := &AccessError{ID: entry.ID, Loom: entry.Name(), Added: added}
	if trusted {
		p.permitted = append(p.permitted, added...)
		return nil
	}
	if p.locks > 0 {
		return &questionError{e}
	}
	return p.put(e)
}

// put asks the user for access.
func (p permission) put(e *AccessError) error {
	if err := p.teller.Ask(e.Error() + "\naccept it"); errors.Is(err, tell.ErrNobody) {
		return e
	} else if err != nil {
		return err
	}
	p.permitted = append(p.permitted, e.Added...)
	return nil
}

// refuse stops if the files of a loom that others write ask for more of the host than up has accepted. Unlike up it
// accepts nothing.
func (p permission) refuse(entry *registry.Loom, state *registry.State, access []string) error {
	if added := append(p.notAccepted(entry, state, access), p.refused...); len(added) > 0 {
		slices.Sort(added)
		return &AccessError{ID: entry.ID, Loom: entry.Name(), Added: slices.Compact(added)}
	}
	return nil
}
