package doctor

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// SandboxState is what doctor finds of that which agents' sandboxes are made of.
type SandboxState struct {
	Cgroup   string   `json:"cgroup"`   // the version of control groups on the engine's host
	Limits   []string `json:"limits"`   // those that the engine enforces, of memory, swap, pids and cpu
	Seccomp  string   `json:"seccomp"`  // the engine's profile of system calls, empty if it has none
	Users    string   `json:"users"`    // whose ids a container has: host, remapped or rootless
	Runtimes []string `json:"runtimes"` // the engine's, its default first
	Networks string   `json:"networks"` // what keeps a network from the host: isolated or inhibited
	// Image is what a sandbox of this folder's loom would be made of, Proxy the image of what it leaves through. Both are
	// made on first use where nobody names another.
	Image          string `json:"image"`
	ImageAvailable bool   `json:"imageAvailable"`
	Proxy          string `json:"proxy"`
	ProxyAvailable bool   `json:"proxyAvailable"`
}

// confinement tells what an engine gives to sandboxes, and what it lacks. own is the platform of this program, whose
// binary is all that the proxy's image has.
func confinement(c engine.Confines, isolated bool, ownOS, ownArch string) (SandboxState, []finding.Finding) {
	s := SandboxState{
		Cgroup: c.Cgroup, Limits: []string{}, Seccomp: c.Seccomp,
		Users: usersOf(c), Runtimes: runtimesOf(c), Networks: "inhibited",
	}
	if isolated {
		s.Networks = "isolated"
	}
	var list []finding.Finding
	lack := func(level finding.Level, message, remedy string) {
		list = append(list, finding.Finding{Level: level, Subject: "sandbox", Message: message, Remedy: remedy})
	}
	if c.OS != "linux" {
		lack(finding.Warning, "the engine's containers are "+c.OS+"'s: agents need linux",
			"switch the engine to Linux containers")
		return s, list
	}
	if ownOS != c.OS || ownArch != c.Arch {
		message := fmt.Sprintf("the proxy is this program itself, of %s/%s, and the engine runs %s/%s",
			ownOS, ownArch, c.OS, c.Arch)
		lack(finding.Warning, message, "set "+image.EgressVariable+" to an image for the engine's platform")
	}
	remedy := limitsRemedy(c)
	for _, limit := range []struct {
		name    string
		there   bool
		level   finding.Level
		message string
	}{
		{
			"memory", c.Memory, finding.Warning,
			"the engine enforces no memory limit: a sandbox can take all memory of the engine's host",
		},
		{
			"swap", c.Swap, finding.Info,
			"the engine enforces no swap limit: a sandbox at its memory limit goes on in swap, where there is any",
		},
		{
			"pids", c.PIDs, finding.Warning,
			"the engine enforces no limit of processes: a sandbox can fill the process table of the engine's host",
		},
		{"cpu", c.CPU, finding.Warning, "the engine enforces no CPU limit: a sandbox can take all processors"},
	} {
		if limit.there {
			s.Limits = append(s.Limits, limit.name)
		} else {
			lack(limit.level, limit.message, remedy)
		}
	}
	if c.Seccomp == "" {
		lack(finding.Warning, "the engine has no seccomp profile: a sandbox can make every system call, "+
			"those that open user namespaces among them",
			"start the engine without seccomp-profile=unconfined, on a kernel with seccomp")
	}
	return s, list
}

// runtimesOf lists the container runtimes, the default one first.
func runtimesOf(c engine.Confines) []string {
	list := []string{}
	if c.Runtime != "" {
		list = append(list, c.Runtime)
	}
	for _, name := range c.Runtimes {
		if name != c.Runtime {
			list = append(list, name)
		}
	}
	return list
}

// usersOf says whose ids a container has.
func usersOf(c engine.Confines) string {
	switch {
	case c.Rootless:
		return "rootless"
	case c.Remapped:
		return "remapped"
	}
	return "host"
}

// limitsRemedy is what makes an engine enforce limits, "" if nothing is known to.
func limitsRemedy(c engine.Confines) string {
	switch {
	case c.Rootless && c.Cgroup == "1":
		return "a rootless engine enforces limits with cgroup version 2 only"
	case c.Rootless:
		return "have systemd delegate the controllers to the engine's user"
	}
	return ""
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
		or(s.Cgroup, "?"), or(strings.Join(s.Limits, ", "), "none"), or(s.Seccomp, "none"), s.Users, s.Networks,
		strings.Join(s.Runtimes, ", "))
	for _, i := range []struct {
		what, ref string
		there     bool
	}{{"image", s.Image, s.ImageAvailable}, {"proxy", s.Proxy, s.ProxyAvailable}} {
		switch {
		case i.ref == "":
		case i.there:
			text += "; " + i.what + " " + i.ref
		default:
			text += "; " + i.what + " " + i.ref + ", not there yet"
		}
	}
	return text
}

