package overrides

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// closedDNS is the address of a resolver that nobody runs. Engines before 25 ask the host's resolvers for a container
// on an internal network. The engine resolves names of services before it asks any resolver.
const closedDNS = "127.0.0.1"

// proxy sets the proxy variables of a service, unless the files set them.
func (c *confiner) proxy(name string, s types.ServiceConfig) {
	at := "http://" + c.in.Sidecar.Name + ":" + strconv.Itoa(c.in.Port)
	for _, v := range []struct{ name, value string }{{"HTTP_PROXY", at}, {"HTTPS_PROXY", at}, {"NO_PROXY", c.noProxy()}} {
		upper, lower := v.name, strings.ToLower(v.name)
		own := slices.ContainsFunc([]string{upper, lower}, func(key string) bool {
			_, set := s.Environment[key]
			return set || slices.Contains(c.in.Proxies[name], key)
		})
		if own {
			c.find(finding.Info, "service "+name,
				"sets "+v.name+" itself: what it names is not reached while the services are confined", "")
			continue
		}
		c.edit(Proxy{Service: name, Key: upper, Value: v.value})
		c.edit(Proxy{Service: name, Key: lower, Value: v.value})
	}
}

// noProxy names what is reached directly: this container and the services.
func (c *confiner) noProxy() string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, c.in.Direct...)
	for _, name := range c.services {
		s := c.all[name]
		names = append(names, name, s.Hostname)
		for _, key := range c.closed {
			if at := s.Networks[key]; at != nil {
				names = append(names, at.Aliases...)
			}
		}
	}
	for _, key := range c.closed {
		for _, pool := range c.p.Networks[key].Ipam.Config {
			if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil && prefix.Addr().Is4() {
				names = append(names, pool.Subnet)
			}
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	return strings.Join(names, ",")
}

// Proxy sets one proxy variable of a service.
type Proxy struct{ Service, Key, Value string }

// Apply sets the variable.
func (e Proxy) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Environment = maps.Clone(s.Environment)
		if s.Environment == nil {
			s.Environment = types.MappingWithEquals{}
		}
		s.Environment[e.Key] = &e.Value
	})
}

// Render sets the variable.
func (e Proxy) Render(d *Document) { d.Set(e.Value, "", "services", e.Service, "environment", e.Key) }

func (e Proxy) String() string {
	return fmt.Sprintf("service %s: %s is %s", e.Service, e.Key, e.Value)
}

// resolvers are the service's own that are on the loom's networks, otherwise one that does not answer.
func (c *confiner) resolvers(s types.ServiceConfig) []string {
	var own []string
	for _, ip := range s.DNS {
		a, err := netip.ParseAddr(ip)
		for _, key := range c.closed {
			for _, pool := range c.p.Networks[key].Ipam.Config {
				if prefix, perr := netip.ParsePrefix(pool.Subnet); err == nil && perr == nil && prefix.Contains(a) {
					own = append(own, ip)
				}
			}
		}
	}
	if len(own) == 0 {
		return []string{closedDNS}
	}
	return own
}

// hasOpenNetwork reports whether the service is on a network that is not closed.
func (c *confiner) hasOpenNetwork(s types.ServiceConfig) bool {
	for key := range s.Networks {
		if !slices.Contains(c.closed, key) {
			return true
		}
	}
	return false
}

// Resolvers are what a service asks for names outside of the loom.
type Resolvers struct {
	Service string
	DNS     []string
}

// Apply sets them.
func (e Resolvers) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.DNS = e.DNS })
}

// Render sets them.
func (e Resolvers) Render(d *Document) { d.Set(e.DNS, override, "services", e.Service, "dns") }

func (e Resolvers) String() string {
	return fmt.Sprintf("service %s: names outside of the loom are not resolved", e.Service)
}
