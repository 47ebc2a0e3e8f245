package overrides

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
)

// Text is a file of the work tree that is searched for ports and container names of another loom.
type Text struct {
	Path    string
	Content []byte
	// Env says that the file has lines NAME=value, not commands.
	Env bool
}

// Env sets one environment variable or build argument of a service.
type Env struct {
	Service, Key, Old, New string
	Arg                    bool // a build argument
}

// Apply sets the value.
func (e Env) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		if e.Arg {
			build := *s.Build
			build.Args = maps.Clone(build.Args)
			build.Args[e.Key] = &e.New
			s.Build = &build
			return
		}
		s.Environment = maps.Clone(s.Environment)
		s.Environment[e.Key] = &e.New
	})
}

// Render sets the value.
func (e Env) Render(d *Document) {
	if e.Arg {
		d.Set(e.New, "", "services", e.Service, "build", "args", e.Key)
		return
	}
	d.Set(e.New, "", "services", e.Service, "environment", e.Key)
}

func (e Env) String() string {
	return fmt.Sprintf("service %s: %s %s → %s", e.Service, e.Key, e.Old, e.New)
}

var hostPort = regexp.MustCompile(`(?i)\b(localhost|127\.0\.0\.1|host\.docker\.internal|0\.0\.0\.0)(:)(\d{2,5})\b`)

// crosstalk finds host addresses with the base port of a moved port. Such an address leads to another loom, or nowhere.
type crosstalk struct {
	moved map[int]int // base → host
	ours  map[int]bool
}

// newCrosstalk takes the leases of the project and of those beside it. Where both have a base, the project's own
// counts.
func newCrosstalk(own, beside []ports.Lease) crosstalk {
	c := crosstalk{map[int]int{}, map[int]bool{}}
	bases := map[int]bool{}
	for _, l := range own {
		for i := range max(l.Count, 1) {
			bases[l.Base+i] = true
		}
	}
	isOwn := func(l ports.Lease) bool { return bases[l.Base] }
	for _, l := range append(slices.DeleteFunc(slices.Clone(beside), isOwn), own...) {
		for i := range max(l.Count, 1) {
			c.ours[l.Host+i] = true
			if l.Host != l.Base {
				c.moved[l.Base+i] = l.Host + i
			}
		}
	}
	return c
}

// in lists the addresses in the text whose port has moved. It skips addresses that own reports: those mean the
// container itself and a port of its own.
func (c crosstalk) in(text string, own func(host string, port int) bool) []string {
	var found []string
	for _, m := range hostPort.FindAllStringSubmatch(text, -1) {
		port, _ := strconv.Atoi(m[3])
		if _, moved := c.moved[port]; moved && !c.ours[port] && (own == nil || !own(strings.ToLower(m[1]), port)) {
			found = append(found, m[0])
		}
	}
	return found
}

// rewrite puts the leased port into each address that in lists.
func (c crosstalk) rewrite(text string, own func(host string, port int) bool) string {
	return hostPort.ReplaceAllStringFunc(text, func(s string) string {
		if len(c.in(s, own)) == 0 {
			return s
		}
		m := hostPort.FindStringSubmatch(s)
		port, _ := strconv.Atoi(m[3])
		return m[1] + ":" + strconv.Itoa(c.moved[port])
	})
}

