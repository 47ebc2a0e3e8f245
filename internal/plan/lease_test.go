package plan

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan/occupied"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// surveyor reads what the machine has.
func surveyor(w *worldtest.World) *survey.Surveyor {
	return &survey.Surveyor{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry, UserSettings: w.UserSettings(), Teller: w.Teller(),
		Process: host.Current(),
	}
}

// holderOf looks at the machine and says who holds a port that is leased to a project.
func holderOf(w *worldtest.World, project string, lease ports.Lease) (string, bool) {
	w.T.Helper()
	s, f := surveyor(w), &survey.Facts{}
	f.Host.Local, f.Host.Listening = w.Engine.Local(), map[ports.Lease]survey.Listener{}
	assert.NilError(w.T, s.Observe(w.T.Context(), f))
	for range 3 {
		var needs survey.Needs
		if known, ok := occupied.PortsOf(f, project, &needs); ok {
			holder, taken := known.Holder(lease)
			if needs.Empty() {
				return holder, taken
			}
		}
		assert.NilError(w.T, s.Complete(w.T.Context(), f, needs))
	}
	w.T.Fatal("the facts never suffice")
	return "", false
}

func TestAPausedLoomIsNotItsOwnStranger(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Local)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	// The listener is the engine's proxy.
	port := l.Addr().(*net.TCPAddr).Port
	own := worldtest.Container{Name: "web", Project: "p", Service: "web", State: "paused", Status: "Up 1 second (Paused)", Published: []string{fmt.Sprintf("0.0.0.0:%d:80/tcp", port)}}
	w.Run(own)
	lease := ports.Lease{Protocol: "tcp", Count: 1, Host: port}
	holder, taken := holderOf(w, "p", lease)
	assert.Assert(t, !taken, holder)
	holder, _ = holderOf(w, "q", lease)
	assert.Equal(t, holder, "container web")
	w.Run()
	holder, _ = holderOf(w, "p", lease)
	assert.Assert(t, strings.HasPrefix(holder, fmt.Sprintf("a program of this host that listens on port %d", port)), holder)
}

func TestALoomWhoseLeasesAreLostTakesWhatItsContainersHave(t *testing.T) {
	t.Parallel()
	want := []ports.Port{
		{Service: "web", Target: 80, Protocol: "tcp", Base: 8080, Count: 1},
		{Service: "web", Target: 80, Protocol: "tcp", HostIP: "127.0.0.1", Base: 8081, Count: 1},
		{Service: "web", Target: 53, Protocol: "udp", Base: 53, Count: 1},
		{Service: "web", Target: 9000, Protocol: "tcp", Base: 9000, Count: 3},
		{Service: "db", Target: 80, Protocol: "tcp", Base: 5432, Count: 1},
	}
	own := []engine.Container{{Service: "web", Published: []engine.Published{
		{Target: 53, Protocol: "udp", Host: 8176},
		{Target: 80, Protocol: "tcp", Host: 8203},
		{Target: 80, Protocol: "tcp", HostIP: "127.0.0.1", Host: 8204},
		{Target: 81, Protocol: "tcp", Host: 7777},
		{Target: 9000, Protocol: "tcp", Host: 9123},
	}}}
	p := &maker{Plan: &Plan{ID: "123", Entry: registry.Loom{ID: "123"}, WantedPorts: want}}
	leasing{p}.adoptPorts(own)
	assert.DeepEqual(t, p.Entry.Ports, []ports.Lease{
		{Protocol: "tcp", Base: 8080, Count: 1, Host: 8203},
		{Protocol: "tcp", IP: "127.0.0.1", Base: 8081, Count: 1, Host: 8204},
		{Protocol: "udp", Base: 53, Count: 1, Host: 8176},
	})
	kept := []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 1}}
	p.Entry.Ports = kept
	leasing{p}.adoptPorts(own)
	assert.DeepEqual(t, p.Entry.Ports, kept)
}

func TestALoomWhoseLeasesAreLostTakesItsNetworksSubnets(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix
	networks := []overrides.Network{{Key: "default", Pools: []overrides.Pool{{Bits: 24}}}, {Key: "two", Pools: []overrides.Pool{{Bits: 24}, {Bits: 64, IPv6: true}}}}
	have := func(project, key string, subnets ...netip.Prefix) engine.Network {
		return engine.Network{Labels: map[string]string{stack.LabelProject: project, stack.LabelNetwork: key}, Subnets: subnets}
	}
	f := &survey.Facts{Engine: survey.Engine{Networks: []engine.Network{have("q", "default", prefix("10.0.0.0/24")), have("p", "default", prefix("10.1.0.0/24")), have("p", "two", prefix("10.2.0.0/24"))}}}
	p := &maker{facts: f, Plan: &Plan{Entry: registry.Loom{Project: "p"}, WantedNetworks: networks}}
	leasing{p}.adoptSubnets()
	assert.DeepEqual(t, p.Entry.Subnets, map[string][]string{"default": {"10.1.0.0/24"}})
}

