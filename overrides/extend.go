package overrides

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// AddService adds a service that no file has, with the volumes that it brings along.
type AddService struct {
	// Service is the service as Compose would load it. One without a network of its own or a network mode joins the
	// default network.
	Service types.ServiceConfig
	// Volumes are by key, with their whole names.
	Volumes types.Volumes
	// Networks are those that it names beside the project's own, by keys that the project does not have.
	Networks types.Networks
}

// Apply adds the service, and the default network if no service had it.
func (e AddService) Apply(p *types.Project) {
	s := e.Service
	if s.NetworkMode == "" && len(s.Networks) == 0 {
		s.Networks = map[string]*types.ServiceNetworkConfig{"default": nil}
	}
	p.Networks = maps.Clone(p.Networks)
	if p.Networks == nil {
		p.Networks = types.Networks{}
	}
	maps.Copy(p.Networks, e.Networks)
	if _, uses := s.Networks["default"]; uses {
		if _, has := p.Networks["default"]; !has {
			p.Networks["default"] = types.NetworkConfig{Name: p.Name + "_default"}
		}
	}
	p.Services = maps.Clone(p.Services)
	if p.Services == nil {
		p.Services = types.Services{}
	}
	p.Services[s.Name] = s
	addVolumes(p, e.Volumes)
}

// Render writes the service whole.
func (e AddService) Render(d *Document) {
	d.Set(e.Service, "", "services", e.Service.Name)
	for _, key := range slices.Sorted(maps.Keys(e.Networks)) {
		d.Set(e.Networks[key], "", "networks", key)
	}
	renderVolumes(d, e.Volumes)
}

func (e AddService) String() string {
	return fmt.Sprintf("service %s: added", e.Service.Name)
}

func addVolumes(p *types.Project, volumes types.Volumes) {
	if len(volumes) == 0 {
		return
	}
	p.Volumes = maps.Clone(p.Volumes)
	if p.Volumes == nil {
		p.Volumes = types.Volumes{}
	}
	maps.Copy(p.Volumes, volumes)
}

func renderVolumes(d *Document, volumes types.Volumes) {
	for _, key := range slices.Sorted(maps.Keys(volumes)) {
		d.Set(volumes[key], "", "volumes", key)
	}
}

// Extend changes a service of the files into another: what is the same in both stays as the files say it.
type Extend struct {
	Was, Is types.ServiceConfig
	// Volumes are added to the project, by key, with their whole names.
	Volumes types.Volumes
}

// Apply puts the new service in place of the old, among the active or the disabled ones.
func (e Extend) Apply(p *types.Project) {
	service(p, e.Is.Name, func(s *types.ServiceConfig) { *s = e.Is })
	addVolumes(p, e.Volumes)
}

// merged are the mappings of a service whose keys Compose merges one by one, so that only what changes has to be said.
var merged = []string{"labels", "environment"}

// Render writes what differs. Lists and other mappings are written whole with !override, because Compose merges each in
// its own way.
func (e Extend) Render(d *Document) {
	was, is := d.keys(e.Was), d.keys(e.Is)
	at := func(key ...string) []string { return append([]string{"services", e.Is.Name}, key...) }
	for _, key := range keysOf(was, is) {
		from, to := was[key], is[key]
		switch {
		case same(from, to):
		case to == nil:
			d.Reset(at(key)...)
		case slices.Contains(merged, key):
			e.renderKeys(d, at(key), mapping(from), mapping(to))
		case to.Kind == yaml.ScalarNode:
			d.Set(to, "", at(key)...)
		default:
			d.Set(to, override, at(key)...)
		}
	}
	renderVolumes(d, e.Volumes)
}

func (e Extend) renderKeys(d *Document, path []string, was, is map[string]*yaml.Node) {
	for _, key := range keysOf(was, is) {
		switch at := append(slices.Clone(path), key); {
		case same(was[key], is[key]):
		case is[key] == nil:
			d.Reset(at...)
		default:
			d.Set(is[key], "", at...)
		}
	}
}

func (e Extend) String() string {
	var d Document
	was, is := d.keys(e.Was), d.keys(e.Is)
	var changed []string
	for _, key := range keysOf(was, is) {
		if !same(was[key], is[key]) {
			changed = append(changed, key)
		}
	}
	return fmt.Sprintf("service %s: %s of the dev container", e.Is.Name, strings.Join(changed, ", "))
}

// keys are the fields of a service as YAML has them.
func (d *Document) keys(s types.ServiceConfig) map[string]*yaml.Node {
	var n yaml.Node
	if err := n.Encode(s); err != nil {
		d.err = fmt.Errorf("services.%s: %w", s.Name, err)
		return nil
	}
	return mapping(&n)
}

func mapping(n *yaml.Node) map[string]*yaml.Node {
	m := map[string]*yaml.Node{}
	if n == nil {
		return m
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		m[n.Content[i].Value] = n.Content[i+1]
	}
	return m
}

func keysOf(a, b map[string]*yaml.Node) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func same(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	var x, y any
	return a.Decode(&x) == nil && b.Decode(&y) == nil && reflect.DeepEqual(x, y)
}
