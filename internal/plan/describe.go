package plan

import (
	"fmt"
	"strings"
)

// Describe says what was decided, a line for each thing.
func (p *Plan) Describe() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	services := strings.Join(p.Project.ServiceNames(), ", ")
	add("project %s in %s, services: %s", p.Entry.Project, p.Entry.Dir, services)
	for _, v := range p.Base.Variables {
		moves := "moves with the loom"
		if !p.Base.Moves[v.Name] {
			moves = "keeps its value"
		}
		add("variable %s gives port %s of service %s and %s", v.Name, v.Published, v.Service, moves)
	}
	if p.IsPlain() {
		add("main is as docker compose up would make it: no lease, no edit, no file")
	}
	for _, lease := range p.Entry.Ports {
		add("lease: base %d at %s (offset %d)", lease.Base, lease, p.Entry.Offset)
	}
	for _, subnet := range p.Entry.Subnets {
		add("subnet: %v", subnet)
	}
	for _, e := range p.Edits {
		add("edit: %s", e)
	}
	for _, v := range p.Env {
		add("block: %s=%s", v.Name, v.Value)
	}
	for _, f := range p.Findings {
		add("finding: %s", f)
	}
	for _, f := range p.Files {
		if f.Content == nil {
			add("file to go: %s", f.Path)
		} else {
			add("file to be: %s (%d bytes)", f.Path, len(f.Content))
		}
	}
	return lines
}
