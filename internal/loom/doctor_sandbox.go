package loom

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// SandboxState is what doctor finds of that which agents' sandboxes are made of.
type SandboxState struct {
	Cgroup   string   `json:"cgroup"`   // the version of control groups on the engine's host
	Limits   []string `json:"limits"`   // those that the engine enforces, of memory, swap, pids and cpu
	Seccomp  string   `json:"seccomp"`  // the engine's profile of system calls, empty where there is none
	Users    string   `json:"users"`    // whose ids a container has: host, remapped or rootless
	Runtimes []string `json:"runtimes"` // the engine's, its default first
	Networks string   `json:"networks"` // what keeps a network from the host: isolated or inhibited
	// Image is what a sandbox of this folder's loom would be made of, Proxy the image of what it leaves through. Both are made
	// on first use where nobody names another.
	Image          string `json:"image"`
	ImageAvailable bool   `json:"imageAvailable"`
	Proxy          string `json:"proxy"`
	ProxyAvailable bool   `json:"proxyAvailable"`
}

// confinement tells what an engine gives to sandboxes, and what it lacks. own is the platform of this program, whose
// binary is all that the proxy's image has.
func confinement(c engine.Confines, isolated bool, ownOS, ownArch string) (SandboxState, []finding.Finding) {
	s := SandboxState{Cgroup: c.Cgroup, Limits: []string{}, Seccomp: c.Seccomp, Users: "host", Runtimes: []string{}, Networks: "inhibited"}
	if isolated {
		s.Networks = "isolated"
	}
	switch {
	case c.Rootless:
		s.Users = "rootless"
	case c.Remapped:
		s.Users = "remapped"
	}
	if c.Runtime != "" {
		s.Runtimes = append(s.Runtimes, c.Runtime)
	}
	for _, name := range c.Runtimes {
		if name != c.Runtime {
			s.Runtimes = append(s.Runtimes, name)
		}
	}
	var list []finding.Finding
	lack := func(level finding.Level, message, remedy string) {
		list = append(list, finding.Finding{Level: level, Subject: "sandbox", Message: message, Remedy: remedy})
	}
	if c.OS != "linux" {
		lack(finding.Warning, "the engine's containers are "+c.OS+"'s: agents need linux", "switch the engine to Linux containers")
		return s, list
	}
	if ownOS != c.OS || ownArch != c.Arch {
		lack(finding.Warning, fmt.Sprintf("the proxy is this program itself, of %s/%s, and the engine runs %s/%s", ownOS, ownArch, c.OS, c.Arch), "set "+EgressVariable+" to an image for the engine's platform")
	}
	remedy := ""
	if c.Rootless && c.Cgroup == "1" {
		remedy = "a rootless engine enforces limits with cgroup version 2 only"
	} else if c.Rootless {
		remedy = "have systemd delegate the controllers to the engine's user"
	}
	for _, limit := range []struct {
		name    string
		there   bool
		level   finding.Level
		message string
	}{
		{"memory", c.Memory, finding.Warning, "the engine enforces no memory limit: a sandbox can take all memory of the engine's host"},
		{"swap", c.Swap, finding.Info, "the engine enforces no swap limit: a sandbox at its memory limit goes on in swap, where there is any"},
		{"pids", c.PIDs, finding.Warning, "the engine enforces no limit of processes: a sandbox can fill the process table of the engine's host"},
		{"cpu", c.CPU, finding.Warning, "the engine enforces no CPU limit: a sandbox can take all processors"},
	} {
		if limit.there {
			s.Limits = append(s.Limits, limit.name)
		} else {
			lack(limit.level, limit.message, remedy)
		}
	}
	if c.Seccomp == "" {
		lack(finding.Warning, "the engine has no seccomp profile: a sandbox can make every system call, those that open user namespaces among them", "start the engine without seccomp-profile=unconfined, on a kernel with seccomp")
	}
	return s, list
}

// String is one line for people.
func (s SandboxState) String() string {
	if s.Cgroup == "" && len(s.Limits) == 0 && s.Seccomp == "" {
		return "" // an engine that was not asked
	}
	or := func(text, none string) string {
		if text == "" {
			return none
		}
		return text
	}
	text := fmt.Sprintf("cgroup v%s, limits: %s; seccomp %s, user ids %s, networks %s, runtimes: %s",
		or(s.Cgroup, "?"), or(strings.Join(s.Limits, ", "), "none"), or(s.Seccomp, "none"), s.Users, s.Networks, strings.Join(s.Runtimes, ", "))
	for _, image := range []struct {
		what, ref string
		there     bool
	}{{"image", s.Image, s.ImageAvailable}, {"proxy", s.Proxy, s.ProxyAvailable}} {
		switch {
		case image.ref == "":
		case image.there:
			text += "; " + image.what + " " + image.ref
		default:
			text += "; " + image.what + " " + image.ref + ", not there yet"
		}
	}
	return text
}

