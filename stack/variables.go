package stack

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
)

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
	// Elsewhere is true if the files use the variable in other places than this kind of port.
	Elsewhere bool
	// Entangled names the first of those places that is no host URL (localhost:${X} and the like): setting the variable
	// would change what the service does, not only where the host finds it. Empty if there is none.
	Entangled string
}

// Ours reports whether the variable is one of ours (ILOOM_PORT_…), which always follows the loom.
func (v Variable) Ours() bool { return strings.HasPrefix(v.Name, PortPrefix) }

// variables reads the files once more without interpolation, to see which variables stand in published ports.
func (f *Found) variables(ctx context.Context, docker command.Cli, project *types.Project, env types.Mapping) ([]Variable, error) {
	opts, err := f.options(docker, project.Name, nil,
		cli.WithInterpolation(false), cli.WithNormalization(false), cli.WithConsistency(false), cli.WithResolvedPaths(false),
		cli.WithLoadOptions(loader.WithSkipValidation, func(o *loader.Options) { o.SkipDefaultValues = true }))
	if err != nil {
		return nil, err
	}
	raw, err := opts.LoadModel(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading port variables: %w", err)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }

	var vars []Variable
	services, _ := raw["services"].(map[string]any)
	for _, name := range sortedKeys(services) {
		service, _ := services[name].(map[string]any)
		entries, _ := service["ports"].([]any)
		for i, entry := range entries {
			published, rest := splitPublished(entry)
			v, ok := portVariable(published, lookup)
			if !ok {
				continue
			}
			for _, port := range loadedAs(entry, lookup) {
				vars = append(vars, Variable{Name: v, Service: name, Target: port.Target, Protocol: port.Protocol,
					HostIP: port.HostIP, Published: port.Published})
			}
			// What remains is walked below with the rest of the model: ${PORT}:${PORT} uses it twice.
			entries[i] = rest
		}
	}
	uses := usesOf(raw)
	for i, v := range vars {
		for _, u := range uses[v.Name] {
			vars[i].Elsewhere = true
			if !u.url && vars[i].Entangled == "" {
				vars[i].Entangled = u.path
			}
		}
	}
	return vars, nil
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

// splitOutsideBraces splits at sep where it stands neither in ${…} nor in […], so that a default (${A:-80}) and an IPv6
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
	wholeVariable = regexp.MustCompile(`^\$(?:\{(\w+)(?:(:?[-?])(.*))?\}|(\w+))$`)
	port          = regexp.MustCompile(`^\d{1,5}$`)
)

// portVariable returns the variable to set for a published part that is one variable and nothing else, with whatever
// default: the first of a chain ${A:-${B:-80}} that has a value, else the outermost. A default that is no single port
// (a range, or a whole mapping) is left to the literal in the override.
func portVariable(expr string, lookup template.Mapping) (string, bool) {
	first := ""
	for {
		m := wholeVariable.FindStringSubmatch(expr)
		if m == nil {
			return first, first != "" && port.MatchString(expr)
		}
		name := m[1] + m[4]
		if first == "" {
			first = name
		}
		if v, _ := lookup(name); v != "" {
			return name, port.MatchString(v)
		}
		if m[3] == "" || strings.HasSuffix(m[2], "?") {
			return first, false
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

type use struct {
	path string
	url  bool
}

var (
	anyVariable = regexp.MustCompile(`\$(?:\{(\w+)|(\w+))`)
	hostURL     = regexp.MustCompile(`(?i)(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0):$`)
)

// usesOf lists for each variable the places of the raw model that use it.
func usesOf(model any) map[string][]use {
	uses := map[string][]use{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range sortedKeys(v) {
				walk(strings.TrimPrefix(path+"."+k, "."), v[k])
			}
		case []any:
			for _, e := range v {
				walk(path, e)
			}
		case string:
			s := strings.ReplaceAll(v, "$$", "\x00\x00")
			for _, m := range anyVariable.FindAllStringSubmatchIndex(s, -1) {
				lo, hi := m[2], m[3]
				if lo < 0 {
					lo, hi = m[4], m[5]
				}
				uses[s[lo:hi]] = append(uses[s[lo:hi]], use{path: path, url: hostURL.MatchString(s[:m[0]])})
			}
		}
	}
	walk("", model)
	return uses
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
