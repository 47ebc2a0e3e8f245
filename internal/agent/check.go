package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// commonPorts are ports on which hosts often listen: ssh, http, the engine's API, and what databases take.
var commonPorts = []int{22, 80, 443, 2375, 2376, 3000, 3306, 5432, 6379, 8080}

// unlistedName is a name that nobody can own.
const unlistedName = "not-listed.docker-loom.invalid"

// checkClosed tries from inside the sandbox's own network what must be closed. If anything goes wrong or is open, the
// sandbox is stopped.
func (a *Agents) checkClosed(
	ctx context.Context, t *loom.Target, spec sandbox.Spec, inside *engine.Container,
) (err error) {
	defer func() {
		if err == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if stopped := a.engine.Stop(ctx, inside.ID, time.Second); stopped != nil {
			err = fmt.Errorf("%w; and it could not be stopped: %w", err, stopped)
		}
	}()
	c, err := a.probes(ctx, t, spec)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	out, why, code, err := a.engine.RunOnce(ctx, engine.Once{
		Image: spec.EgressImage, Cmd: []string{sandbox.Program, "egress", "check"}, User: sandbox.EgressUser,
		Env: []string{egress.CheckVariable + "=" + string(text)}, Network: "container:" + inside.ID,
		Labels: map[string]string{sandbox.LabelAgent: spec.Agent},
	})
	if err != nil {
		return fmt.Errorf("check of the sandbox: %w", err)
	}
	var r egress.Report
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("check of the sandbox: exit code %d: %s%s", code, out, why)
	}
	a.debugf("check of the sandbox: %d probes, %d surprises", r.Probes, len(r.Surprises))
	if len(r.Surprises) > 0 {
		return &LeakError{Loom: t.ID, Agent: spec.Agent, Surprises: r.Surprises}
	}
	if !r.OK || code != 0 {
		return fmt.Errorf("check of the sandbox: exit code %d: %s%s", code, out, why)
	}
	return nil
}

// probes are what is tried: this machine by all its addresses, ports that others publish there, and the rest of the
// world.
func (a *Agents) probes(ctx context.Context, t *loom.Target, spec sandbox.Spec) (egress.Check, error) {
	c := egress.Check{
		Mode: spec.Egress, Unlisted: unlistedName,
		Proxy: sandbox.EgressName(spec.Agent) + ":" + strconv.Itoa(egress.Port),
	}
	gateways, err := a.engine.Gateways(ctx)
	if err != nil {
		return c, err
	}
	own, err := host.This().Addresses()
	if err != nil {
		return c, err
	}
	now, err := a.engine.Containers(ctx, engine.Filter{Project: t.Known.Project})
	if err != nil {
		return c, err
	}
	var peers []netip.Addr
	for _, o := range now {
		for _, address := range o.Addresses {
			if spec.Subnet.Contains(address) {
				peers = append(peers, address)
			}
		}
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
	bindings, err := a.engine.Bindings(ctx)
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
