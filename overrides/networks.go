package overrides

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Network is a network of the project that needs leased subnets.
type Network struct {
	Key string
	// Pools are the wanted subnets: one for each static subnet of the files, or one /24.
	Pools []Pool
}

// Pool is the size of a wanted subnet.
type Pool struct {
	Bits int
	IPv6 bool
}

// Networks lists the bridge networks that the loom gets for itself, in a stable order.
func Networks(p *types.Project, in Input) []Network {
	var list []Network
	for _, key := range slices.Sorted(maps.Keys(p.Networks)) {
		n := p.Networks[key]
		bridge := n.Driver == "" || n.Driver == "bridge"
		if _, joined := in.Join[[2]string{"networks", key}]; joined {
			continue
		}
		if shared(bool(n.External), key, in, true) || !bridge || n.Ipam.Driver != "" && n.Ipam.Driver != "default" {
			continue
		}
		network := Network{Key: key}
		for _, pool := range n.Ipam.Config {
			if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil {
				network.Pools = append(network.Pools, Pool{Bits: prefix.Bits(), IPv6: prefix.Addr().Is6()})
			}
		}
		if len(network.Pools) == 0 {
			network.Pools = []Pool{{Bits: 24}}
		}
		list = append(list, network)
	}
	return list
}

func (b *planner) networks() {
	for _, key := range slices.Sorted(maps.Keys(b.p.Networks)) {
		n := b.p.Networks[key]
		if b.join("networks", key, n.Name) {
			continue
		}
		if shared(bool(n.External), key, b.in, true) {
			name := b.shareName("networks", key, n.Name, bool(n.External))
			b.find(finding.Warning, "network "+key,
				fmt.Sprintf("%s is shared: looms on it find each other's services by name", name), "take it out of container.share")
			continue
		}
		if own := b.p.Name + "_" + key; n.Name != own || bool(n.External) {
			b.edit(Name{Kind: "networks", Key: key, Old: n.Name, New: own, External: bool(n.External)})
			if n.External {
				b.find(finding.Warning, "network "+key,
					fmt.Sprintf("the external network %s is replaced by the loom's own: what else is on it is not reached", n.Name),
					"name it in container.share to keep it")
			}
		}
		if bridge := n.DriverOpts["com.docker.network.bridge.name"]; bridge != "" {
			b.find(finding.Warning, "network "+key,
				"names the bridge "+bridge+" of the host, which only one loom can have",
				"leave out the driver option com.docker.network.bridge.name")
		}
		if n.Driver != "" && n.Driver != "bridge" && len(n.Ipam.Config) > 0 {
			b.find(finding.Warning, "network "+key, "has addresses of a "+n.Driver+" network, which all looms share", "")
		}
		b.label("networks", key)
		if subnets := b.in.Subnets[key]; len(subnets) > 0 {
			b.subnets(key, n, subnets)
		}
	}
}

// subnets replaces the network's pools by the leased subnets, and moves the fixed addresses in them.
func (b *planner) subnets(key string, n types.NetworkConfig, leased []netip.Prefix) {
	moved := b.moved
	var pools []*types.IPAMPool
	i := 0
	for _, pool := range n.Ipam.Config {
		old, err := netip.ParsePrefix(pool.Subnet)
		if err != nil || i >= len(leased) {
			pools = append(pools, pool)
			continue
		}
		to := leased[i]
		i++
		moved[old.Masked()] = to
		np := &types.IPAMPool{Subnet: to.String(), Gateway: rebase(pool.Gateway, moved), Extensions: pool.Extensions}
		if pool.IPRange != "" {
			if r, err := netip.ParsePrefix(pool.IPRange); err == nil {
				np.IPRange = rebase(r.Addr().String(), moved) + fmt.Sprintf("/%d", r.Bits())
			}
		}
		for name, addr := range pool.AuxiliaryAddresses {
			if np.AuxiliaryAddresses == nil {
				np.AuxiliaryAddresses = types.Mapping{}
			}
			np.AuxiliaryAddresses[name] = rebase(addr, moved)
		}
		pools = append(pools, np)
	}
	if len(pools) == 0 {
		pools = []*types.IPAMPool{{Subnet: leased[0].String()}}
		if fixed := FixedSubnets(b.p, key); len(fixed) > 0 {
			moved[fixed[0]] = leased[0]
		}
	}
	b.edit(Subnets{Network: key, Pools: pools})
	b.moveAddresses(key)
}

