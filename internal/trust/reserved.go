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

// InFiles lists what has a reserved name in the project as the files say it.
func (r Reserved) InFiles(files *types.Project) []string {
	var list []string
	if _, there := files.Services[r.Sidecar]; there {
		list = append(list, "service "+r.Sidecar+" has a name of docker loom's own")
	}
	for key := range files.Networks {
		if key == r.Outer || r.isSandbox(key) {
			list = append(list, "network "+key+" has a name of docker loom's own")
		}
	}
	for key := range files.Volumes {
		if r.isSandbox(key) {
			list = append(list, "volume "+key+" has a name of docker loom's own")
		}
	}
	return list
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

// RunsOnHost is the access of a command of a devcontainer.json that runs on this machine.
func RunsOnHost(c devcontainer.Command) string {
	text, err := json.Marshal(c)
	if err != nil {
		return "initializeCommand runs on this machine"
	}
	return "initializeCommand runs on this machine: " + string(text)
}
