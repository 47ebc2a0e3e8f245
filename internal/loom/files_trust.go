package loom

import (
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// filesTrust is what the user lets the files of a loom have while they are read.
type filesTrust struct {
	permission
	options Options
	// notes says that access is permitted or refused once the plan is known.
	notes bool
}

// WrittenByOthers reports whether others may have written the work tree of the loom that is looked at.
func (p filesTrust) WrittenByOthers(f *survey.Facts) bool { return trust.WrittenByOthers(entryOf(f)) }

// Accepted returns what reports whether the user has accepted access of the loom that is looked at.
func (p filesTrust) Accepted(f *survey.Facts) func(access string) bool {
	entry := entryOf(f)
	return func(access string) bool {
		return slices.Contains(p.permitted, access) || len(p.notAccepted(entry, f.State, []string{access})) == 0
	}
}

// Permit asks for access that is needed before the project is known. Where nobody can be asked a file is noted, so that
// all that the files ask for is told at once; nothing is done for them then.
func (p filesTrust) Permit(f *survey.Facts, access ...string) error {
	entry := entryOf(f)
	if p.options.Trust || p.teller.Answers() && !p.options.DryRun {
		return p.ask(entry, f.State, access, p.options.Trust)
	}
	isNoFile := func(a string) bool {
		return !strings.HasPrefix(a, trust.ReadsFile) || strings.HasPrefix(a, trust.ReadsVariable)
	}
	if p.notes && !slices.ContainsFunc(access, isNoFile) {
		p.refused = append(p.refused, p.notAccepted(entry, f.State, access)...)
		return nil
	}
	return p.refuse(entry, f.State, access)
}

// BeforeFetch puts a fetch off while a loom is locked.
func (p filesTrust) BeforeFetch() error {
	if p.locks > 0 && !p.hasReadAhead {
		return errFetchLater
	}
	return nil
}

// expose leaves in the process what the files of a loom may have, and what programs need: Compose and buildx look into
// it by themselves.
func (l *Looms) expose(f *survey.Facts) {
	if l.Process.Expose == nil || !f.ByOthers && !l.granted.hasNarrowed {
		return
	}
	l.granted.hasNarrowed = f.ByOthers
	l.Process.Expose(l.Process.With(func(name string) bool {
		return !f.ByOthers || f.Given[name] || trust.IsNeededVariable(name)
	}).Environ)
}

// hasGained reports whether variables were accepted that the files did not have when they were read.
func (p permission) hasGained(d *draft) bool {
	return slices.ContainsFunc(p.permitted, func(access string) bool {
		name, ok := strings.CutPrefix(access, trust.ReadsVariable)
		return ok && d.facts.Withheld[name]
	})
}

// entryOf is the loom that is looked at, as far as it is known before its project is.
func entryOf(f *survey.Facts) *registry.Loom {
	t := f.Target
	entry := &registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		entry = t.Known.Clone()
	}
	entry.WorkTree = t.WorkTree
	entry.Untrusted = entry.Untrusted || identity.IsPullRequest(t.ID)
	entry.Inherit(f.State, f.Written)
	return entry
}
