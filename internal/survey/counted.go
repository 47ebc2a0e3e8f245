package survey

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/dotenv"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// iloomWebBase is the base of PORT that iloom takes if its settings say none.
const iloomWebBase = 3000

// uncount finds variables whose port has an offset in it already: iloom writes PORT=3123 into the .env of the work tree
// of issue 123, and its shells export it. Such a port is not a base: the published port of the model gets the base that
// it was made from. In all other places the variable keeps its value. Bases of the settings (given) stay.
func (f *Facts) uncount(m *stack.Model, given map[string]string) {
	if f.Target.ID == identity.Main {
		return
	}
	c := counting{Facts: f}
	for i, v := range m.Variables {
		if _, set := given[v.Name]; set || v.Published == v.Default {
			continue
		}
		base := c.baseOf(v)
		if base == 0 {
			continue
		}
		published := strconv.Itoa(base)
		setPublished(m.Project, v, published)
		m.Variables[i].Published = published
	}
}

// setPublished gives the port of a variable another host port.
func setPublished(p *types.Project, v stack.Variable, to string) {
	for _, services := range []types.Services{p.Services, p.DisabledServices} {
		s, ok := services[v.Service]
		if !ok {
			continue
		}
		s.Ports = slices.Clone(s.Ports)
		for i, port := range s.Ports {
			if v.Gives(v.Service, port) {
				s.Ports[i].Published = to
			}
		}
		services[v.Service] = s
	}
}

// counting compares ports with bases and offsets.
type counting struct {
	*Facts
	// main are the variables of the main work tree's .env files, nil until they are needed.
	main dotenv.Values
}

// baseOf returns the base that the variable's port was made from, 0 if the port is a base itself.
func (c *counting) baseOf(v stack.Variable) int {
	port, err := strconv.Atoi(v.Published)
	if err != nil {
		return 0
	}
	own, exported := c.Process.LookupEnv(v.Name)
	exported = exported && own == v.Published
	bases := []string{c.mainValues()[v.Name], v.Default}
	if slices.Contains(bases, v.Published) {
		return 0
	}
	if name, ours := strings.CutPrefix(v.Name, overrides.PortPrefix); ours {
		bases = append(bases, fmt.Sprint(c.Settings.Container.Ports[name]))
	}
	if v.Name == "PORT" {
		bases = append(bases, fmt.Sprint(c.Settings.WebBase()), fmt.Sprint(iloomWebBase))
	}
	offsets, isMain := c.offsets(), c.Target.WorkTree == c.Target.Repository && !exported
	if isMain {
		// In the .env of the main work tree only the loom's own offset would be no chance.
		offsets = offsets[:1]
	}
	for _, text := range bases {
		base, err := strconv.Atoi(text)
		if err != nil || base == 0 || base == port {
			continue
		}
		for _, offset := range offsets {
			if ports.Shift(base, offset) == port {
				return base
			}
		}
	}
	if v.Ours() && !isMain && bases[0] == "" && bases[1] == "" && port > offsets[0] {
		// iloom writes these with the offset only.
		return port - offsets[0]
	}
	return 0
}

// offsets are those that a port can have in it, the loom's own first: of other looms too, for a shell of one can bring
// up another, and a .env may have been copied.
func (c *counting) offsets() []int {
	ids := []string{c.Target.ID}
	if id, ok := c.Host.LookupEnv("ILOOM_LOOM"); ok {
		ids = append(ids, id)
	}
	if values := (dotenv.Values{}); values.Read(overrides.Cut(c.DotEnv), c.Found.Env.Resolve) == nil {
		ids = append(ids, values["ILOOM_LOOM"])
	}
	var list []int
	for _, id := range ids {
		if offset, err := ports.Offset(id); err == nil {
			list = append(list, offset)
		}
	}
	if len(list) == 0 {
		list = append(list, 0)
	}
	for _, k := range c.State.Looms {
		if k.Repository == c.Target.Repository {
			list = append(list, k.Offset)
		}
	}
	return list
}

// mainValues are the variables of the main work tree's files that stand where the project's .env files do.
func (c *counting) mainValues() dotenv.Values {
	if c.main != nil {
		return c.main
	}
	c.main = dotenv.Values{}
	if c.Target.WorkTree == c.Target.Repository {
		return c.main
	}
	files := c.Found.EnvFiles
	if len(files) == 0 {
		files = []string{c.Found.DotEnv()}
	}
	for _, path := range files {
		rel, err := filepath.Rel(c.Target.WorkTree, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		text, err := rooted.ReadFile(filepath.Join(c.Target.Repository, rel))
		if err != nil {
			continue // The main work tree may have none.
		}
		read := maps.Clone(c.main)
		if read.Read(overrides.Cut(text), func(string) (string, bool) { return "", false }) == nil {
			c.main = read
		}
	}
	return c.main
}
