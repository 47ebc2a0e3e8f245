package loom

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// PermitPolicy stops if the settings of the main work tree, which say what agents of all looms may do, ask for more
// than was accepted while a sandbox may write that work tree.
func (l *Looms) PermitPolicy(ctx context.Context, t *Target, o Options) error {
	if t.WorkTree == t.Repository {
		// Then the plan has them among its powers.
		return nil
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	in := state.InFolder(t.Repository)
	if len(in) == 0 {
		// main may be down.
		k := &registry.Loom{ID: Main, Repository: t.Repository, WorkTree: t.Repository}
		l.inherit(k, state)
		in = append(in, k)
	}
	for _, k := range in {
		if !IsDistrusted(k) {
			continue
		}
		powers, err := policyPowers(&Target{Repository: t.Repository, WorkTree: t.Repository})
		if err != nil {
			return err
		}
		if err := l.permit(ctx, k, powers, o.Trust); err != nil {
			return err
		}
	}
	return nil
}

// policyPowers lists what the settings of a work tree give agents beyond a sandbox as it is by default, one line each,
// where they are obeyed: in the main work tree. An agent that works there could write them.
func policyPowers(t *Target) ([]string, error) {
	if t.WorkTree != t.Repository {
		return nil, nil
	}
	set, err := settings.Read(settings.Sources{WorkTree: t.WorkTree})
	if err != nil {
		return nil, err
	}
	agents := map[string]settings.Agent{sandbox.DefaultAgent: set.Container.Agent}
	maps.Copy(agents, set.Container.Agents)
	var list []string
	for name, a := range agents {
		note := func(format string, args ...any) {
			list = append(list, "agent "+name+" "+fmt.Sprintf(format, args...))
		}
		for _, say := range []struct{ what, value string }{
			{"has the image", a.Image}, {"has the runtime", a.Runtime}, {"has the vault", a.Vault}, {"may take memory of", a.Memory},
		} {
			if say.value != "" {
				note("%s %s", say.what, say.value)
			}
		}
		for _, host := range a.Egress.Allow {
			note("reaches %s", host)
		}
		for _, preset := range a.Credentials {
			note("has your credentials of %s", preset)
		}
		for _, m := range a.Mounts {
			if m.ReadOnly {
				note("reads %s", m.Source)
			} else {
				note("writes to %s", m.Source)
			}
		}
		for what, is := range map[string]bool{
			"reaches every public host":                          a.Egress.Mode == "open",
			"works beside services that reach every public host": a.ServicesEgress == "open",
			"has the Docker socket":                              a.DockerAccess == "socket",
			"writes the work tree":                               name != sandbox.DefaultAgent && !a.ReadOnly,
		} {
			if is {
				note("%s", what)
			}
		}
		if a.CPUs > 0 {
			note("may take %g CPUs", a.CPUs)
		}
		if a.PIDs > 0 {
			note("may run %d processes", a.PIDs)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
