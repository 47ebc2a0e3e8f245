package loom

import (
	"fmt"
	"strings"

	"github.com/docker-loom/docker-loom/internal/survey"
)

// debugFacts tells what a plan is made from.
func (l *Looms) debugFacts(f *survey.Facts) {
	if !l.Teller.Verbose() {
		return
	}
	for _, path := range f.Settings.Files {
		l.Teller.Debugf("settings: %s", path)
	}
	for _, path := range f.Found.Paths {
		l.Teller.Debugf("compose file: %s", path)
	}
	if f.Found.Dockerfile != "" {
		l.Teller.Debugf("no compose file; %s", f.Found.Dockerfile)
	}
	switch {
	case f.DotEnv == nil:
		l.Teller.Debugf("%s: not there", f.Found.DotEnv())
	case len(f.Block) > 0:
		l.Teller.Debugf("%s: read without its block, which has %d variables", f.Found.DotEnv(), len(f.Block))
	default:
		l.Teller.Debugf("%s: read", f.Found.DotEnv())
	}
	for _, path := range f.Found.EnvFiles {
		l.Teller.Debugf("env file: %s", path)
	}
	if profiles := strings.Join(f.Found.Profiles, ", "); profiles != "" {
		l.Teller.Debugf("profiles: %s", profiles)
	}
	known := "is new"
	if f.Target.Known != nil {
		k := f.Target.Known
		known = fmt.Sprintf("is in the registry: project %s, offset %d, %d leases", k.Project, k.Offset, len(k.Ports))
	}
	l.Teller.Debugf("loom %s %s; the registry has %d looms; lease space %s",
		f.Target.ID, known, len(f.State.Looms), f.Space)
}

// debugPlan tells what was decided.
func (l *Looms) debugPlan(p *Plan) {
	if !l.Teller.Verbose() {
		return
	}
	services := strings.Join(p.Project.ServiceNames(), ", ")
	l.Teller.Debugf("project %s in %s, services: %s", p.Entry.Project, p.Entry.Dir, services)
	for _, v := range p.Base.Variables {
		moves := "moves with the loom"
		if !p.Base.Moves[v.Name] {
			moves = "keeps its value"
		}
		l.Teller.Debugf("variable %s gives port %s of service %s and %s", v.Name, v.Published, v.Service, moves)
	}
	if p.IsPlain() {
		l.Teller.Debugf("main is as docker compose up would make it: no lease, no edit, no file")
	}
	for _, lease := range p.Entry.Ports {
		l.Teller.Debugf("lease: base %d at %s (offset %d)", lease.Base, lease, p.Entry.Offset)
	}
	for _, subnet := range p.Entry.Subnets {
		l.Teller.Debugf("subnet: %v", subnet)
	}
	for _, e := range p.Edits {
		l.Teller.Debugf("edit: %s", e)
	}
	for _, v := range p.Env {
		l.Teller.Debugf("block: %s=%s", v.Name, v.Value)
	}
	for _, f := range p.Findings {
		l.Teller.Debugf("finding: %s", f)
	}
	for _, f := range p.Files {
		if f.Content == nil {
			l.Teller.Debugf("file to go: %s", f.Path)
		} else {
			l.Teller.Debugf("file to be: %s (%d bytes)", f.Path, len(f.Content))
		}
	}
}
