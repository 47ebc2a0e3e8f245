// Package sandbox says what a coding agent's sandbox is made of: from an agent's policy and the facts of a loom it compiles
// two Compose services, the sandbox itself and the sidecar that is its one way out, with their networks and a volume. The
// compiling is pure. What has to be written before ([Stage], [Grant], [PrepareGit]) or read ([ReadGit], [CheckMounts]) is
// in files of its own. No engine is asked here.
package sandbox

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

const (
	// Home is the agent's home folder, on a volume.
	Home = "/home/agent"
	// FixedID is the uid and gid of an agent whose work tree belongs to root.
	FixedID = 61000
	// DefaultAgent is the name of the agent that is meant where none is named.
	DefaultAgent = "agent"

	// LabelAgent is the label of sandbox and sidecar that names the agent.
	LabelAgent = "ai.iloom.agent"
	// LabelSandbox is the label with the hash of the wanted container, on the sandbox and on its sidecar.
	LabelSandbox = "ai.iloom.sandbox"
)

// Policy is what the user's settings and flags allow an agent.
type Policy struct {
	Agent string // its name
	// Command is what runs where the user gives none.
	Command []string
	Image   string
	Egress  egress.Mode
	// Allow is the whole list of rules, the defaults included where they shall hold.
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

// Staged is a file or folder of the state folder that is bound into the sandbox.
type Staged struct {
	Source, Target string
	Writable       bool
}

// Spec is everything that a sandbox's containers are made from.
type Spec struct {
	Policy
	Project string // Compose's project name
	// Loom and Repository go into hints and the access list.
	Loom, Repository string
	// Labels are put on everything; they carry the loom's own.
	Labels map[string]string
	// WorkTree is the folder, with symbolic links resolved.
	WorkTree string
	// Git is nil where there is no repository.
	Git *Git
	// UID and GID are the agent's, never 0.
	UID, GID int
	// Image is what the container is made of; ImageID is its ID, so that a new image under the name is drift.
	Image, ImageID string
	// EgressImage is the sidecar's.
	EgressImage string
	// State is the state folder.
	State string
	// Subnet is of the network that sandbox, sidecar and services share; OuterSubnet that of the sidecar's other one.
	Subnet, OuterSubnet netip.Prefix
	// IsolatedGateway says that the engine's bridges can do without an address of the host ([Isolate]).
	IsolatedGateway bool
	// Services are the loom's services, which are reached without the proxy.
	Services []string
	// Files are what [Stage] wrote.
	Files []Staged
	// Held are files and folders of the work tree that the loom's services mount. The agent writes to them, but cannot
	// replace them: the engine would follow a link in their place the next time the service starts.
	Held []string
	// Env is of the container itself: no secrets here, `docker inspect` shows it.
	Env map[string]string
	// SocketGID is the group of DockerSocket, which the agent joins.
	SocketGID int
	// Machine are the addresses of the machine that runs the engine; the proxy dials none of them.
	Machine []netip.Addr
	// Hint is the command that allows a host, which a denial shows with the host appended.
	Hint string
}

// ServiceName is the Compose service of an agent's sandbox.
func ServiceName(agent string) string {
	if agent == "" || agent == DefaultAgent {
		return "loom-agent"
	}
	return "loom-agent-" + agent
}

// EgressName is the Compose service of an agent's sidecar.
func EgressName(agent string) string { return ServiceName(agent) + "-egress" }

// OuterName is the key of the sidecar's network to the outside.
func OuterName(agent string) string { return ServiceName(agent) + "-out" }

// HomeName is the key of the volume with the agent's home folder.
func HomeName(agent string) string { return ServiceName(agent) + "-home" }

// GitName is the key of the volume with the [View].
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

// checkAgent refuses names whose sandbox would have the name of another one's sidecar or network.
func checkAgent(name string) error {
	for _, ours := range []string{"egress", "out", "home", "git"} {
		if name == ours || strings.HasSuffix(name, "-"+ours) {
			return fmt.Errorf("agent %q: names that end in -%s are those of a sandbox's own parts", name, ours)
		}
	}
	return nil
}

// Address is the sandbox's static address in its network, the one before the sidecar's: the proxy serves it alone. The loom's
// services are on the networks of all its agents, and each agent edits what they run.
func Address(subnet netip.Prefix) netip.Addr { return SidecarAddress(subnet).Prev() }

// SidecarAddress is the sidecar's static address in the sandbox's network, the last one: the engine gives out addresses
// from the lower half ([addressPool]), so that no service takes it while the sidecar is down.
func SidecarAddress(subnet netip.Prefix) netip.Addr {
	a := subnet.Masked().Addr().As4()
	for i := subnet.Bits(); i < 31; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a)
}
