package sandbox

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// AccessList is what an agent can read, write and reach. Its JSON form is part of the output that scripts read.
type AccessList struct {
	Agent string `json:"agent"`
	Loom  string `json:"loom,omitempty"`
	User  string `json:"user"`
	Image string `json:"image"`
	// Files are sorted by path. The last entry that a path is in decides about it.
	Files   []FileAccess  `json:"files"`
	Network NetworkAccess `json:"network"`
	// Credentials are the presets, Variables the names of the variables that commands get.
	Credentials  []string     `json:"credentials"`
	Variables    []string     `json:"variables"`
	Vault        string       `json:"vault,omitempty"`
	Limits       LimitsAccess `json:"limits"`
	Runtime      string       `json:"runtime,omitempty"`
	DockerSocket bool         `json:"dockerSocket"`
}

// FileAccess is a path that the agent can read.
type FileAccess struct {
	Path   string `json:"path"`
	Source string `json:"source,omitempty"` // the path on the host, if it is another one
	Access string `json:"access"`           // read or write
	Kind   string `json:"kind"`             // worktree, git, home, settings, mount, staged, socket, memory
}

// NetworkAccess is what the agent can reach.
type NetworkAccess struct {
	Mode     egress.Mode     `json:"mode"`
	Hosts    []string        `json:"hosts"`
	Services []ServiceAccess `json:"services"`
}

// ServiceAccess is a service of the loom that the agent reaches by its name, and what the agent can do through it.
type ServiceAccess struct {
	Name string `json:"name"`
	// Open reports that the service reaches the outside without the proxy. Through it, so does the agent.
	Open bool `json:"open"`
	// Ways are what else the agent gets through it: rights on the host, folders outside the work tree, git's hooks.
	Ways []string `json:"ways,omitempty"`
	// Folder and Names are set if the loom has several projects: the project's folder, and the names that reach the
	// service, the shortest first.
	Folder string   `json:"folder,omitempty"`
	Names  []string `json:"names,omitempty"`
}

// LimitsAccess are the limits of the sandbox.
type LimitsAccess struct {
	Memory int64   `json:"memory"`
	CPUs   float64 `json:"cpus"`
	PIDs   int64   `json:"pids"`
}

// Access lists what the agent of s can read, write and reach. Variables are the names of the variables that its
// commands get.
func Access(s Spec, services []ServiceAccess, variables []string) (AccessList, error) {
	binds, err := s.binds()
	if err != nil {
		return AccessList{}, err
	}
	limits := s.Limits.orDefault()
	a := AccessList{
		Agent: s.agentName(), Loom: s.Loom, User: fmt.Sprintf("%d:%d", s.UID, s.GID), Image: s.Image,
		Network:     NetworkAccess{Mode: s.Egress, Hosts: []string{}, Services: []ServiceAccess{}},
		Credentials: append([]string{}, s.Credentials...), Variables: append([]string{}, variables...), Vault: s.Vault,
		Limits: LimitsAccess(limits), Runtime: s.Runtime, DockerSocket: s.DockerSocket != "",
	}
	slices.Sort(a.Variables)
	if s.Egress == egress.Restricted {
		a.Network.Hosts = append(a.Network.Hosts, s.Allow...)
	}
	a.Network.Services = append(a.Network.Services, services...)
	slices.SortStableFunc(a.Network.Services, func(x, y ServiceAccess) int { return cmp.Compare(x.Name, y.Name) })
	for _, b := range binds {
		f := FileAccess{Path: b.target, Access: "write", Kind: s.fileKind(b)}
		if b.readOnly {
			f.Access = "read"
		}
		switch {
		case b.isVolume && b.target != Home:
			f.Source = "a view of it, the sandbox's own"
		case b.source != b.target && !b.isVolume:
			f.Source = b.source
		}
		a.Files = append(a.Files, f)
	}
	for _, p := range []string{"/run", "/tmp"} {
		a.Files = append(a.Files, FileAccess{Path: p, Access: "write", Kind: "memory"})
	}
	slices.SortStableFunc(a.Files, func(x, y FileAccess) int { return cmp.Compare(x.Path, y.Path) })
	return a, nil
}

// fileKind returns the Kind of a mount in the list.
func (s Spec) fileKind(b bind) string {
	switch {
	case b.target == Home:
		return "home"
	case b.target == s.WorkTree:
		return "worktree"
	case b.target == filepath.Join(s.WorkTree, ".iloom"):
		return "settings"
	case s.DockerSocket != "" && b.source == s.DockerSocket:
		return "socket"
	case slices.ContainsFunc(s.Files, func(f StagedFile) bool { return f.Target == b.target }):
		return "staged"
	case slices.ContainsFunc(s.Mounts, func(m Mount) bool { return m.Target == b.target }):
		return "mount"
	case s.Git != nil && slices.Contains(s.Git.Trees, b.target):
		return "worktree"
	default:
		return "git"
	}
}

