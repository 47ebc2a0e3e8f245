package engine

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// Binding is a host port that a container has, or will have when it starts.
type Binding struct {
	IP        string // "" for all addresses
	Protocol  string // tcp, udp or sctp
	Port      int    // on the host
	Container string // its name
	Project   string // its Compose project, "" for none
	State     string // the container's, as in Container.State
}

// Bindings lists the host ports of every container of the engine, see [Engine.BindingsOf].
func (e *Engine) Bindings(ctx context.Context) ([]Binding, error) {
	all, err := e.All(ctx)
	if err != nil {
		return nil, err
	}
	return e.BindingsOf(ctx, all)
}

// unpublishable knows the network modes in which the engine ignores ports.
func unpublishable(mode string) bool {
	return mode == "host" || mode == "none" || strings.HasPrefix(mode, "container:")
}

func sortBindings(b []Binding) {
	slices.SortFunc(b, func(a, b Binding) int {
		return cmp.Or(
			cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.IP, b.IP),
			cmp.Compare(a.Container, b.Container),
		)
	})
}

// configured lists the host ports that a container asked for.
func configured(r container.InspectResponse) []Binding {
	if r.ContainerJSONBase == nil || r.HostConfig == nil || unpublishable(string(r.HostConfig.NetworkMode)) {
		return nil
	}
	base := Binding{Container: strings.TrimPrefix(r.Name, "/")}
	if r.Config != nil {
		base.Project = r.Config.Labels[labelProject]
	}
	if r.State != nil {
		base.State = r.State.Status
	}
	var out []Binding
	for port, bindings := range r.HostConfig.PortBindings {
		for _, b := range bindings {
			first, last := hostPorts(b.HostPort)
			for p := first; p <= last; p++ {
				one := base
				one.IP, one.Protocol, one.Port = wildcardless(b.HostIP), port.Proto(), p
				out = append(out, one)
			}
		}
	}
	sortBindings(out)
	return slices.Compact(out)
}

// hostPorts returns the bounds of "8080" or "9100-9110"; first > last says there
// are none, as for "" and "0", where the engine chooses. It takes a whole range
// though the engine will use one port of it: which one is open until the start.
func hostPorts(s string) (first, last int) {
	lo, hi, ok := strings.Cut(strings.TrimSpace(s), "-")
	if !ok {
		hi = lo
	}
	a, err := strconv.ParseUint(lo, 10, 16)
	if err != nil || a == 0 {
		return 1, 0
	}
	b, err := strconv.ParseUint(hi, 10, 16)
	if err != nil {
		return 1, 0
	}
	return int(a), int(b)
}
