package plan

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/overrides"
)

// sharing decides which networks and volumes the loom's projects have in common: what several of them give the same
// name. The project makes it that needs it first; the others join it.
type sharing struct {
	*maker
	// joined are those that other projects make. isolated are the keys of external volumes that this one makes for all.
	joined   []registry.Made
	isolated []string
}

// decideAll decides which networks and volumes another project of the loom makes.
func (s *sharing) decideAll() error {
	if s.ID == identity.Main {
		return nil
	}
	for _, own := range s.named() {
		s.decide(own)
	}
	s.Entry.Makes = s.makes()
	return nil
}

// input is the part of the edits' input that says what is shared.
func (s *sharing) input() overrides.Input {
	set := s.facts.Settings.Container
	in := overrides.Input{
		Base: s.facts.Found.BaseName(), Share: set.Share, Isolate: slices.Concat(set.Isolate, s.isolated),
		Join: overrides.Joined{},
	}
	for _, joined := range s.joined {
		as := overrides.JoinedAs{Name: joined.As}
		if made, k := s.madeBy(joined); k != nil {
			pools := made.Pools
			if len(pools) == 0 {
				pools = joined.Pools
			}
			as.Moved = movedPools(pools, k.Subnets[made.Key])
		}
		in.Join[[2]string{joined.Kind, joined.Key}] = as
	}
	return in
}

// movedPools are the subnets of a network's files, and those that it has in their place.
func movedPools(pools, leased []string) map[netip.Prefix]netip.Prefix {
	moved := map[netip.Prefix]netip.Prefix{}
	for i, pool := range pools[:min(len(pools), len(leased))] {
		from, err := netip.ParsePrefix(pool)
		to, toErr := netip.ParsePrefix(leased[i])
		if err == nil && toErr == nil {
			moved[from] = to
		}
	}
	return moved
}

// madeBy finds the project that makes what is joined.
func (s *sharing) madeBy(joined registry.Made) (registry.Made, *registry.Loom) {
	for _, k := range siblings(s.facts.State, &s.Entry) {
		for _, made := range k.Makes {
			if made.Kind == joined.Kind && made.As == joined.As {
				return made, k
			}
		}
	}
	return registry.Made{}, nil
}

