package loom

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// AccessError says that the files of a loom ask for more of the host than was accepted.
type AccessError = trust.AccessError

func (l *Looms) permission() permit.Permission {
	return permit.Permission{Teller: l.Teller, Process: l.Process, Given: &l.granted}
}

// request is what the files of the plan want.
func (d *draft) request() permit.Request {
	return permit.Request{Entry: &d.Entry, State: d.facts.State, Access: d.Access, Trusted: d.options.Trust}
}

// accept stops if the files of a loom that others write ask for more of the host than was accepted, and puts into the
// plan what is accepted from now on. It comes before anything that the files say is done.
func (l *upRun) accept(ctx context.Context, d *draft) error {
	if d.options.DryRun {
		if added := l.permits.NotAccepted(d.request()); len(added) > 0 {
			d.Findings = append(d.Findings, finding.Finding{
				Level: finding.Error, Subject: "loom " + d.ID,
				Message: "asks for more of this machine than was accepted: " + strings.Join(added, "; "),
				Remedy:  "--trust accepts it",
			})
		}
		return nil
	}
	if err := l.permits.Ask(d.request()); err != nil {
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

// expose leaves in the process what the files of a loom may have, and what programs need: Compose and buildx look into
// it by themselves.
func (l *Looms) expose(f *survey.Facts) {
	if l.Process.Expose == nil || !f.ByOthers && !l.hasNarrowed {
		return
	}
	l.hasNarrowed = f.ByOthers
	l.Process.Expose(l.Process.With(func(name string) bool {
		return !f.ByOthers || f.Given[name] || trust.IsNeededVariable(name)
	}).Environ)
}

// hasGained reports whether variables were accepted that the files did not have when they were read.
func (l *planner) hasGained(d *draft) bool {
	return slices.ContainsFunc(l.permits.Variables(), func(name string) bool { return d.facts.Withheld[name] })
}
