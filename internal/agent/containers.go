package agent

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// agentContainers are an agent's two containers, nil if one is missing.
type agentContainers struct{ sandbox, sidecar *engine.Container }

// containersOf finds an agent's containers among those of a loom.
func containersOf(own []engine.Container, agent string) agentContainers {
	var c agentContainers
	for i, o := range own {
		switch {
		case o.OneOff || !sandbox.IsSandbox(o.Labels):
		case o.Service == sandbox.ServiceName(agent):
			c.sandbox = &own[i]
		case o.Service == sandbox.EgressName(agent):
			c.sidecar = &own[i]
		}
	}
	return c
}

// isSandbox reports whether a container is an agent's sandbox, not a sidecar.
func isSandbox(c engine.Container) bool {
	name := c.Labels[sandbox.LabelAgent]
	return name != "" && !c.OneOff && c.Service == sandbox.ServiceName(name)
}

// areRunning reports whether both containers run.
func (c agentContainers) areRunning() bool {
	return c.sandbox != nil && c.sidecar != nil && c.sandbox.State == "running" && c.sidecar.State == "running"
}

// servicesOf are the services that a sandbox reaches by name.
func servicesOf(own []engine.Container) []string {
	var names []string
	for _, c := range own {
		if !c.OneOff && isService(c) {
			names = append(names, c.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isService reports whether a container is one of the loom's services: no sandbox, and not the sidecar that services
// leave through.
func isService(c engine.Container) bool {
	return !sandbox.IsSandbox(c.Labels) && c.Service != sandbox.ServicesEgress
}

// canJoin reports whether a service's container can be joined to a sandbox's network.
func canJoin(c engine.Container) bool {
	if !loom.IsRunning(c) || !isService(c) || len(c.Networks) == 0 {
		return false
	}
	return !slices.Contains(c.Networks, "host") && !slices.Contains(c.Networks, "none")
}

// joinServices joins the services of a loom's projects to a sandbox's network under their names; they go on running.
func (b backend) joinServices(
	ctx context.Context, own []engine.Container, names serviceNames, network string,
) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, c := range own {
		joined := slices.Contains(c.Networks, network)
		if !canJoin(c) || joined && (c.OneOff || names.mayUse(c.Project, c.Service)) {
			continue
		}
		g.Go(func() error {
			now, ok, err := b.engine.InspectListed(ctx, c)
			if err != nil || !ok {
				return err
			}
			if joined {
				// It may have joined while the older project that has its name was down.
				if !slices.Contains(now.AliasesOn[network], c.Service) {
					return nil
				}
				if err := b.engine.Detach(ctx, network, []string{c.ID}); err != nil {
					return err
				}
			}
			aliases := names.aliases(c, now.Aliases)
			b.debugf("container %s joins network %s as %v", c.Name, network, aliases)
			return b.engine.Connect(ctx, network, c.ID, aliases)
		})
	}
	return g.Wait()
}
