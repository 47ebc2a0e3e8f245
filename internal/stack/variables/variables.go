// Package variables finds the environment variables that give a project's published ports, and where else its files use
// them. It looks at a model whose variables are not resolved, and reads nothing.
package variables

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// PortPrefix begins the names of the variables that give a loom's ports.
const PortPrefix = "ILOOM_PORT_"

// Variable is an environment variable that gives one published port of a service.
type Variable struct {
	// Name is the variable to set so that the port follows.
	Name string
	// Service, Target, Protocol, HostIP and Published say which port it gives, as loaded.
	Service   string
	Target    uint32
	Protocol  string
	HostIP    string
	Published string
	// Default is the port that it gives without a value, "" if the files say none.
	Default string
	// Elsewhere is true if the files use the variable in other places than this kind of port.
	Elsewhere bool
	// Entangled names the first of those places that is not a host URL (localhost:${X} and the like): setting the variable
	// would change what the service does, not only where the host finds it. Empty if there is none.
	Entangled string
}

// Ours reports whether the variable is an ILOOM_PORT_… variable, which always follows the loom.
func (v Variable) Ours() bool { return strings.HasPrefix(v.Name, PortPrefix) }

// TakePublished takes the variables that give published ports out of the raw model, so that what remains are their
// other uses: ${PORT}:${PORT} uses one twice.
func TakePublished(raw map[string]any, lookup template.Mapping) (vars []Variable) {
	services, _ := raw["services"].(map[string]any)
	for _, name := range sortedKeys(services) {
		service, _ := services[name].(map[string]any)
		entries, _ := service["ports"].([]any)
		for i, entry := range entries {
			published, rest := splitPublished(entry)
			names := portVariables(published, lookup)
			if len(names) == 0 {
				continue
			}
			for _, port := range loadedAs(entry, lookup) {
				for _, v := range names {
					vars = append(vars, Variable{
						Name: v, Service: name, Target: port.Target, Protocol: port.Protocol,
						HostIP: port.HostIP, Published: port.Published, Default: defaultPort(published),
					})
				}
			}
			entries[i] = rest
		}
	}
	return vars
}

// Given marks what variables are used for beside their ports, and leaves out those that give no port of the project.
func Given(vars []Variable, uses Uses, p *types.Project) []Variable {
	for i, v := range vars {
		for _, u := range uses[v.Name] {
			vars[i].Elsewhere = true
			if !u.IsHostURL && vars[i].Entangled == "" {
				vars[i].Entangled = u.Path
			}
		}
		for _, o := range vars {
			// Two defaults (${PORT:-3000} and ${PORT:-4000}), or an included .env of its own: one value cannot give both.
			if vars[i].Entangled == "" && o.Name == v.Name && (o.Published != v.Published || !o.givesAny(p)) {
				vars[i].Entangled = "services." + o.Service + ".ports"
			}
		}
	}
	return slices.DeleteFunc(vars, func(v Variable) bool { return !v.givesAny(p) })
}

// splitPublished takes the published part out of one raw ports entry, and returns it with what remains.
func splitPublished(entry any) (published string, rest any) {
	switch e := entry.(type) {
	case map[string]any:
		p, ok := e["published"].(string)
		if !ok {
			return "", entry
		}
		others := map[string]any{}
		for k, v := range e {
			if k != "published" {
				others[k] = v
			}
		}
		return p, others
	case string:
		parts := splitOutsideBraces(e, ':')
		if len(parts) < 2 {
			return "", entry
		}
		i := len(parts) - 2
		published = parts[i]
		return published, strings.Join(append(append([]string{}, parts[:i]...), parts[i+1:]...), ":")
	}
	return "", entry
}

// splitOutsideBraces splits at sep if it is neither in ${…} nor in […], so that a default (${A:-80}) and an IPv6
// address stay whole.
func splitOutsideBraces(s string, sep byte) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case sep:
			if depth == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, s[start:])
}

var (
	wholeVariable = regexp.MustCompile(`^\$(?:\{([A-Za-z_]\w*)(?:(:?[-?])(.*))?\}|([A-Za-z_]\w*))$`)
	port          = regexp.MustCompile(`^\d{1,5}$`)
)

// portVariables are the variables that may be set for a published part that is one variable and nothing else, with
// whatever default. Of a chain ${A:-${B:-80}} it is the first that has a value, otherwise all, the outermost first: who
// writes B elsewhere means the same port. A default that is not a single port (a range, or a whole mapping) is left to
// the literal in the override.
func portVariables(expr string, lookup template.Mapping) []string {
	var names []string
	for {
		m := wholeVariable.FindStringSubmatch(expr)
		if m == nil {
			if !port.MatchString(expr) {
				return nil
			}
			return names
		}
		name := m[1] + m[4]
		switch v, set := lookup(name); {
		case v != "" && port.MatchString(v):
			return []string{name}
		case v != "", set && m[2] == "-":
			return nil
		}
		if m[3] == "" || strings.HasSuffix(m[2], "?") {
			return nil
		}
		names = append(names, name)
		expr = m[3]
	}
}

// defaultPort is the port at the end of a chain of defaults, ${A:-${B:-80}}, "" if there is none.
func defaultPort(expr string) string {
	for {
		m := wholeVariable.FindStringSubmatch(expr)
		switch {
		case m == nil && port.MatchString(expr):
			return expr
		case m == nil || strings.HasSuffix(m[2], "?"):
			return ""
		}
		expr = m[3]
	}
}

