package egress

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A client reaches what is on its own network without the proxy, whatever it is and on each port. Programs that do not
// know NO_PROXY ask the proxy for it: the proxy then connects them with just that, and never by another network.

// networksOf are the networks that this process is on, without loopback.
func networksOf(list func() ([]net.Addr, error)) []netip.Prefix {
	addrs, err := list()
	if err != nil {
		return nil
	}
	var networks []netip.Prefix
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			networks = append(networks, p.Masked())
		}
	}
	return networks
}

// isNeighbour reports whether a client has an address on its own network. The networks are read each time: a container
// may join others while it runs.
func (p *policy) isNeighbour(client, a netip.Addr) bool {
	return client.IsValid() && slices.ContainsFunc(p.networks(), func(n netip.Prefix) bool {
		return n.Contains(client) && n.Contains(a)
	})
}

// isService reports whether a name is that of a service of the loom.
func (p *policy) isService(name string) bool {
	return slices.ContainsFunc(p.config.Services, func(s string) bool { return strings.EqualFold(s, name) })
}

// addServices adds names of services.
func (p *policy) addServices(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Sorted(slices.Values(slices.Concat(p.config.Services, names)))
	p.config.Services = slices.Compact(all)
}

// clientKey is the key of the client's address in the context of its requests.
type clientKey struct{}

func withClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client.WithZone("").Unmap())
}

// clientOf is the address of the client whose request has this context, the zero one if it has none.
func clientOf(ctx context.Context) netip.Addr {
	client, _ := ctx.Value(clientKey{}).(netip.Addr)
	return client
}
