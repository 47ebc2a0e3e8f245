package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
)

// Compose's labels, which are stable across its majors.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelNumber  = "com.docker.compose.container-number"
	labelOneOff  = "com.docker.compose.oneoff"
)

// Container is a Compose container as the engine's list shows it.
type Container struct {
	ID        string
	Name      string // without the leading slash
	Project   string
	Service   string
	Number    int    // Compose's container number, 0 when it has none
	OneOff    bool   // made by a run command
	State     string // created, running, paused, restarting, removing, exited or dead
	Health    string // starting, healthy or unhealthy; "" without a healthcheck or when not running
	ExitCode  int    // of the last exit, -1 where the list has none; 0 while it runs and before its first start
	Created   time.Time
	Image     string // as the container asked for it
	ImageID   string
	Labels    map[string]string
	Published []Published  // host ports in effect, so none unless it runs
	Forwards  []Published  // of these, what it publishes for other services, which have them among theirs
	Networks  []string     // names, sorted
	Volumes   []string     // names of those that it mounts
	Binds     []string     // files and folders of the host that it mounts
	Addresses []netip.Addr // on these networks, none unless it runs

	networkMode string // as All lists it
}

// Published is one host port that a running container is reached through.
type Published struct {
	Target   int    // the port in the container
	Protocol string // tcp, udp or sctp
	HostIP   string // "" for all addresses
	Host     int    // the port on the host
	Via      string // the service that publishes it, where another one does
}

// Filter chooses containers. A zero Filter means every Compose container.
type Filter struct {
	Project string            // Compose project; "" is any
	Labels  map[string]string // all must match; an empty value asks only for the label
}

// Containers lists containers in every state, one-off ones included, sorted by
// project, service and number. Containers that are not Compose's are never
// listed: labels alone prove nothing, a container inherits those of its image.
// It is one request.
func (e *Engine) Containers(ctx context.Context, f Filter) ([]Container, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{
		All:     true,
		Filters: composeFilter(f.Project, f.Labels),
	})
	if err != nil {
		if f.Project != "" {
			return nil, fmt.Errorf("containers of project %s: %w", f.Project, err)
		}
		return nil, fmt.Errorf("containers: %w", err)
	}
	out := make([]Container, 0, len(list))
	for _, s := range list {
		out = append(out, fromSummary(s))
	}
	slices.SortFunc(out, func(a, b Container) int {
		return cmp.Or(
			cmp.Compare(a.Project, b.Project),
			cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Number, b.Number),
			cmp.Compare(a.Name, b.Name),
		)
	})
	attribute(out)
	return out, nil
}

// Labelled lists the containers in every state that have all the labels, Compose's and others, sorted by name.
func (e *Engine) Labelled(ctx context.Context, labels map[string]string) ([]Container, error) {
	args := filters.NewArgs()
	for k, v := range labels {
		args.Add("label", k+"="+v)
	}
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("containers: %w", err)
	}
	out := make([]Container, 0, len(list))
	for _, s := range list {
		out = append(out, fromSummary(s))
	}
	slices.SortFunc(out, func(a, b Container) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Start starts a container.
func (e *Engine) Start(ctx context.Context, id string) error {
	if err := e.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	return nil
}

// Stop stops a container; a timeout of zero is the container's own. A missing or stopped container is not an error.
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	o := container.StopOptions{}
	if timeout > 0 {
		seconds := max(1, int(timeout.Seconds()))
		o.Timeout = &seconds
	}
	if err := e.api.ContainerStop(ctx, id, o); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("container %s: %w", id, err)
	}
	return nil
}

func composeFilter(project string, labels map[string]string) filters.Args {
	args := filters.NewArgs()
	if project == "" {
		args.Add("label", labelProject)
	} else {
		args.Add("label", labelProject+"="+project)
	}
	for k, v := range labels {
		if v != "" {
			k += "=" + v
		}
		args.Add("label", k)
	}
	return args
}