// loadedAs gives the ports that Compose makes of a raw entry.
func loadedAs(entry any, lookup template.Mapping) []types.ServicePortConfig {
	text := func(v any) string {
		s, err := template.SubstituteWithOptions(fmt.Sprint(v), lookup, template.WithoutLogging)
		if err != nil {
			return ""
		}
		return s
	}
	switch e := entry.(type) {
	case string:
		ports, err := types.ParsePortConfig(text(e))
		if err != nil {
			return nil
		}
		return ports
	case map[string]any:
		p := types.ServicePortConfig{Protocol: "tcp", Published: text(e["published"])}
		if v, ok := e["protocol"]; ok {
			p.Protocol = text(v)
		}
		if v, ok := e["host_ip"]; ok {
			p.HostIP = text(v)
		}
		if _, err := fmt.Sscan(text(e["target"]), &p.Target); err != nil {
			return nil
		}
		return []types.ServicePortConfig{p}
	}
	return nil
}

// Gives reports whether the variable gives this port.
func (v Variable) Gives(service string, p types.ServicePortConfig) bool {
	same := v.HostIP == p.HostIP
	if a, err := netip.ParseAddr(v.HostIP); err == nil {
		b, err := netip.ParseAddr(p.HostIP)
		same = err == nil && a == b
	}
	return same && v.Service == service && v.Target == p.Target && v.Published == p.Published &&
		(v.Protocol == p.Protocol || v.Protocol == "" && p.Protocol == "tcp")
}

// Port is the port that the variable gives.
func (v Variable) Port() types.ServicePortConfig {
	return types.ServicePortConfig{Target: v.Target, Protocol: v.Protocol, HostIP: v.HostIP, Published: v.Published}
}

func (v Variable) givesAny(p *types.Project) bool {
	return slices.ContainsFunc(p.AllServices()[v.Service].Ports, func(port types.ServicePortConfig) bool {
		return v.Gives(v.Service, port)
	})
}

// Use is a place of a project's files that uses a variable.
type Use struct {
	// Path is the place in the model, such as services.web.environment.
	Path string
	// IsHostURL says that the variable is the port of a URL of this host.
	IsHostURL bool
}

// Uses are the places that use a variable, by its name.
type Uses map[string][]Use

var (
	anyVariable = regexp.MustCompile(`\$(?:\{(\w+)|(\w+))`)
	// hostURL ends before a variable, or before the first of those that stand in each other's defaults.
	hostURL  = regexp.MustCompile(`(?i)(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0):(?:\$\{\w+:?-)*$`)
	bareName = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*\r?$`)
)

// UsesIn lists for each variable the places of the raw model that use it.
func UsesIn(model map[string]any) Uses {
	uses := Uses{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range sortedKeys(v) {
				// Compose ignores these. If an anchor brings one into a service, it is seen there.
				if path == "" && strings.HasPrefix(k, "x-") {
					continue
				}
				walk(strings.TrimPrefix(path+"."+k, "."), v[k])
			}
		case []any:
			for _, e := range v {
				walk(path, e)
			}
		case string:
			uses.AddText(path, v)
		}
	}
	walk("", model)
	passedThrough(model, uses)
	return uses
}

// AddText adds the uses in a text.
func (uses Uses) AddText(path, text string) {
	s := strings.ReplaceAll(text, "$$", "\x00\x00")
	for _, m := range anyVariable.FindAllStringSubmatchIndex(s, -1) {
		lo, hi := m[2], m[3]
		if lo < 0 {
			lo, hi = m[4], m[5]
		}
		uses[s[lo:hi]] = append(uses[s[lo:hi]], Use{Path: path, IsHostURL: hostURL.MatchString(s[:m[0]])})
	}
}

// AddBareNames adds the names that a text passes through, each on a line of its own without a value.
func (uses Uses) AddBareNames(path, text string) {
	for _, m := range bareName.FindAllStringSubmatch(text, -1) {
		uses[m[1]] = append(uses[m[1]], Use{Path: path})
	}
}

// passedThrough finds the variables that are used without a $: names without a value in environment and build.args,
// and those that secrets and configs are made of.
func passedThrough(model map[string]any, uses Uses) {
	add := func(path, name string) { uses[name] = append(uses[name], Use{Path: path}) }
	list := func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if s, ok := e.(string); ok && !strings.Contains(s, "=") {
					add(path, s)
				}
			}
		case map[string]any:
			for _, k := range sortedKeys(v) {
				if v[k] == nil {
					add(path, k)
				}
			}
		}
	}
	services, _ := model["services"].(map[string]any)
	for _, name := range sortedKeys(services) {
		s, _ := services[name].(map[string]any)
		list("services."+name+".environment", s["environment"])
		if build, ok := s["build"].(map[string]any); ok {
			list("services."+name+".build.args", build["args"])
		}
	}
	for _, kind := range []string{"configs", "secrets"} {
		all, _ := model[kind].(map[string]any)
		for _, name := range sortedKeys(all) {
			r, _ := all[name].(map[string]any)
			if v, ok := r["environment"].(string); ok {
				add(kind+"."+name+".environment", v)
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
