package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
)

// Detail is what an inspect of one container tells.
type Detail struct {
	Container
	// Env is the container's environment, of its image and its own.
	Env map[string]string
	// User is the container's own, "" for root.
	User string
	// CreatedAt and StartedAt are times as the engine writes them; other tools compare the text.
	CreatedAt, StartedAt string
	// Started is StartedAt, the zero time if the container never started.
	Started time.Time
	// StartError is why the engine could not start the container, "" if it could.
	StartError string
	// LastHealthcheck is nil if no healthcheck has ended.
	LastHealthcheck *HealthcheckResult
	// Aliases are the names by which the container is found on its networks, each once and sorted, without those that are
	// made of its ID.
	Aliases []string
	// AliasesOn are the same by the name of the network.
	AliasesOn map[string][]string
	// ProbeDue reports that the container is unhealthy only because it was paused: the engine calls it so until the next
	// probe, though no probe has failed so often.
	ProbeDue bool
}

// Inspect tells all about one container, found by ID or name, in one request. The error for a missing one satisfies
// errdefs.IsNotFound.
func (e *Engine) Inspect(ctx context.Context, id string) (Detail, error) {
	r, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return Detail{}, fmt.Errorf("container %.12s: %w", id, err)
	}
	return fromInspect(r), nil
}

// InspectListed tells all about a container of a list; ok is false if it has gone since.
func (e *Engine) InspectListed(ctx context.Context, listed Container) (d Detail, ok bool, err error) {
	d, err = e.Inspect(ctx, listed.ID)
	if cerrdefs.IsNotFound(err) {
		return d, false, nil
	}
	return d, err == nil, err
}

func fromInspect(r container.InspectResponse) Detail {
	d := Detail{Env: map[string]string{}}
	if r.ContainerJSONBase == nil {
		return d
	}
	d.ID, d.Name, d.ImageID = r.ID, strings.TrimPrefix(r.Name, "/"), r.Image
	d.CreatedAt, d.Created = r.Created, parseTime(r.Created)
	if r.Config != nil {
		d.Image, d.User = r.Config.Image, r.Config.User
		d.setLabels(r.Config.Labels)
		for _, variable := range r.Config.Env {
			name, value, _ := strings.Cut(variable, "=")
			d.Env[name] = value
		}
	}
	if s := r.State; s != nil {
		d.State, d.ExitCode = s.Status, s.ExitCode
		d.StartedAt, d.Started = s.StartedAt, parseTime(s.StartedAt)
		d.StartError, d.LastHealthcheck = s.Error, lastHealthcheck(s.Health)
		if s.Health != nil && s.Status == "running" && s.Health.Status != container.NoHealthcheck {
			d.Health = s.Health.Status
			d.ProbeDue = d.Health == container.Unhealthy && r.Config != nil && r.Config.Healthcheck != nil &&
				s.Health.FailingStreak < cmp.Or(r.Config.Healthcheck.Retries, 3)
		}
	}
	if n := r.NetworkSettings; n != nil {
		d.Published = effectivePorts(listedPorts(n.Ports))
		d.AliasesOn = map[string][]string{}
		for name, at := range n.Networks {
			d.Networks = append(d.Networks, name)
			for _, alias := range at.Aliases {
				if !strings.HasPrefix(d.ID, alias) {
					d.AliasesOn[name] = append(d.AliasesOn[name], alias)
				}
			}
			d.Aliases = append(d.Aliases, d.AliasesOn[name]...)
		}
		slices.Sort(d.Networks)
		slices.Sort(d.Aliases)
		d.Aliases = slices.Compact(d.Aliases)
	}
	return d
}

// listedPorts returns the ports of an inspect in the form of the list.
func listedPorts(ports nat.PortMap) []container.Port {
	var all []container.Port
	for port, bindings := range ports {
		for _, b := range bindings {
			host, _ := strconv.ParseUint(b.HostPort, 10, 16)
			all = append(all, container.Port{
				IP: b.HostIP, PrivatePort: uint16(port.Int()), PublicPort: uint16(host), Type: port.Proto(),
			})
		}
	}
	return all
}

// parseTime returns the zero time for a text that is not a time and for the engine's own
// zero, 0001-01-01T00:00:00Z.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