// checkSandboxes looks at the sandboxes that run on the engine: each on its own network alone, that network closed,
// its proxy answering.
func (x examination) checkSandboxes(ctx context.Context) {
	all, err := x.engine.Containers(ctx, engine.Filter{Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		x.error("engine", err.Error(), "")
		return
	}
	for _, c := range all {
		if c.OneOff || c.State != "running" || c.Service != sandbox.ServiceName(c.Labels[sandbox.LabelAgent]) {
			continue
		}
		if err := x.checkSandbox(ctx, c, all); err != nil {
			x.error("engine", err.Error(), "")
			return
		}
	}
}

// checkSandbox looks at one sandbox that runs. all are the containers of all sandboxes.
func (x examination) checkSandbox(ctx context.Context, c engine.Container, all []engine.Container) error {
	name, of := c.Labels[sandbox.LabelAgent], registry.Name(c.Labels[engine.LabelRepo], c.Labels[engine.LabelLoom])
	remedy := "docker loom agent stop " + find.ShellWord(of) + agent.AsFlag(name) +
		" ends it; its next command makes it right"
	warn := func(message string) { x.find(finding.Warning, "agent "+name+" of loom "+of, message, remedy) }
	own := sandbox.NetworkName(c.Project, c.Service)
	if !slices.Equal(c.Networks, []string{own}) {
		warn("is on the networks " + strings.Join(c.Networks, ", ") + ", and belongs on " + own + " alone")
	}
	networks, err := x.engine.Networks(ctx, map[string]string{stack.LabelProject: c.Project})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if n.Name == own && !n.Internal {
			warn("its network " + own + " is not internal")
		}
	}
	proxy := slices.IndexFunc(all, func(o engine.Container) bool {
		return o.Project == c.Project && !o.OneOff && o.Service == sandbox.EgressName(name) && o.State == "running"
	})
	if proxy < 0 {
		warn("runs without its proxy: it reaches the services and nothing else")
		return nil
	}
	ready := engine.Process{Cmd: []string{sandbox.Program, "egress", "ready"}}
	_, why, code, err := x.engine.ExecOutput(ctx, all[proxy].ID, ready)
	if err != nil || code != 0 {
		warn(strings.TrimSpace(fmt.Sprintf("its proxy does not answer: %s", why)))
	}
	return nil
}

// checkACLs looks whether an agent could be given rights to a work tree that is root's.
func (x examination) checkACLs(tree string) {
	root, err := os.Stat(tree)
	if err != nil {
		return
	}
	if uid, _ := host.OwnerOf(root); uid != 0 || x.Sandbox.Users == "rootless" {
		return
	}
	if err := acl.CheckSupport(tree); err != nil {
		x.find(finding.Warning, "sandbox", err.Error(), "give the work tree to another user than root")
	}
}

// checkConfinement looks at what the engine gives to agents' sandboxes.
func (x examination) checkConfinement(info engine.Capabilities) {
	system, arch := runtime.GOOS, runtime.GOARCH
	if x.looms.Process.Getenv(image.EgressVariable) != "" {
		// Then another program is the proxy.
		system, arch = info.Confines.OS, info.Confines.Arch
	}
	state, findings := confinement(info.Confines, x.engine.Features().IsolatedGateway, system, arch)
	x.Sandbox = state
	x.Findings = append(x.Findings, findings...)
}

// checkSandboxImages looks at what a sandbox of the loom would be made from. It builds nothing.
func (x examination) checkSandboxImages(ctx context.Context, t *loom.Target) {
	warn := func(err error, remedy string) { x.find(finding.Warning, "sandbox", err.Error(), remedy) }
	ref, err := x.looms.Images().EgressRef()
	if err != nil {
		warn(err, "")
		return
	}
	x.Sandbox.Proxy = ref
	id, err := x.engine.ImageID(ctx, ref)
	x.Sandbox.ProxyAvailable = err == nil && id != ""
	if !x.Sandbox.ProxyAvailable && x.looms.Process.Getenv(image.EgressVariable) != "" {
		warn(fmt.Errorf("there is no image %s, which %s names", ref, image.EgressVariable), "docker pull "+ref)
	}
	needs, err := x.agents.Needs(t)
	if err != nil {
		warn(err, "")
		return
	}
	x.Findings = append(x.Findings, needs.Findings...)
	if r := needs.Runtime; r != "" && !slices.Contains(x.Sandbox.Runtimes, r) {
		warn(&agent.RuntimeError{Runtime: r, There: x.Sandbox.Runtimes},
			"install it for the engine, or choose another with container.agent.runtime")
	}
	var own []engine.Container
	for _, k := range t.Projects {
		of, err := x.looms.Containers(ctx, k)
		if err != nil {
			warn(err, "")
			return
		}
		own = append(own, of...)
	}
	dev := ""
	if c := loom.DevContainerOf(own); c != nil {
		dev = c.Image
	}
	ref, id, err = x.looms.Images().ForAgent(ctx, needs.Images, dev)
	if err != nil {
		warn(err, "docker loom image ls")
		return
	}
	x.Sandbox.Image, x.Sandbox.ImageAvailable = ref, id != ""
}
