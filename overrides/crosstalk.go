package overrides

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/endpoint"
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

// MovedPorts has the host port of each base of the project and of those beside it. Where both have a base, the
// project's own counts. A base that several of the others have leads to none of them.
func MovedPorts(own, beside []ports.Lease) map[int]int {
	moved, unclear := map[int]int{}, map[int]bool{}
	for _, l := range beside {
		for i := range max(l.Count, 1) {
			if to, taken := moved[l.Base+i]; taken && to != l.Host+i {
				unclear[l.Base+i] = true
			}
			moved[l.Base+i] = l.Host + i
		}
	}
	for base := range unclear {
		delete(moved, base)
	}
	for _, l := range own {
		for i := range max(l.Count, 1) {
			moved[l.Base+i] = l.Host + i
		}
	}
	return moved
}

// newCrosstalk finds host addresses with the base port of a moved port: such an address leads to another loom, or
// nowhere. An address with a leased port is as it has to be, but for a page's host name.
func newCrosstalk(in Input) endpoint.Moved {
	m := endpoint.Moved{Ports: MovedPorts(in.Leases, in.Beside), Browser: in.PageHost}
	for _, l := range slices.Concat(in.Leases, in.Beside) {
		for i := range max(l.Count, 1) {
			m.Ports[l.Host+i] = l.Host + i
		}
	}
	return m
}

// crosstalk looks for such addresses in a service's values. Inside a container localhost is the container itself. Its
// command and healthcheck may name the container's own port, and 0.0.0.0 with that port is where it listens.
func (b *planner) crosstalk(name string, s types.ServiceConfig, c endpoint.Moved) {
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
		for _, a := range c.Find(value, own) {
			if a.Port == a.To {
				b.find(finding.Info, "service "+name,
					fmt.Sprintf("%s names %s, but a browser has that as %s: it keeps cookies by host name", where, a.Text, a.New),
					"container.rewriteLocalhost in the settings gives both one host name")
				continue
			}
			b.find(finding.Warning, "service "+name,
				fmt.Sprintf("%s names %s, but that port is %d in this loom", where, a.Text, a.To),
				"container.rewriteLocalhost in the settings, or a variable such as "+PortPrefix+"…")
		}
	}
	values := func(kind string, m types.MappingWithEquals, arg bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if m[key] == nil {
				continue
			}
			if b.in.RewriteLocalhost {
				if moved := c.Rewrite(*m[key], listens); moved != *m[key] {
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
func (b *planner) texts(c endpoint.Moved) {
	c.Browser = "" // Only values that are rewritten get another host name.
	names := slices.Sorted(maps.Keys(b.names))
	for _, t := range b.in.Texts {
		for i, line := range strings.Split(string(Cut(t.Content)), "\n") {
			where := fmt.Sprintf("file %s:%d", t.Path, i+1)
			if t.Env {
				key, value, ok := strings.Cut(line, "=")
				if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
					continue
				}
				key = strings.TrimPrefix(strings.TrimSpace(key), "export ")
				if slices.ContainsFunc(b.in.Vars, func(v Var) bool { return v.Name == key }) {
					continue // The block gives it.
				}
				for _, a := range c.Find(value, nil) {
					b.find(finding.Warning, where,
						fmt.Sprintf("%s names %s, but that port is %d in this loom", key, a.Text, a.To),
						"docker loom env -- COMMAND runs a program with the moved ports")
				}
				continue
			}
			for _, old := range names {
				if execs(line, old) {
					b.find(finding.Warning, where,
						fmt.Sprintf("names the container %s, which this loom does not have", old),
						"exec of docker loom finds service "+b.names[old]+" in every loom")
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
