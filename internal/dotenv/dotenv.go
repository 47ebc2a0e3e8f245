// Package dotenv finds the values of .env files that name moved ports of this host, and says what they have to be. It
// is pure: it gets texts.
package dotenv

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/docker-loom/docker-loom/internal/endpoint"
)

// Values are variables by name.
type Values map[string]string

// dollars are the places where Compose looks for a variable: $$, $name, ${, and a $ with anything behind it.
var dollars = regexp.MustCompile(`\\?\$(?:\$+|[A-Za-z_]\w*|\{|[^A-Za-z_{$]|$)?`)

// hiddenDollar stands for a $ that stays as it is, while Compose's parser reads a text.
const hiddenDollar = "\x01"

// Read adds the values of a .env file to those that are there. They are read as Compose reads them, with two
// exceptions, for most libraries keep both as they are and passwords have them: a $name that nobody has set, and $$.
func (v Values) Read(text []byte, lookup func(name string) (string, bool)) error {
	assigned := map[string]bool{}
	for _, m := range assignment.FindAllStringSubmatch(string(text), -1) {
		assigned[m[1]] = true
	}
	isKnown := func(name string) bool {
		_, set := lookup(name)
		_, before := v[name]
		return set || before || assigned[name]
	}
	hidden := dollars.ReplaceAllStringFunc(string(text), func(s string) string {
		name := strings.TrimPrefix(s, "$")
		if strings.HasPrefix(s, `\`) || name == "{" || isName.MatchString(name) && isKnown(name) {
			return s
		}
		return strings.ReplaceAll(s, "$", hiddenDollar)
	})
	read, err := dotenv.UnmarshalWithLookup(hidden, func(name string) (string, bool) {
		if value, ok := lookup(name); ok {
			return value, true
		}
		value, ok := v[name]
		return value, ok && !assigned[name]
	})
	if err != nil {
		return err
	}
	for name, value := range read {
		v[name] = strings.ReplaceAll(value, hiddenDollar, "$")
	}
	return nil
}

var (
	assignment = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*[=:]`)
	isName     = regexp.MustCompile(`^[A-Za-z_]\w*$`)
	// misleading are variables that docker, docker compose and docker loom obey themselves.
	misleading = regexp.MustCompile(`^(?:DOCKER|COMPOSE|BUILDKIT|BUILDX|ILOOM)_`)
)

// Moved returns the variables whose values name a moved port of this host, with the values that they have to have.
func (v Values) Moved(m endpoint.Moved) Values {
	moved := Values{}
	for name, value := range v {
		if !isName.MatchString(name) || misleading.MatchString(name) {
			continue
		}
		if now := m.Rewrite(value, nil); now != value {
			moved[name] = now
			continue
		}
		if port, err := strconv.Atoi(value); err == nil && v.isPortOfThisHost(name) {
			if to, ok := m.Ports[port]; ok && to != port {
				moved[name] = strconv.Itoa(to)
			}
		}
	}
	if m.Machine == "" {
		return moved
	}
	for name := range maps.Clone(moved) {
		for _, host := range hostsOf(name) {
			if endpoint.IsHere(v[host]) {
				moved[host] = m.Machine
			}
		}
	}
	return moved
}

// isPortOfThisHost reports whether the variable is the port of a pair, DB_HOST and DB_PORT, whose host is this one. A
// port without a host may be any program's.
func (v Values) isPortOfThisHost(name string) bool {
	return slices.ContainsFunc(hostsOf(name), func(host string) bool { return endpoint.IsHere(v[host]) })
}

// hostsOf are the names that the host of a pair can have whose port is called name. A plain PORT belongs to no pair: it
// is where the program itself listens.
func hostsOf(name string) []string {
	for _, suffix := range []string{"PORT", "port"} {
		stem, ok := strings.CutSuffix(name, suffix)
		if !ok || strings.Trim(stem, "_") == "" {
			continue
		}
		var list []string
		for _, host := range []string{"HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "IP"} {
			if suffix == "port" {
				host = strings.ToLower(host)
			}
			list = append(list, stem+host)
		}
		return list
	}
	return nil
}

// Names are the names, sorted.
func (v Values) Names() []string { return slices.Sorted(maps.Keys(v)) }