// Text returns the whole list for people.
func (a AccessList) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("agent %s of loom %s, user %s, image %s", a.Agent, a.Loom, a.User, a.Image)
	if a.Runtime != "" {
		line("runtime %s", a.Runtime)
	}
	line("")
	line("files (the longest path holds)")
	for _, f := range a.Files {
		word := "reads "
		if f.Access == "write" {
			word = "writes"
		}
		at := f.Path
		if f.Source != "" {
			at += " (" + f.Source + ")"
		}
		line("  %s  %-8s  %s", word, f.Kind, at)
	}
	line("")
	line("network")
	switch a.Network.Mode {
	case egress.None:
		line("  no host outside")
	case egress.Open:
		line("  every public host, through the proxy")
	default:
		for _, h := range a.Network.Hosts {
			line("  %s", h)
		}
	}
	for _, s := range a.Network.Services {
		line("  service %s%s", s.title(), s.detail())
	}
	line("")
	line("credentials: %s", orNone(a.Credentials))
	if len(a.Variables) > 0 {
		line("variables: %s", strings.Join(a.Variables, ", "))
	}
	if a.Vault != "" {
		line("vault: %s", a.Vault)
	}
	line("limits: %s", a.Limits)
	if a.DockerSocket {
		line("docker: the engine's socket, which is root on this host")
	}
	return b.String()
}

// title returns the names of the service, and its folder if the loom has several projects: app, app.web (apps/web).
func (s ServiceAccess) title() string {
	if s.Folder == "" {
		return s.Name
	}
	return strings.Join(s.Names, ", ") + " (" + s.Folder + ")"
}

// shortName returns the name that an agent uses for the service.
func (s ServiceAccess) shortName() string {
	if len(s.Names) == 0 {
		return s.Name
	}
	return s.Names[0]
}

// detail returns what the agent reaches through a service, as the end of its line.
func (s ServiceAccess) detail() string {
	var more []string
	if s.Open {
		more = append(more, "reaches every host without the proxy")
	}
	more = append(more, s.Ways...)
	if len(more) == 0 {
		return ""
	}
	return ": " + strings.Join(more, ", ")
}

// Lines returns the three lines that `docker loom agent` prints before a command.
func (a AccessList) Lines() []string {
	return []string{a.filesLine(), a.networkLine(), a.credentialsLine()}
}

func (a AccessList) filesLine() string {
	var writes, reads []string
	mounts, commits := 0, false
	for _, f := range a.Files {
		writable := f.Access == "write"
		switch f.Kind {
		case "worktree":
			if writable {
				writes = append(writes, f.Path)
			} else {
				reads = append(reads, f.Path)
			}
		case "mount":
			mounts++
			if writable {
				writes = append(writes, f.Path)
			}
		case "git":
			commits = commits || writable
		}
	}
	var parts []string
	if len(writes) > 0 {
		parts = append(parts, "writes "+strings.Join(writes, ", "))
	}
	if len(reads) > 0 {
		parts = append(parts, "reads "+strings.Join(reads, ", "))
	}
	if commits {
		parts = append(parts, "commits to git, its configuration and hooks read-only")
	}
	if mounts > 0 {
		parts = append(parts, plural(mounts, "mount"))
	}
	line := "files: " + strings.Join(parts, "; ")
	if a.DockerSocket {
		line += "; DOCKER SOCKET: root on this host"
	}
	return line
}

func (a AccessList) networkLine() string {
	line := "network: "
	switch a.Network.Mode {
	case egress.None:
		line += "no host"
	case egress.Open:
		line += "every public host through the proxy"
	default:
		line += plural(len(a.Network.Hosts), "rule") + " through the proxy"
	}
	var names, details []string
	for _, s := range a.Network.Services {
		name := s.shortName()
		if s.Folder != "" {
			name += " (" + s.Folder + ")"
		}
		names = append(names, name)
		if d := s.detail(); d != "" {
			details = append(details, s.shortName()+d)
		}
	}
	if len(names) > 0 {
		line += "; services " + strings.Join(names, ", ")
	}
	for _, d := range details {
		line += "; by way of " + d
	}
	return line
}

func (a AccessList) credentialsLine() string {
	line := "credentials: " + orNone(a.Credentials)
	if a.Vault != "" {
		line += "; vault " + a.Vault
	}
	if len(a.Variables) > 0 {
		line += "; " + plural(len(a.Variables), "variable")
	}
	return line + "; limits " + a.Limits.String()
}

// String returns a text like "4GiB memory, 2 CPUs, 512 processes".
func (l LimitsAccess) String() string {
	cpus := "CPUs"
	if l.CPUs == 1 {
		cpus = "CPU"
	}
	return fmt.Sprintf("%s memory, %g %s, %d processes", units.BytesSize(float64(l.Memory)), l.CPUs, cpus, l.PIDs)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