// named lists the networks and volumes of the project by what they are called without a loom, but for those that the
// settings share. External volumes, which all looms share otherwise, are listed: another project may make them.
func (s *sharing) named() []registry.Made {
	var list []registry.Made
	add := func(kind, key, name string, external bool) {
		if slices.Contains(s.facts.Settings.Container.Share, key) {
			return
		}
		made := registry.Made{Kind: kind, Key: key, Name: name, As: s.base.Project.Name + "_" + key}
		if made.Default = !external && name == made.As; made.Default {
			made.Name = s.facts.Found.BaseName() + "_" + key
		}
		list = append(list, made)
	}
	for _, key := range slices.Sorted(maps.Keys(s.base.Project.Networks)) {
		n := s.base.Project.Networks[key]
		add("networks", key, n.Name, bool(n.External))
		if last := len(list) - 1; last >= 0 && list[last].Key == key {
			for _, pool := range overrides.FixedSubnets(s.base.Project, key) {
				list[last].Pools = append(list[last].Pools, pool.String())
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.base.Project.Volumes)) {
		v := s.base.Project.Volumes[key]
		add("volumes", key, v.Name, bool(v.External))
	}
	return list
}

// makes lists what the project makes for its loom.
func (s *sharing) makes() []registry.Made {
	in := s.input()
	return slices.DeleteFunc(s.named(), func(m registry.Made) bool {
		_, joined := in.Join[[2]string{m.Kind, m.Key}]
		return joined || s.isExternalVolume(m) && !slices.Contains(in.Isolate, m.Key)
	})
}

// decide decides who makes a network or volume that others name too.
func (s *sharing) decide(own registry.Made) {
	others := s.others(own)
	isOwn := s.isMadeHere(own)
	switch {
	case len(others) == 0 && !isOwn:
		return
	case own.Kind == "volumes" && s.facts.Engine.Volumes == nil:
		s.needs.Volumes = true
		return
	case own.Kind == "networks" && s.facts.Engine.Networks == nil:
		s.needs.Networks = true
		return
	}
	isThere := func(other registry.Made) bool { return s.exists(own.Kind, other.As) }
	switch at := slices.IndexFunc(others, isThere); {
	case s.exists(own.Kind, own.As) && (isOwn || !s.isExternalVolume(own)):
		// It stays: containers of the project are on it.
		s.isolate(own)
	case at >= 0:
		own.As = others[at].As
		s.joined = append(s.joined, own)
	default:
		s.isolate(own)
	}
}

// others lists what other projects of the loom make and mean by it. For a project that is new to the loom, those of
// other folders count too, which are not the loom's yet and have made nothing.
func (s *sharing) others(own registry.Made) []registry.Made {
	var others []registry.Made
	for _, k := range siblings(s.facts.State, &s.Entry) {
		others = append(others, k.Makes...)
	}
	if s.isExternalVolume(own) && s.facts.Target.Known == nil {
		s.needs.Elsewhere = s.facts.Elsewhere == nil
		others = append(others, s.facts.Elsewhere...)
	}
	return slices.DeleteFunc(others, func(m registry.Made) bool { return !own.Means(m) })
}

// isMadeHere reports whether the project makes an external volume in the place of another that was not there.
func (s *sharing) isMadeHere(own registry.Made) bool {
	k := s.facts.Target.Known
	return s.isExternalVolume(own) && k != nil && slices.ContainsFunc(k.Makes, func(m registry.Made) bool {
		return m.Kind == own.Kind && m.As == own.As
	})
}

// isolate lets the project make an external volume.
func (s *sharing) isolate(own registry.Made) {
	if s.isExternalVolume(own) {
		s.isolated = append(s.isolated, own.Key)
	}
}

func (s *sharing) isExternalVolume(m registry.Made) bool {
	return m.Kind == "volumes" && bool(s.base.Project.Volumes[m.Key].External)
}

// exists reports whether the engine has a network or volume.
func (s *sharing) exists(kind, name string) bool {
	if kind == "volumes" {
		return slices.Contains(s.facts.Engine.Volumes, name)
	}
	return slices.ContainsFunc(s.facts.Engine.Networks, func(n engine.Network) bool { return n.Name == name })
}

// subnets are the leased subnets of the project's networks, also of those that other projects make, by its own keys.
func (s *sharing) subnets() map[string][]netip.Prefix {
	all := map[string][]string{}
	for _, joined := range s.joined {
		if made, k := s.madeBy(joined); k != nil && joined.Kind == "networks" {
			all[joined.Key] = k.Subnets[made.Key]
		}
	}
	maps.Copy(all, s.Entry.Subnets)
	return registry.Prefixes(all)
}

// closing says which of the project's networks are closed while the loom is confined.
func (s *sharing) closing() overrides.Closing {
	c := overrides.Closing{Share: s.facts.Settings.Container.Share}
	subnets := s.subnets()
	for _, joined := range s.joined {
		if joined.Kind == "networks" {
			c.Joined = append(c.Joined, joined.Key)
			for _, subnet := range subnets[joined.Key] {
				c.Direct = append(c.Direct, subnet.String())
			}
		}
	}
	c.Direct = append(c.Direct, s.servicesBeside()...)
	return c
}

// servicesBeside are the services of the loom's other projects that are on networks of this one.
func (s *sharing) servicesBeside() []string {
	var names []string
	for _, k := range siblings(s.facts.State, &s.Entry) {
		for _, c := range s.facts.Engine.Project(k.Project) {
			if c.Service != EgressService && slices.ContainsFunc(c.Networks, s.isOnNetwork) {
				names = append(names, c.Service)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isOnNetwork reports whether the project is on a network of this name, which the loom's projects may share.
func (s *sharing) isOnNetwork(name string) bool {
	isNamed := func(m registry.Made) bool { return m.Kind == "networks" && m.As == name }
	return slices.ContainsFunc(s.Entry.Makes, isNamed) || slices.ContainsFunc(s.joined, isNamed)
}
