package trust

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
)

// Reserved are names and labels of docker loom's own. A container of the files that bears one could be taken for a
// sandbox; who is on the sidecar's outer network is outside; the volume of a sandbox's home has its credentials in it.
type Reserved struct {
	// Sidecar is the service that others leave through, Outer the network that only it is on.
	Sidecar, Outer string
	// Sandbox is the service of an agent's sandbox. Others are named after it, with a dash.
	Sandbox string
	// Labels are those that the project may have, of the ones that begin with ai.iloom.
	Labels []string
}

func (r Reserved) isSandbox(name string) bool {
	return name == r.Sandbox || strings.HasPrefix(name, r.Sandbox+"-")
}

// InProject lists the services of a planned project that have a reserved name, and those with a reserved label.
func (r Reserved) InProject(project *types.Project) []string {
	var list []string
	for name, s := range project.AllServices() {
		if name == r.Sidecar || r.isSandbox(name) {
			list = append(list, "service "+name+" has a name of docker loom's own")
		}
		for key := range s.Labels {
			if strings.HasPrefix(key, "ai.iloom.") && !slices.Contains(r.Labels, key) {
				list = append(list, "service "+name+" has the label "+key+", which is docker loom's own")
			}
		}
	}
	return list
}

// InFiles lists what has a reserved name or label in the project as the files say it. A label of docker loom's, or of
// Compose's, claims that an object belongs to another loom or project, and is removed or reused with it.
func (r Reserved) InFiles(files *types.Project) []string {
	var list []string
	add := func(subject, what string) { list = append(list, subject+" has "+what) }
	for name, s := range files.AllServices() {
		subject := "service " + name
		if name == r.Sidecar {
			add(subject, "a name of docker loom's own")
		}
		for _, called := range otherNames(s) {
			if called == r.Sidecar || r.isSandbox(called) {
				add(subject, "the name "+called+" for others, which is docker loom's own")
			}
		}
		for _, labels := range serviceLabels(s) {
			addReservedLabels(subject, labels, add)
		}
	}
	for key, n := range files.Networks {
		if key == r.Outer || r.isSandbox(key) {
			add("network "+key, "a name of docker loom's own")
		}
		addReservedLabels("network "+key, n.Labels, add)
	}
	for key, v := range files.Volumes {
		if r.isSandbox(key) {
			add("volume "+key, "a name of docker loom's own")
		}
		addReservedLabels("volume "+key, v.Labels, add)
	}
	for key, s := range files.Secrets {
		addReservedLabels("secret "+key, s.Labels, add)
	}
	for key, c := range files.Configs {
		addReservedLabels("config "+key, c.Labels, add)
	}
	return list
}

// otherNames are the names, beside its own, by which a service is found: the engine answers for them on its networks.
// Names of links are for the service alone, but containers that join its network have its hosts file. So have the names
// of extra_hosts: they would send what is meant for the sidecar to any address.
func otherNames(s types.ServiceConfig) []string {
	names := []string{s.ContainerName, s.Hostname}
	for _, n := range s.Networks {
		if n != nil {
			names = append(names, n.Aliases...)
		}
	}
	for _, link := range append(slices.Clone(s.Links), s.ExternalLinks...) {
		if _, alias, ok := strings.Cut(link, ":"); ok {
			names = append(names, alias)
		}
	}
	for name := range s.ExtraHosts {
		names = append(names, name)
	}
	return names
}

// serviceLabels are the labels of a service in all places that make objects of the engine with them.
func serviceLabels(s types.ServiceConfig) []types.Labels {
	list := []types.Labels{s.Labels}
	if s.Build != nil {
		list = append(list, s.Build.Labels)
	}
	if s.Deploy != nil {
		list = append(list, s.Deploy.Labels)
	}
	for _, v := range s.Volumes {
		if v.Volume != nil {
			list = append(list, types.Labels(v.Volume.Labels))
		}
	}
	return list
}

// addReservedLabels adds the labels that are docker loom's or Compose's.
func addReservedLabels(subject string, labels types.Labels, add func(subject, what string)) {
	for key := range labels {
		switch {
		case strings.HasPrefix(key, "ai.iloom."):
			add(subject, "the label "+key+", which is docker loom's own")
		case strings.HasPrefix(key, "com.docker.compose."):
			add(subject, "the label "+key+", which is Compose's own")
		}
	}
}

// PublishedBeyondLoopback lists the ports of all services that are published to more than this machine. What the
// sidecar publishes is told by the service that it leads to.
func PublishedBeyondLoopback(project *types.Project, sidecar string) []string {
	all := project.AllServices()
	forwards := engine.ParseForwards(project.Services[sidecar].Labels[engine.LabelForwards])
	var list []string
	for name, s := range all {
		for _, port := range s.Ports {
			if ip, err := netip.ParseAddr(port.HostIP); err == nil && ip.IsLoopback() {
				continue
			}
			service, target := name, int(port.Target)
			for _, f := range forwards {
				if name == sidecar && f.Listen == target && f.Protocol == port.Protocol {
					service, target = f.Service, f.Target
				}
			}
			list = append(list, fmt.Sprintf("%sport %d/%s of service %s", Publishes, target, port.Protocol, service))
		}
	}
	return list
}

// RunsOnHost is the access of a command of a devcontainer.json that runs on this machine. The command is as the file
// has it: a variable of the user's is in it by name.
func RunsOnHost(c devcontainer.Command) string {
	text, err := json.Marshal(c)
	if err != nil {
		return "initializeCommand runs on this machine"
	}
	return "initializeCommand runs on this machine: " + string(text)
}
