package overrides

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Joined are the networks and volumes of a project that another project of its loom makes, by kind, networks or
// volumes, and key.
type Joined map[[2]string]JoinedAs

// JoinedAs is what is joined: its name, and for a network the subnets that it has in place of those of its files.
type JoinedAs struct {
	Name  string
	Moved map[netip.Prefix]netip.Prefix
}

// join replaces a network or volume by what another project of the loom makes, and reports whether there is such.
func (b *planner) join(kind, key, name string) bool {
	as, ok := b.in.Join[[2]string{kind, key}]
	if !ok {
		return false
	}
	b.edit(Join{Kind: kind, Key: key, Old: name, New: as.Name})
	if kind == "networks" && len(as.Moved) > 0 {
		maps.Copy(b.moved, as.Moved)
		b.moveAddresses(key)
	}
	b.find(finding.Info, strings.TrimSuffix(kind, "s")+" "+key,
		fmt.Sprintf("%s is %s, which another project of this loom makes", name, as.Name), "")
	return true
}

// Join replaces a network or volume by one that another project of the loom makes.
type Join struct {
	Kind     string // networks or volumes
	Key      string
	Old, New string
}

// Apply leaves nothing of what the files say but that it is used.
func (e Join) Apply(p *types.Project) {
	if e.Kind == "networks" {
		changeNetwork(p, e.Key, func(n *types.NetworkConfig) { *n = types.NetworkConfig{Name: e.New, External: true} })
	} else {
		volume(p, e.Key, func(v *types.VolumeConfig) { *v = types.VolumeConfig{Name: e.New, External: true} })
	}
}

// Render writes it with !override: beside external, Compose takes no other attribute.
func (e Join) Render(d *Document) {
	d.Set(map[string]any{"external": true, "name": e.New}, override, e.Kind, e.Key)
}

func (e Join) String() string {
	return fmt.Sprintf("%s %s: %s → %s of another project of the loom",
		strings.TrimSuffix(e.Kind, "s"), e.Key, e.Old, e.New)
}