// FixedSubnets are the subnets that the files give a network. Where they give an external network none, it is the /24
// of the addresses that services have there.
func FixedSubnets(p *types.Project, key string) []netip.Prefix {
	var fixed []netip.Prefix
	for _, pool := range p.Networks[key].Ipam.Config {
		if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil {
			fixed = append(fixed, prefix.Masked())
		}
	}
	if len(fixed) > 0 || !bool(p.Networks[key].External) {
		return fixed
	}
	for _, s := range p.AllServices() {
		if at := s.Networks[key]; at != nil {
			if address, err := netip.ParseAddr(at.Ipv4Address); err == nil {
				prefix, _ := address.Prefix(24) // of an IPv4 address there is one
				return []netip.Prefix{prefix}
			}
		}
	}
	return nil
}

// moveAddresses moves the fixed addresses of services on a network into its subnets.
func (b *planner) moveAddresses(key string) {
	for _, name := range b.services {
		at := b.all[name].Networks[key]
		if at == nil {
			continue
		}
		ipv4, ipv6 := rebase(at.Ipv4Address, b.moved), rebase(at.Ipv6Address, b.moved)
		e := Address{Service: name, Network: key, IPv4: ipv4, IPv6: ipv6}
		if e.IPv4 == at.Ipv4Address {
			e.IPv4 = ""
		}
		if e.IPv6 == at.Ipv6Address {
			e.IPv6 = ""
		}
		if e.IPv4+e.IPv6 != "" {
			b.edit(e)
		}
	}
}

// rebase moves an address into the subnet that replaces its own. The host part stays.
func rebase(address string, moved map[netip.Prefix]netip.Prefix) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	for from, to := range moved {
		if !from.Contains(a) {
			continue
		}
		host, net := a.AsSlice(), to.Addr().AsSlice()
		for i := range host {
			keep := 8 - min(8, max(0, to.Bits()-8*i))
			mask := byte(1<<keep - 1)
			host[i] = net[i]&^mask | host[i]&mask
		}
		if out, ok := netip.AddrFromSlice(host); ok {
			return out.String()
		}
	}
	return address
}

// Subnets gives a network its leased subnets.
type Subnets struct {
	Network string
	Pools   []*types.IPAMPool
}

// Apply replaces the pools.
func (e Subnets) Apply(p *types.Project) {
	changeNetwork(p, e.Network, func(n *types.NetworkConfig) { n.Ipam.Config = e.Pools })
}

// Render writes the pools with !override: Compose merges two lists of pools into a corrupt one.
func (e Subnets) Render(d *Document) {
	d.Set(e.Pools, override, "networks", e.Network, "ipam", "config")
}

func (e Subnets) String() string {
	var nets []string
	for _, pool := range e.Pools {
		nets = append(nets, pool.Subnet)
	}
	return fmt.Sprintf("network %s: subnet %s", e.Network, strings.Join(nets, ", "))
}

// Address moves a fixed address of a service into the network's leased subnet.
type Address struct {
	Service, Network string
	IPv4, IPv6       string // empty: unchanged
}

// Apply replaces the addresses.
func (e Address) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		nets := maps.Clone(s.Networks)
		n := *nets[e.Network]
		if e.IPv4 != "" {
			n.Ipv4Address = e.IPv4
		}
		if e.IPv6 != "" {
			n.Ipv6Address = e.IPv6
		}
		nets[e.Network] = &n
		s.Networks = nets
	})
}

// Render writes the addresses.
func (e Address) Render(d *Document) {
	if e.IPv4 != "" {
		d.Set(e.IPv4, "", "services", e.Service, "networks", e.Network, "ipv4_address")
	}
	if e.IPv6 != "" {
		d.Set(e.IPv6, "", "services", e.Service, "networks", e.Network, "ipv6_address")
	}
}

func (e Address) String() string {
	return fmt.Sprintf("service %s: address %s on network %s", e.Service, strings.TrimSpace(e.IPv4+" "+e.IPv6), e.Network)
}
