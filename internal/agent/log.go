package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"

	"github.com/docker-loom/docker-loom/internal/agent/check"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// Decision is what a sandbox's proxy decided.
type Decision = egress.Decision

// LogRequest asks for the decisions of a sandbox's proxy.
type LogRequest struct {
	loom.Where
	Agent string
	// Follow goes on until the context ends; Denied leaves out what was let through.
	Follow, Denied bool
	// Tail is a number of lines, or all.
	Tail string
}

// Log gives the decisions one by one.
func (a *Agents) Log(ctx context.Context, req LogRequest, each func(Decision) error) error {
	f, err := a.find(ctx, req.Where, req.Agent)
	if err != nil {
		return err
	}
	if f.sidecar == nil {
		return &NoSandboxError{Loom: f.target.ID, Agent: cmp.Or(req.Agent, DefaultName)}
	}
	o := engine.LogOptions{Tail: cmp.Or(req.Tail, "all"), Follow: req.Follow}
	return a.engine.Lines(ctx, f.sidecar.ID, o, func(line []byte) error {
		var d Decision
		if err := json.Unmarshal(line, &d); err != nil || d.Verdict == "" {
			// It says on stdout when it begins and ends, too.
			return nil //nolint:nilerr // no decision
		}
		if req.Denied && d.Verdict == egress.Allowed {
			return nil
		}
		return each(d)
	})
}

// DeniedHosts are the hosts that a sandbox's proxy refused, those asked for last first.
func (a *Agents) DeniedHosts(ctx context.Context, where loom.Where, agent string) ([]string, error) {
	var hosts []string
	err := a.Log(ctx, LogRequest{Where: where, Agent: agent, Denied: true, Tail: "1000"}, func(d Decision) error {
		host := d.Host
		if d.Port != 80 && d.Port != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(d.Port))
		}
		// Its own check asks for what nobody should reach.
		if d.Host != check.UnlistedName && net.ParseIP(d.Host) == nil {
			hosts = append(slices.DeleteFunc(hosts, func(h string) bool { return h == host }), host)
		}
		return nil
	})
	slices.Reverse(hosts)
	return hosts, err
}