// boxHealth looks at the sandboxes that run on the engine: each on its own network alone, that network closed, its proxy
// answering.
func (l *Looms) boxHealth(ctx context.Context, d *Diagnosis) {
	all, err := l.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		d.error("engine", err.Error(), "")
		return
	}
	for _, c := range all {
		agent := c.Labels[sandbox.LabelAgent]
		if c.OneOff || c.State != "running" || c.Service != sandbox.ServiceName(agent) {
			continue
		}
		subject := "agent " + agent + " of loom " + registry.Name(c.Labels[engine.LabelRepo], c.Labels[engine.LabelLoom])
		again := "docker loom agent stop " + c.Labels[engine.LabelLoom] + asAgent(agent) + " in its folder; its next command makes it right"
		own := networkName(c.Project, c.Service)
		if !slices.Equal(c.Networks, []string{own}) {
			d.find(finding.Warning, subject, "is on the networks "+strings.Join(c.Networks, ", ")+", and belongs on "+own+" alone", again)
		}
		networks, err := l.Engine.Networks(ctx, map[string]string{stack.LabelProject: c.Project})
		if err != nil {
			d.error("engine", err.Error(), "")
			return
		}
		for _, n := range networks {
			if n.Name == own && !n.Internal {
				d.find(finding.Warning, subject, "its network "+own+" is not internal", again)
			}
		}
		_, proxy := boxOf(of(all, c.Project), agent)
		if proxy == nil || proxy.State != "running" {
			d.find(finding.Warning, subject, "runs without its proxy: it reaches the services and nothing else", again)
			continue
		}
		_, why, code, err := l.Engine.ExecOutput(ctx, proxy.ID, engine.Process{Cmd: []string{sandbox.Program, "egress", "ready"}})
		if err != nil || code != 0 {
			d.find(finding.Warning, subject, strings.TrimSpace(fmt.Sprintf("its proxy does not answer: %s", why)), again)
		}
	}
}

// of are the containers of a project.
func of(all []engine.Container, project string) []engine.Container {
	return slices.DeleteFunc(slices.Clone(all), func(c engine.Container) bool { return c.Project != project })
}

// listHealth looks whether an agent could be given rights to a work tree that is root's.
func listHealth(tree string, d *Diagnosis) {
	root, err := os.Stat(tree)
	if err != nil {
		return
	}
	if uid, _ := ownerOf(root); uid != 0 || d.Sandbox.Users == "rootless" {
		return
	}
	if err := acl.CheckSupport(tree); err != nil {
		d.find(finding.Warning, "sandbox", err.Error(), "give the work tree to another user than root")
	}
}

// sandboxHealth looks at what the engine gives to agents' sandboxes.
func (l *Looms) sandboxHealth(d *Diagnosis, info engine.Info) {
	system, arch := runtime.GOOS, runtime.GOARCH
	if os.Getenv(EgressVariable) != "" {
		// Then another program is the proxy.
		system, arch = info.Confines.OS, info.Confines.Arch
	}
	state, findings := confinement(info.Confines, l.Engine.IsolatedGateway(), system, arch)
	d.Sandbox = state
	d.Findings = append(d.Findings, findings...)
}

// sandboxImages looks at what a sandbox of the loom would be made of. It builds nothing.
func (l *Looms) sandboxImages(ctx context.Context, t *Target, d *Diagnosis) {
	warn := func(err error, remedy string) { d.find(finding.Warning, "sandbox", err.Error(), remedy) }
	ref, err := l.egressRef()
	if err != nil {
		warn(err, "")
		return
	}
	d.Sandbox.Proxy = ref
	id, err := l.Engine.ImageID(ctx, ref)
	d.Sandbox.ProxyAvailable = err == nil && id != ""
	if !d.Sandbox.ProxyAvailable && os.Getenv(EgressVariable) != "" {
		warn(fmt.Errorf("there is no image %s, which %s names", ref, EgressVariable), "docker pull "+ref)
	}
	w, err := l.wished(t, &AgentRequest{})
	if err != nil {
		warn(err, "")
		return
	}
	d.Findings = append(d.Findings, w.findings...)
	if r := w.policy.Runtime; r != "" && !slices.Contains(d.Sandbox.Runtimes, r) {
		warn(&RuntimeError{r, d.Sandbox.Runtimes}, "install it for the engine, or choose another with container.agent.runtime")
	}
	var own []engine.Container
	if t.Known != nil {
		if own, err = l.containers(ctx, t.Known); err != nil {
			warn(err, "")
			return
		}
	}
	w.images.Looking = true
	ref, id, err = l.agentImage(ctx, w.images, own)
	if err != nil {
		warn(err, "docker loom image ls")
		return
	}
	d.Sandbox.Image, d.Sandbox.ImageAvailable = ref, id != ""
}
