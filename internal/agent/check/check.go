// Package check tries from inside a sandbox what must be closed.
package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// commonPorts are ports on which hosts often listen: ssh, http, the engine's API, and what databases take.
var commonPorts = []int{22, 80, 443, 2375, 2376, 3000, 3306, 5432, 6379, 8080}

// UnlistedName is a name that nobody can own.
const UnlistedName = "not-listed.docker-loom.invalid"

// Check is a check of a sandbox that runs.
type Check struct {
	Engine *engine.Engine
	Teller tell.Teller
	Spec   sandbox.Spec
	// Projects are the Compose projects whose services are on the sandbox's network.
	Projects []string
	// ContainerID is that of the sandbox.
	ContainerID string
}

// Run tries from inside the sandbox's own network what must be closed. If anything goes wrong or is open, the sandbox
// is stopped.
func (k Check) Run(ctx context.Context) (err error) {
	spec := k.Spec
	defer func() {
		if err == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if stopped := k.Engine.Stop(ctx, k.ContainerID, time.Second); stopped != nil {
			err = fmt.Errorf("%w; and it could not be stopped: %w", err, stopped)
		}
	}()
	c, err := k.probes(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	out, why, code, err := k.Engine.RunOnce(ctx, engine.Once{
		Image: spec.EgressImage, Cmd: []string{sandbox.Program, "egress", "check"}, User: sandbox.EgressUser,
		Env: []string{egress.CheckVariable + "=" + string(text)}, Network: "container:" + k.ContainerID,
		Labels: map[string]string{sandbox.LabelAgent: spec.Agent},
	})
	if err != nil {
		return fmt.Errorf("check of the sandbox: %w", err)
	}
	var r egress.Report
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("check of the sandbox: exit code %d: %s%s", code, out, why)
	}
	k.Teller.Debugf("check of the sandbox: %d probes, %d surprises", r.Probes, len(r.Surprises))
	if len(r.Surprises) > 0 {
		return &LeakError{Loom: spec.Loom, Agent: spec.Agent, Surprises: r.Surprises}
	}
	if !r.OK || code != 0 {
		return fmt.Errorf("check of the sandbox: exit code %d: %s%s", code, out, why)
	}
	return nil
}

// probes are what is tried: this machine by all its addresses, ports that others publish there, and the rest of the
// world.
func (k Check) probes(ctx context.Context) (egress.Check, error) {
	spec := k.Spec
	c := egress.Check{
		Mode: spec.Egress, Unlisted: UnlistedName,
		Proxy: sandbox.EgressName(spec.Agent) + ":" + strconv.Itoa(egress.Port),
	}
	gateways, err := k.Engine.Gateways(ctx)
	if err != nil {
		return c, err
	}
	own, err := host.This().Addresses()
	if err != nil {
		return c, err
	}
	peers, err := k.peers(ctx)
	if err != nil {
		return c, err
	}
	for _, address := range append(gateways, own...) {
		// An address of one link means nothing on another.
		if !address.IsLoopback() && !address.IsLinkLocalUnicast() && !slices.Contains(peers, address) {
			c.Hosts = append(c.Hosts, address.String())
		}
	}
	slices.Sort(c.Hosts)
	c.Hosts = slices.Compact(c.Hosts)
	for _, address := range peers {
		c.Peers = append(c.Peers, address.String())
	}
	bindings, err := k.Engine.Bindings(ctx)
	if err != nil {
		return c, err
	}
	c.Ports = slices.Clone(commonPorts)
	for _, b := range bindings {
		if b.Protocol == "tcp" && b.State == "running" {
			c.Ports = append(c.Ports, b.Port)
		}
	}
	slices.Sort(c.Ports)
	c.Ports = slices.Compact(c.Ports)
	return c, nil
}

// peers are the addresses of the containers on the sandbox's network: its own, the sidecar's, and those of services.
func (k Check) peers(ctx context.Context) ([]netip.Addr, error) {
	var peers []netip.Addr
	for _, project := range k.Projects {
		now, err := k.Engine.Containers(ctx, engine.Filter{Project: project})
		if err != nil {
			return nil, err
		}
		for _, o := range now {
			for _, address := range o.Addresses {
				if k.Spec.Subnet.Contains(address) {
					peers = append(peers, address)
				}
			}
		}
	}
	return peers, nil
}

// LeakError says that a sandbox reached what it must not. It was stopped, and no command has run in it.
type LeakError struct {
	Loom, Agent string
	Surprises   []egress.Surprise
}

// Error lists what was reached.
func (e *LeakError) Error() string {
	lines := make([]string, 0, len(e.Surprises))
	const most = 20
	for i, s := range e.Surprises {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Surprises)-most))
			break
		}
		lines = append(lines, s.String())
	}
	return fmt.Sprintf("the sandbox of loom %s is not closed, and was stopped:\n  %s", e.Loom, strings.Join(lines, "\n  "))
}

// NextStep says what the user does next.
func (e *LeakError) NextStep() string {
	return "docker loom doctor says what this engine can do; docker loom agent run " + e.Loom + " tries again"
}
