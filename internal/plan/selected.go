package plan

import "github.com/docker-loom/docker-loom/internal/stack"

// Select leaves of the plan's project the named services, with what they depend on. The services' way out of a loom
// with a sandbox is among them. Leases and files are those of the whole project.
func (p *Plan) Select(names []string) error {
	if len(names) == 0 {
		return nil
	}
	if p.Confined() != nil {
		names = append(names[:len(names):len(names)], EgressService)
	}
	project, err := stack.Select(p.Project, names)
	if err == nil {
		p.Project = project
	}
	return err
}