func fromSummary(s container.Summary) Container {
	c := Container{
		ID:        s.ID,
		Name:      firstName(s.Names),
		Created:   time.Unix(s.Created, 0),
		Image:     s.Image,
		ImageID:   s.ImageID,
		Published: effectivePorts(s.Ports),
	}
	c.setLabels(s.Labels)
	c.State, c.Health, c.ExitCode = parseStatus(s.State, s.Status)
	if s.NetworkSettings != nil {
		for name, at := range s.NetworkSettings.Networks {
			c.Networks = append(c.Networks, name)
			if a, err := netip.ParseAddr(at.IPAddress); err == nil {
				c.Addresses = append(c.Addresses, a)
			}
		}
		slices.Sort(c.Networks)
		slices.SortFunc(c.Addresses, netip.Addr.Compare)
	}
	for _, m := range s.Mounts {
		if m.Type == mount.TypeVolume {
			c.Volumes = append(c.Volumes, m.Name)
		}
		if m.Type == mount.TypeBind {
			c.Binds = append(c.Binds, m.Source)
		}
	}
	return c
}

func (c *Container) setLabels(labels map[string]string) {
	c.Labels = labels
	c.Project = labels[labelProject]
	c.Service = labels[labelService]
	c.Number, _ = strconv.Atoi(labels[labelNumber])
	c.OneOff = strings.EqualFold(labels[labelOneOff], "true")
}

// A container that others link to has names like /web/db besides its own.
func firstName(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	if len(names) == 0 {
		return ""
	}
	return strings.TrimPrefix(names[0], "/")
}

func effectivePorts(ports []container.Port) []Published {
	var out []Published
	for _, p := range ports {
		if p.PublicPort == 0 {
			continue
		}
		out = append(out, Published{
			Target:   int(p.PrivatePort),
			Protocol: p.Type,
			HostIP:   wildcardless(p.IP),
			Host:     int(p.PublicPort),
		})
	}
	slices.SortFunc(out, byTarget)
	// One port on all addresses is listed twice, for IPv4 and for IPv6.
	return slices.Compact(out)
}

func byTarget(a, b Published) int {
	return cmp.Or(
		cmp.Compare(a.Target, b.Target),
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.HostIP, b.HostIP),
		cmp.Compare(a.Host, b.Host),
	)
}

// wildcardless turns 0.0.0.0 and :: into "".
func wildcardless(ip string) string {
	if a, err := netip.ParseAddr(ip); err == nil && a.IsUnspecified() {
		return ""
	}
	return ip
}

// parseStatus reads what the list says in words, such as "Up 3 minutes
// (healthy)" or "Exited (137) 3 hours ago". The list has no other field for
// health and exit code before API 1.52, and an inspect of every container would
// cost a request each.
func parseStatus(state, status string) (string, string, int) {
	status = strings.TrimSpace(status)
	word, rest, _ := strings.Cut(status, " ")
	switch strings.ToLower(state) {
	case "":
		state = stateOf(word, status)
	case "configured", "initialized": // podman
		state = "created"
	case "stopped":
		state = "exited"
	case "stopping":
		state = "running"
	default:
		state = strings.ToLower(state)
	}
	code := 0
	if state == "exited" || state == "restarting" || state == "dead" {
		code = exitCode(rest)
	}
	return state, healthOf(state, status), code
}

// exitCode reads "(137) 3 hours ago". Without a code it must not say 0: that
// would be success.
func exitCode(s string) int {
	s, ok := strings.CutPrefix(s, "(")
	s, _, closed := strings.Cut(s, ")")
	n, err := strconv.Atoi(s)
	if !ok || !closed || err != nil {
		return -1
	}
	return n
}

func stateOf(word, status string) string {
	switch strings.ToLower(word) {
	case "up":
		if strings.HasSuffix(status, "(Paused)") {
			return "paused"
		}
		return "running"
	case "exited":
		return "exited"
	case "restarting":
		return "restarting"
	case "created":
		return "created"
	case "dead":
		return "dead"
	case "removal":
		return "removing"
	}
	return ""
}

func healthOf(state, status string) string {
	// A paused container's text says Paused where its health was.
	if state != "running" {
		return ""
	}
	i := strings.LastIndexByte(status, '(')
	if i < 0 || !strings.HasSuffix(status, ")") {
		return ""
	}
	switch h := strings.TrimPrefix(status[i+1:len(status)-1], "health: "); h {
	case "starting", "healthy", "unhealthy":
		return h
	}
	return ""
}
