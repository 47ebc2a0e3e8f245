package trust

import (
	"fmt"
	"slices"

	"github.com/docker-loom/docker-loom/internal/settings"
)

// PolicyAccess lists what the settings of a work tree give agents beyond a sandbox as it is by default, one line each,
// sorted. fallback is the name of the agent that container.agent describes. An agent that works in the tree could write
// its settings.
func PolicyAccess(set *settings.Settings, fallback string) []string {
	var list []string
	if _, named := set.Container.Agents[fallback]; !named {
		list = agentAccess(fallback, set.Container.Agent, true)
	}
	for name, a := range set.Container.Agents {
		list = append(list, agentAccess(name, a, name == fallback)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func agentAccess(name string, a settings.Agent, isFallback bool) []string {
	var list []string
	add := func(format string, args ...any) {
		list = append(list, "agent "+name+" "+fmt.Sprintf(format, args...))
	}
	for _, has := range []struct{ what, value string }{
		{"has the image", a.Image},
		{"has the runtime", a.Runtime},
		{"has the vault", a.Vault},
		{"may take memory of", a.Memory},
	} {
		if has.value != "" {
			add("%s %s", has.what, has.value)
		}
	}
	for _, name := range a.Egress.Allow {
		add("reaches %s", name)
	}
	for _, preset := range a.Credentials {
		add("has your credentials of %s", preset)
	}
	for _, m := range a.Mounts {
		if m.ReadOnly {
			add("reads %s", m.Source)
		} else {
			add("writes to %s", m.Source)
		}
	}
	for what, allowed := range map[string]bool{
		"reaches every public host":                          a.Egress.Mode == "open",
		"works beside services that reach every public host": a.ServicesEgress == "open",
		"has the Docker socket":                              a.DockerAccess == "socket",
		"writes the work tree":                               !isFallback && !a.ReadOnly,
	} {
		if allowed {
			add("%s", what)
		}
	}
	if a.CPUs > 0 {
		add("may take %g CPUs", a.CPUs)
	}
	if a.PIDs > 0 {
		add("may run %d processes", a.PIDs)
	}
	return list
}
