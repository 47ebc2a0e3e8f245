package overrides

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/ports"
)

// PortPrefix begins the names of the variables that tell programs on the host where a service listens.
const PortPrefix = "ILOOM_PORT_"

// PortVars gives each leased port of the base project its variables, sorted by name: those that the files use for it,
// which variables returns, and ILOOM_PORT_<SERVICE> unless such a one is among them, with _<TARGET> if a service
// publishes several.
func PortVars(
	p *types.Project, leases []ports.Lease, variables func(service string, p types.ServicePortConfig) []string,
) []Var {
	vars := map[string]string{}
	type literal struct {
		name, value string
		base        int
	}
	var literals []literal
	all := p.AllServices()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		targets := map[uint32]bool{}
		for _, entry := range s.Ports {
			if _, ok := published(name, entry); ok {
				targets[entry.Target] = true
			}
		}
		for _, entry := range s.Ports {
			moved, ok := move(name, entry, leases)
			if !ok || joins(s) {
				continue
			}
			own := PortPrefix + upper(name)
			isNamed := false
			for _, v := range variables(name, entry) {
				vars[v] = moved.Published
				isNamed = isNamed || strings.HasPrefix(v, PortPrefix)
			}
			if isNamed {
				continue
			}
			if len(targets) > 1 {
				own += "_" + strconv.Itoa(int(entry.Target))
			}
			host, _, _ := strings.Cut(moved.Published, "-")
			was, _ := published(name, entry)
			literals = append(literals, literal{own, host, was.Base})
		}
	}
	for _, l := range literals {
		// A variable of the files has the name first; two protocols of one port share a number and so the name. Others that
		// come out the same (my-app and my_app, 53/udp at another port than 53/tcp) are told apart by the base.
		if value, taken := vars[l.name]; taken && value != l.value {
			l.name += "_" + strconv.Itoa(l.base)
		}
		if _, taken := vars[l.name]; !taken {
			vars[l.name] = l.value
		}
	}
	list := make([]Var, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, Var{Name: name, Value: vars[name]})
	}
	return list
}

// upper makes a service's name a part of a variable's.
func upper(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