// crosstalk looks for such addresses in a service's values. Inside a container localhost is the container itself. Its
// command and healthcheck may name the container's own port, and 0.0.0.0 with that port is where it listens.
func (b *planner) crosstalk(name string, s types.ServiceConfig, c crosstalk) {
	targets := map[int]bool{}
	for _, p := range s.Ports {
		targets[int(p.Target)] = true
	}
	for _, e := range s.Expose {
		if port, err := strconv.Atoi(strings.TrimSuffix(e, "/tcp")); err == nil {
			targets[port] = true
		}
	}
	inside := func(host string, port int) bool { return host != "host.docker.internal" && targets[port] }
	listens := func(host string, port int) bool { return host == "0.0.0.0" && targets[port] }
	report := func(where, value string, own func(string, int) bool) {
		for _, address := range c.in(value, own) {
			port, _ := strconv.Atoi(address[strings.LastIndex(address, ":")+1:])
			b.find(finding.Warning, "service "+name,
				fmt.Sprintf("%s names %s, but that port is %d in this loom", where, address, c.moved[port]),
				"container.rewriteLocalhost in the settings, or a variable such as "+PortPrefix+"…")
		}
	}
	values := func(kind string, m types.MappingWithEquals, arg bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if m[key] == nil {
				continue
			}
			if b.in.RewriteLocalhost {
				if moved := c.rewrite(*m[key], listens); moved != *m[key] {
					b.edit(Env{Service: name, Key: key, Old: *m[key], New: moved, Arg: arg})
				}
				continue
			}
			report(kind+" "+key, *m[key], listens)
		}
	}
	values("environment", s.Environment, false)
	if s.Build != nil {
		values("build argument", s.Build.Args, true)
	}
	report("command", strings.Join(s.Command, " "), inside)
	report("entrypoint", strings.Join(s.Entrypoint, " "), inside)
	if s.HealthCheck != nil {
		report("healthcheck", strings.Join(s.HealthCheck.Test, " "), inside)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		report("label "+key, s.Labels[key], nil)
		if hosts := routed(key, s.Labels[key]); hosts != "" {
			b.find(finding.Warning, "service "+name,
				fmt.Sprintf("label %s claims the host name %s for every loom", key, hosts),
				"use the loom's id in the name: ${ILOOM_LOOM:-main}")
		}
	}
}

var traefikRule = regexp.MustCompile(`Host(?:SNI|Regexp)?\(([^)]*)\)`)

// routed returns the fixed host names in a label for a proxy (Traefik, caddy-docker-proxy), "" if there are none.
func routed(key, value string) string {
	switch {
	case strings.HasPrefix(key, "traefik.") && strings.HasSuffix(key, ".rule"):
		if m := traefikRule.FindStringSubmatch(value); m != nil && m[1] != "`*`" {
			return strings.ReplaceAll(m[1], "`", "")
		}
	case key == "caddy" || strings.HasPrefix(key, "caddy_"):
		if !strings.Contains(key, ".") {
			return value
		}
	}
	return ""
}

// texts looks through files of the work tree: env files for addresses of moved ports, scripts for container names that
// the loom does not have.
func (b *planner) texts(c crosstalk) {
	names := slices.Sorted(maps.Keys(b.names))
	for _, t := range b.in.Texts {
		for i, line := range strings.Split(string(Cut(t.Content)), "\n") {
			where := fmt.Sprintf("file %s:%d", t.Path, i+1)
			if t.Env {
				key, value, ok := strings.Cut(line, "=")
				if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
					continue
				}
				for _, address := range c.in(value, nil) {
					port, _ := strconv.Atoi(address[strings.LastIndex(address, ":")+1:])
					b.find(finding.Warning, where,
						fmt.Sprintf("%s names %s, but that port is %d in this loom", strings.TrimSpace(key), address, c.moved[port]),
						"docker loom config shows the loom's variables")
				}
				continue
			}
			for _, old := range names {
				if execs(line, old) {
					b.find(finding.Warning, where,
						fmt.Sprintf("names the container %s, which this loom does not have", old),
						"docker loom exec "+b.names[old]+" -- COMMAND finds it in every loom")
				}
			}
		}
	}
}

var dockerExec = regexp.MustCompile(`\bdocker\s+(?:container\s+)?` +
	`(?:exec|logs|cp|restart|stop|start|kill|inspect|attach)\b(.*)`)

// execs reports whether a line of a script runs a docker command on the container with this name.
func execs(line, name string) bool {
	m := dockerExec.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	words := strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" \t\"';:|&)", r) })
	return slices.Contains(words, name)
}
