package plan

import "github.com/docker-loom/docker-loom/internal/stack"

// Select removes all services from the plan's project but the named ones, their dependencies and, in a confined loom,
// the sidecar. Leases and files stay those of the whole project.
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
