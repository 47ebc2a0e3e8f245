package loom

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
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

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

// listeners are ports on which hosts often listen: ssh, http, the engine's API, and what databases take.
var listeners = []int{22, 80, 443, 2375, 2376, 3000, 3306, 5432, 6379, 8080}

// unlisted is a name that nobody can own.
const unlisted = "not-listed.docker-loom.invalid"

// prove tries from inside the sandbox's own network what must be closed. Whatever goes wrong, or is open, stops the sandbox.
func (l *Looms) prove(ctx context.Context, t *Target, spec sandbox.Spec, inside *engine.Container) (err error) {
	defer func() {
		if err == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if stopped := l.Engine.Stop(ctx, inside.ID, time.Second); stopped != nil {
			err = fmt.Errorf("%w; and it could not be stopped: %w", err, stopped)
		}
	}()
	c, err := l.probes(ctx, t, spec)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	out, why, code, err := l.Engine.RunOnce(ctx, engine.Once{
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
	l.Teller.Debugf("check of the sandbox: %d probes, %d surprises", r.Probes, len(r.Surprises))
	if len(r.Surprises) > 0 {
		return &LeakError{Loom: t.ID, Agent: spec.Agent, Surprises: r.Surprises}
	}
	if !r.OK || code != 0 {
		return fmt.Errorf("check of the sandbox: exit code %d: %s%s", code, out, why)
	}
	return nil
}

// probes are what is tried: this machine by all its addresses, ports that others publish there, and the rest of the world.
func (l *Looms) probes(ctx context.Context, t *Target, spec sandbox.Spec) (egress.Check, error) {
	c := egress.Check{
		Mode: spec.Egress, Unlisted: unlisted,
		Proxy: sandbox.EgressName(spec.Agent) + ":" + strconv.Itoa(egress.Port),
	}
	gateways, err := l.Engine.Gateways(ctx)
	if err != nil {
		return c, err
	}
	own, err := engine.HostAddresses()
	if err != nil {
		return c, err
	}
	now, err := l.Engine.Containers(ctx, engine.Filter{Project: t.Known.Project})
	if err != nil {
		return c, err
	}
	var peers []netip.Addr
	for _, o := range now {
		for _, a := range o.Addresses {
			if spec.Subnet.Contains(a) {
				peers = append(peers, a)
			}
		}
	}
	for _, a := range append(gateways, own...) {
		// An address of one link means nothing on another.
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() && !slices.Contains(peers, a) {
			c.Hosts = append(c.Hosts, a.String())
		}
	}
	slices.Sort(c.Hosts)
	c.Hosts = slices.Compact(c.Hosts)
	for _, a := range peers {
		c.Peers = append(c.Peers, a.String())
	}
	bindings, err := l.Engine.Bindings(ctx)
	if err != nil {
		return c, err
	}
	c.Ports = slices.Clone(listeners)
	for _, b := range bindings {
		if b.Protocol == "tcp" && b.State == "running" {
			c.Ports = append(c.Ports, b.Port)
		}
	}
	slices.Sort(c.Ports)
	c.Ports = slices.Compact(c.Ports)
	return c, nil
}
