// Package sandbox compiles a coding agent's sandbox from the agent's policy and the facts of a loom: the Compose
// services of the sandbox and of the sidecar that is its one way out, and the Dockerfiles of their images. It asks no
// engine.
package sandbox

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

const (
	// Home is the agent's home folder, on a volume.
	Home = "/home/agent"
	// FixedID is the uid and gid of an agent whose work tree belongs to root.
	FixedID = 61000
	// DefaultAgent is the name of the agent if none is given.
	DefaultAgent = "agent"

	// LabelAgent is the label of sandbox and sidecar that names the agent.
	LabelAgent = "ai.iloom.agent"
	// LabelSandbox is the label with the hash of the wanted container, on the sandbox and on its sidecar.
	LabelSandbox = "ai.iloom.sandbox"
)

// Policy is what the user's settings and flags allow an agent.
type Policy struct {
	Agent string // the agent's name
	// Command runs if the user gives none.
	Command []string
	Image   string
	Egress  egress.Mode
	// Allow is the whole list of rules, with the defaults that apply.
	Allow       []string
	Credentials []string // presets
	// Mounts are those of [CheckMounts], with resolved sources.
	Mounts   []Mount
	ReadOnly bool
	// DockerSocket is the path of the engine's socket, or "" for no access.
	DockerSocket string
	Runtime      string
	Limits       Limits
	Vault        string
}

// Mount is a folder or file of the host inside the sandbox.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// StagedFile is a file or folder of the state folder that is mounted into the sandbox.
type StagedFile struct {
	Source, Target string
	Writable       bool
}

// Spec is everything that a sandbox's containers are made from.
type Spec struct {
	Policy
	Project string // Compose's project name
	// Loom and Repository go into hints and the access list.
	Loom, Repository string
	// Labels are put on every object; they include the loom's own.
	Labels map[string]string
	// WorkTree is the folder, with symbolic links resolved.
	WorkTree string
	// Git is nil if the work tree has no repository.
	Git *gitview.Repository
	// UID and GID are the agent's, never 0.
	UID, GID int
	// Image is the container's image; ImageID is its ID, so that a new image of the same name is drift.
	Image, ImageID string
	// EgressImage is the sidecar's image.
	EgressImage string
	// State is the state folder.
	State string
	// Subnet is the network of sandbox, sidecar and services; OuterSubnet is the sidecar's other network.
	Subnet, OuterSubnet netip.Prefix
	// IsolatedGateway reports that the engine can make bridges without an address of the host ([Isolate]).
	IsolatedGateway bool
	// Services are the loom's services, which the agent reaches without the proxy.
	Services []string
	// Files are the files that package staging wrote.
	Files []StagedFile
	// ServiceMounts are files and folders of the work tree that the loom's services mount. The agent writes to them, but
	// must not replace them: the engine would follow a link in their place when the service starts again.
	ServiceMounts []string
	// Env is the container's own environment. It has no secrets: `docker inspect` shows it.
	Env map[string]string
	// SocketGID is the group of DockerSocket, which the agent joins.
	SocketGID int
	// Machine are the addresses of the machine that runs the engine. The proxy connects to none of them.
	Machine []netip.Addr
	// Hint is the command that allows a host. A denial shows it with the host appended.
	Hint string
}

// ServiceName returns the Compose service of an agent's sandbox.
func ServiceName(agent string) string {
	if agent == "" || agent == DefaultAgent {
		return "loom-agent"
	}
	return "loom-agent-" + agent
}

// EgressName returns the Compose service of an agent's sidecar.
func EgressName(agent string) string { return ServiceName(agent) + "-egress" }

// OuterName returns the key of the sidecar's network to the outside.
func OuterName(agent string) string { return ServiceName(agent) + "-out" }

// HomeName returns the key of the volume with the agent's home folder.
func HomeName(agent string) string { return ServiceName(agent) + "-home" }

// GitName returns the key of the volume with the [gitview.View].
func GitName(agent string) string { return ServiceName(agent) + "-git" }

// ServicesEgress is the Compose service of the sidecar through which a confined loom's services leave.
const ServicesEgress = "loom-egress"

// IsSandbox reports whether a container with these labels is an agent's sandbox or its sidecar.
func IsSandbox(labels map[string]string) bool { return labels[LabelAgent] != "" }

// IsKey reports whether a network or volume with this key is an agent's.
func IsKey(key string) bool {
	ours := ServiceName(DefaultAgent)
	return key == ours || strings.HasPrefix(key, ours+"-")
}

// NetworkName is the name on the engine of a network with this key.
func NetworkName(project, key string) string { return project + "_" + key }

// checkAgentName refuses names whose sandbox would have the name of another agent's sidecar, network or volume.
func checkAgentName(name string) error {
	for _, reserved := range []string{"egress", "out", "home", "git"} {
		if name == reserved || strings.HasSuffix(name, "-"+reserved) {
			return fmt.Errorf("agent name %q must not end in -%s: parts of a sandbox are named so", name, reserved)
		}
	}
	return nil
}

// Address returns the sandbox's static address in its network, the one before the sidecar's. The proxy serves this
// address alone: the loom's services are in the networks of all its agents, and each agent edits what they run.
func Address(subnet netip.Prefix) netip.Addr { return SidecarAddress(subnet).Prev() }

// SidecarAddress returns the sidecar's static address in the sandbox's network, the last one. The engine gives out
// addresses from the lower half ([addressPool]), so no service takes it while the sidecar is down.
func SidecarAddress(subnet netip.Prefix) netip.Addr {
	a := subnet.Masked().Addr().As4()
	for i := subnet.Bits(); i < 31; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a)
}
