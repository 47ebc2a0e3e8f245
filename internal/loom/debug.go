package loom

import (
	"fmt"
	"strings"
)

// debugFacts tells what a plan is made from.
func (l *Looms) debugFacts(t *Target, f *facts) {
	if l.Debug == nil {
		return
	}
	for _, path := range f.settings.Files {
		l.debugf("settings: %s", path)
	}
	for _, path := range f.found.Paths {
		l.debugf("compose file: %s", path)
	}
	if f.found.Dockerfile != "" {
		l.debugf("no compose file; %s", f.found.Dockerfile)
	}
	switch {
	case f.env == nil:
		l.debugf("%s: not there", f.found.DotEnv())
	case len(f.vars) > 0:
		l.debugf("%s: read without its block, which has %d variables", f.found.DotEnv(), len(f.vars))
	default:
		l.debugf("%s: read", f.found.DotEnv())
	}
	for _, path := range f.found.EnvFiles {
		l.debugf("env file: %s", path)
	}
	if profiles := strings.Join(f.found.Profiles, ", "); profiles != "" {
		l.debugf("profiles: %s", profiles)
	}
	known := "is new"
	if t.Known != nil {
		known = fmt.Sprintf("is in the registry: project %s, offset %d, %d leases", t.Known.Project, t.Known.Offset, len(t.Known.Ports))
	}
	l.debugf("loom %s %s; the registry has %d looms; lease space %s", t.ID, known, len(f.state.Looms), f.space)
}

// debugPlan tells what was decided.
func (l *Looms) debugPlan(p *Plan) {
	if l.Debug == nil {
		return
	}
	l.debugf("project %s in %s, services: %s", p.Entry.Project, p.Entry.Dir, strings.Join(p.Project.ServiceNames(), ", "))
	for _, v := range p.base.Variables {
		moves := "moves with the loom"
		if !p.follow[v.Name] {
			moves = "keeps its value"
		}
		l.debugf("variable %s gives port %s of service %s and %s", v.Name, v.Published, v.Service, moves)
	}
	if p.plain() {
		l.debugf("main is as docker compose up would make it: no lease, no edit, no file")
	}
	for _, lease := range p.Entry.Ports {
		l.debugf("lease: base %d at %s (offset %d)", lease.Base, lease, p.Entry.Offset)
	}
	for _, subnet := range p.Entry.Subnets {
		l.debugf("subnet: %v", subnet)
	}
	for _, e := range p.Edits {
		l.debugf("edit: %s", e)
	}
	for _, v := range p.Env {
		l.debugf("block: %s=%s", v.Name, v.Value)
	}
	for _, f := range p.Findings {
		l.debugf("finding: %s", f)
	}
	for _, f := range p.Files {
		if f.Content == nil {
			l.debugf("file to go: %s", f.Path)
		} else {
			l.debugf("file to be: %s (%d bytes)", f.Path, len(f.Content))
		}
	}
}