func TestSubnetsAreClearOfEverything(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix
	two := []overrides.Network{{Key: "a", Pools: []overrides.Pool{{Bits: 24}}}, {Key: "b", Pools: []overrides.Pool{{Bits: 25}, {Bits: 64, IPv6: true}}}}
	state := &registry.State{Looms: []*registry.Loom{
		{ID: "1", Repository: "/r", Space: "local", Subnets: map[string][]string{"x": {"10.200.0.0/24"}}},
		{ID: "2", Repository: "/r", Space: "far", Subnets: map[string][]string{"x": {"10.200.3.0/24"}}},
	}}
	f := &survey.Facts{State: state, Settings: &settings.Settings{}}
	f.Host.Routes = []netip.Prefix{prefix("10.200.1.0/24")}
	f.Engine.Networks = []engine.Network{{Subnets: []netip.Prefix{prefix("10.200.2.0/24")}}}
	subnets := func(e *registry.Loom, networks []overrides.Network, pool string) (err error) {
		f.Settings.Container.AddressPool = []string{pool}
		e.Subnets, err = occupied.Subnets(f, e, networks)
		return err
	}
	e := &registry.Loom{ID: "3", Repository: "/r", Space: "local"}
	assert.NilError(t, subnets(e, two, "10.200.0.0/16"))
	assert.DeepEqual(t, e.Subnets, map[string][]string{"a": {"10.200.3.0/24"}, "b": {"10.200.4.0/25", "fd69:6c6f:6f6d::/64"}})

	// They stay, whatever is there now; a network that was added gets another.
	more := append(slices.Clone(two), overrides.Network{Key: "c", Pools: []overrides.Pool{{Bits: 24}}})
	f.Engine.Networks = append(f.Engine.Networks, engine.Network{Subnets: []netip.Prefix{prefix("10.200.3.0/24")}})
	assert.NilError(t, subnets(e, more, "10.200.0.0/16"))
	assert.DeepEqual(t, e.Subnets, map[string][]string{"a": {"10.200.3.0/24"}, "b": {"10.200.4.0/25", "fd69:6c6f:6f6d::/64"}, "c": {"10.200.5.0/24"}})

	err := subnets(&registry.Loom{ID: "4", Repository: "/r", Space: "local"}, two, "10.200.1.0/24")
	assert.ErrorContains(t, err, "network a: no free subnet of length /24 in the address pool [10.200.1.0/24]")
	assert.ErrorContains(t, err, "container.addressPool in the settings")
}

func TestALoomIsLeftAloneOnlyWhereNothingIsMissing(t *testing.T) {
	t.Parallel()
	want := []ports.Port{{Service: "web", Protocol: "tcp", Base: 8080, Count: 1}}
	networks := []overrides.Network{{Key: "default", Pools: []overrides.Pool{{Bits: 24}}}}
	lease := []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 8203}}
	subnet := map[string][]string{"default": {"10.1.0.0/24"}}
	for _, tc := range []struct {
		name string
		e    registry.Loom
		want bool
	}{
		{"all there", registry.Loom{ID: "1", Ports: lease, Subnets: subnet}, true},
		{"no lease", registry.Loom{ID: "1", Subnets: subnet}, false},
		{"main needs none", registry.Loom{ID: identity.Main, Subnets: subnet}, true},
		{"no subnet", registry.Loom{ID: "1", Ports: lease}, false},
		{"a subnet too many", registry.Loom{ID: "1", Ports: lease, Subnets: map[string][]string{"default": {"10.1.0.0/24", "10.2.0.0/24"}}}, false},
	} {
		assert.Check(t, Complete(tc.e, want, networks) == tc.want, tc.name)
	}

	published := []engine.Published{{Target: 80, Protocol: "tcp", Host: 8203}}
	for _, tc := range []struct {
		name string
		own  []engine.Container
		want bool
	}{
		{"nothing runs", nil, false},
		{"it publishes all", []engine.Container{{Published: published}}, true},
		{"another address", []engine.Container{{Published: []engine.Published{{Target: 80, Protocol: "tcp", HostIP: "127.0.0.1", Host: 8203}}}}, true},
		{"another protocol", []engine.Container{{Published: []engine.Published{{Target: 80, Protocol: "udp", Host: 8203}}}}, false},
		{"it is stopped", []engine.Container{{}}, false},
	} {
		assert.Check(t, publishesAll(tc.own, lease) == tc.want, tc.name)
	}
	assert.Assert(t, publishesAll([]engine.Container{{}}, nil), "a loom that publishes nothing")

	entry := registry.Loom{ID: "1", WorkTree: "/w", Dir: "/w", Project: "p", Space: "s", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Variables: map[string]string{"A": "1"}}
	for name, change := range map[string]func(*registry.Loom){
		"nothing": func(*registry.Loom) {}, "workTree": func(e *registry.Loom) { e.WorkTree = "/x" }, "dir": func(e *registry.Loom) { e.Dir = "/x" },
		"files": func(e *registry.Loom) { e.Files = true }, "space": func(e *registry.Loom) { e.Space = "x" }, "project": func(e *registry.Loom) { e.Project = "x" },
		"pinned": func(e *registry.Loom) { e.Pinned = true }, "variables": func(e *registry.Loom) { e.Variables = map[string]string{"A": "2"} },
	} {
		p := &maker{facts: &survey.Facts{Target: &survey.Target{Known: &entry}}, Plan: &Plan{Entry: entry}}
		change(&p.Entry)
		assert.Check(t, leasing{p}.entryChanged() == (name != "nothing"), name)
	}
}

func TestLeasesInUseAreThoseOfActiveServices(t *testing.T) {
	t.Parallel()
	want := []ports.Port{{Service: "web", Base: 8080}, {Service: "off", Base: 9090}, {Service: "new", Base: 7070}}
	leases := []ports.Lease{{Base: 8080, Host: 8203}, {Base: 9090, Host: 9213}, {Base: 1, Host: 1}}
	p := &Plan{
		ID: "1", Entry: registry.Loom{Ports: leases}, WantedPorts: want,
		Base: Base{Project: &types.Project{Services: types.Services{"web": {}, "new": {}}, DisabledServices: types.Services{"off": {}}}},
	}
	assert.DeepEqual(t, p.ActiveLeases(), leases[:1])
	p.ID = identity.Main
	assert.DeepEqual(t, p.ActiveLeases(), []ports.Lease{{Base: 8080, Host: 8080}, {Base: 7070, Host: 7070}})
}
