package permit

import (
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

var _ survey.Trust = Files{}

// Files is what the user lets the files of a loom have while they are read.
type Files struct {
	Permission
	// Trusted says that the user accepts what they ask for, DryRun that nobody is asked.
	Trusted, DryRun bool
	// Notes says that access is permitted or refused once the plan is known.
	Notes bool
}

// WrittenByOthers reports whether others may have written the work tree of the loom that is looked at.
func (p Files) WrittenByOthers(f *survey.Facts) bool { return trust.WrittenByOthers(EntryOf(f)) }

// Accepted returns what reports whether the user has accepted access of the loom that is looked at.
func (p Files) Accepted(f *survey.Facts) func(access string) bool {
	r := Request{Entry: EntryOf(f), State: f.State}
	return func(access string) bool {
		r.Access = []string{access}
		return p.isPermitted(access) || len(p.NotAccepted(r)) == 0
	}
}

// Permit asks for access that is needed before the project is known. Where nobody can be asked a file is noted, so that
// all that the files ask for is told at once; nothing is done for them then.
func (p Files) Permit(f *survey.Facts, access ...string) error {
	r := Request{Entry: EntryOf(f), State: f.State, Access: access, Trusted: p.Trusted}
	if p.Trusted || p.Teller.Answers() && !p.DryRun {
		return p.Ask(r)
	}
	isNoFile := func(a string) bool {
		return !strings.HasPrefix(a, trust.ReadsFile) || strings.HasPrefix(a, trust.ReadsVariable)
	}
	if p.Notes && !slices.ContainsFunc(access, isNoFile) {
		p.Refused = append(p.Refused, p.NotAccepted(r)...)
		return nil
	}
	return p.Refuse(r)
}

// BeforeFetch puts a fetch off while a loom is locked.
func (p Files) BeforeFetch() error {
	if p.Locks > 0 && !p.HasReadAhead {
		return ErrFetchLater
	}
	return nil
}

// EntryOf is the project that is looked at, as far as it is known before its files are.
func EntryOf(f *survey.Facts) *registry.Loom {
	t := f.Target
	entry := &registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		entry = t.Known.Clone()
	}
	entry.WorkTree = t.WorkTree
	if entry.Dir == "" {
		entry.Dir = t.Source.Dir
	}
	entry.Untrusted = entry.Untrusted || identity.IsPullRequest(t.ID)
	entry.Inherit(f.State, f.Written)
	return entry
}
