package loom

import "github.com/docker-loom/docker-loom/internal/stack"

// selectServices leaves of the plan's project the named services, with what they depend on. The services' way out of a
// loom with a sandbox is among them. The plan has checked the names. Leases and files are those of the whole project.
func (p *Plan) selectServices(names []string) error {
	if len(names) == 0 {
		return nil
	}
	if _, ok := p.Project.Services[egressService]; ok {
		names = append(names[:len(names):len(names)], egressService)
	}
	project, err := stack.Select(p.Project, names)
	if err == nil {
		p.Project = project
	}
	return err
}
