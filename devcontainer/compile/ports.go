package compile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// loopback is where forwarded ports are published: they are for the developer, not for the network.
const loopback = "127.0.0.1"

// ports publishes appPort and forwardPorts.
func (c *compiler) ports() {
	if c.in.Config.Kind != devcontainer.KindCompose {
		for _, spec := range c.in.Config.AppPort {
			c.appPort(spec)
		}
	}
	for _, p := range c.Merged.ForwardPorts {
		c.forward(p)
	}
}

// appPort publishes as docker run -p does.
func (c *compiler) appPort(spec string) {
	entries, err := types.ParsePortConfig(spec)
	if err != nil {
		c.find(finding.Error, fmt.Sprintf("appPort %q: %v", spec, err), "")
		return
	}
	for _, entry := range entries {
		owner, ok := c.owner(c.Service.Name)
		if !ok {
			mode := c.service(owner).NetworkMode
			c.find(finding.Info, fmt.Sprintf("appPort %s has no effect with network_mode: %s", spec, mode), "")
			continue
		}
		if !c.publishes(owner, entry) {
			c.publish(owner, entry)
		}
		c.Forwards = append(c.Forwards, Forward{Service: owner, Port: int(entry.Target)})
	}
}

// forward publishes one entry of forwardPorts.
func (c *compiler) forward(p devcontainer.ForwardPort) {
	name := c.Service.Name
	what := strconv.Itoa(p.Port)
	if p.Host != "" && p.Host != "localhost" {
		what = p.Host + ":" + what
		name = p.Host
		if c.service(name).Name == "" {
			c.find(finding.Warning, fmt.Sprintf("forwardPorts %s: no service is called %s", what, p.Host), "")
			return
		}
	}
	if p.Port < 1 || p.Port > 65535 {
		c.find(finding.Warning, fmt.Sprintf("forwardPorts %s is not a port", what), "")
		return
	}
	owner, ok := c.owner(name)
	if !ok {
		if mode := c.service(owner).NetworkMode; mode != "host" {
			c.find(finding.Warning, fmt.Sprintf("forwardPorts %s cannot be published with network_mode: %s", what, mode), "")
		}
		return
	}
	entry := types.ServicePortConfig{
		Mode: "ingress", HostIP: loopback, Target: uint32(p.Port), Published: strconv.Itoa(p.Port), Protocol: "tcp",
	}
	if !c.publishes(owner, entry) {
		entry.Published = strconv.Itoa(c.free(p.Port))
		c.publish(owner, entry)
	}
	c.Forwards = append(c.Forwards, Forward{Service: owner, Port: p.Port, Host: strings.TrimPrefix(p.Host, "localhost")})
}

// service is a service as it is planned by now; one without a name if there is none.
func (c *compiler) service(name string) types.ServiceConfig {
	if name == c.Service.Name {
		return c.Service
	}
	if s, ok := c.Others[name]; ok {
		return s
	}
	return c.projectServices()[name]
}

func (c *compiler) projectServices() types.Services {
	if c.in.Project == nil {
		return nil
	}
	return c.in.Project.AllServices()
}

// owner is the service whose network the service has; ok is false if that publishes nothing, as with the host's.
func (c *compiler) owner(name string) (owner string, ok bool) {
	seen := map[string]bool{}
	for {
		mode := c.service(name).NetworkMode
		next, joins := strings.CutPrefix(mode, types.ServicePrefix)
		if !joins {
			return name, mode != "host" && mode != "none" && !strings.HasPrefix(mode, types.ContainerPrefix)
		}
		if seen[name] || c.service(next).Name == "" {
			return name, false
		}
		seen[name] = true
		name = next
	}
}

// publishes reports whether the service publishes the entry's target already.
func (c *compiler) publishes(name string, entry types.ServicePortConfig) bool {
	return slices.ContainsFunc(c.service(name).Ports, func(have types.ServicePortConfig) bool {
		return have.Target == entry.Target && (have.Protocol == "" || have.Protocol == entry.Protocol) && have.Published != ""
	})
}

func (c *compiler) publish(name string, entry types.ServicePortConfig) {
	if name == c.Service.Name {
		c.Service.Ports = append(slices.Clone(c.Service.Ports), entry)
		return
	}
	s := c.service(name)
	s.Ports = append(slices.Clone(s.Ports), entry)
	c.Others[name] = s
}

// free is the port, or the next that no service of the project publishes on the host.
func (c *compiler) free(port int) int {
	taken := map[int]bool{}
	names := append(slices.Collect(maps.Keys(c.projectServices())), c.Service.Name)
	for _, name := range names {
		for _, entry := range c.service(name).Ports {
			first, last, isRange := strings.Cut(entry.Published, "-")
			lo, err := strconv.Atoi(first)
			hi := lo
			if err == nil && isRange {
				hi, err = strconv.Atoi(last)
			}
			for p := lo; err == nil && p <= hi; p++ {
				taken[p] = true
			}
		}
	}
	for p := port; p <= 65535; p++ {
		if !taken[p] {
			return p
		}
	}
	return port
}
