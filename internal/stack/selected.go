package stack

import "github.com/compose-spec/compose-go/v2/types"

// HasService reports whether the project's files have the service, with its profile active or not.
func HasService(p *types.Project, name string) bool {
	_, active := p.Services[name]
	_, disabled := p.DisabledServices[name]
	return active || disabled
}

// Select returns the project with these services and what they depend on active, and all others disabled, as docker
// compose up SERVICE does.
func Select(p *types.Project, names []string) (*types.Project, error) {
	enabled, err := p.WithServicesEnabled(names...)
	if err != nil {
		return nil, err
	}
	return enabled.WithSelectedServices(names)
}
