package stack

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v2/pkg/api"
)

// LabelPreStop has the pre_stop hooks of a container's service as JSON, so that they run when the loom goes down though
// nobody reads its files any more. Compose does not hash it.
const LabelPreStop = "ai.iloom.pre-stop"

// RecordHooks puts the pre_stop hooks of a finished project's services on their containers, in LabelPreStop.
func RecordHooks(p *types.Project) error {
	for name, s := range p.Services {
		if len(s.PreStop) == 0 {
			continue
		}
		hooks, err := json.Marshal(s.PreStop)
		if err != nil {
			return fmt.Errorf("service %s: pre_stop: %w", name, err)
		}
		s.CustomLabels = s.CustomLabels.Add(LabelPreStop, string(hooks))
		p.Services[name] = s
	}
	return nil
}

// RecordedHooks makes of the labels of a project's containers what Down and Stop need to run the recorded hooks: the
// services in their order. It is nil if no hook was recorded: Compose then finds the services itself.
func RecordedHooks(name string, containers []map[string]string) (*types.Project, error) {
	p := &types.Project{Name: name, Services: types.Services{}}
	recorded := false
	for _, labels := range containers {
		service := labels[api.ServiceLabel]
		if service == "" || strings.EqualFold(labels[api.OneoffLabel], "True") {
			continue
		}
		s := p.Services[service]
		s.Name = service
		if text := labels[LabelPreStop]; text != "" {
			s.PreStop = nil
			if err := json.Unmarshal([]byte(text), &s.PreStop); err != nil {
				return nil, fmt.Errorf("service %s: label %s: %w", service, LabelPreStop, err)
			}
			recorded = recorded || len(s.PreStop) > 0
		}
		s.DependsOn = dependencies(labels)
		p.Services[service] = s
	}
	if !recorded {
		return nil, nil
	}
	for _, s := range p.Services {
		for dependency := range s.DependsOn {
			// Its containers are gone, and Compose refuses to order what it does not know.
			if _, ok := p.Services[dependency]; !ok {
				delete(s.DependsOn, dependency)
			}
		}
	}
	return p, nil
}

// dependencies are what a container's service depends on, as Compose writes it on the container:
// SERVICE:CONDITION:RESTART, with commas between them.
func dependencies(labels map[string]string) types.DependsOnConfig {
	depends := types.DependsOnConfig{}
	for text := range strings.SplitSeq(labels[api.DependenciesLabel], ",") {
		if service, _, _ := strings.Cut(text, ":"); service != "" {
			depends[service] = types.ServiceDependency{Condition: types.ServiceConditionStarted}
		}
	}
	return depends
}
