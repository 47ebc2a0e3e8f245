package loom

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// up is what the engine has when the plan was carried out: every service runs and publishes what it should.
func up(p *Plan) []worldtest.Container {
	var list []worldtest.Container
	for name, s := range p.Project.Services {
		c := worldtest.Container{
			Name: p.Project.Name + "-" + name + "-1", Project: p.Project.Name, Service: name,
			Labels: map[string]string{engine.LabelLoom: p.ID, engine.LabelRepo: p.Repository, stack.LabelWorkingDir: p.Entry.Dir},
		}
		for _, port := range s.Ports {
			c.Published = append(c.Published, fmt.Sprintf("%s:%s:%d/%s", port.HostIP, port.Published, port.Target, port.Protocol))
		}
		list = append(list, c)
	}
	return list
}

func stopped(list []worldtest.Container) []worldtest.Container {
	for i := range list {
		list[i].State, list[i].Status = "exited", "Exited (0) 1 second ago"
	}
	return list
}

func stranger(published string) worldtest.Container {
	return worldtest.Container{Name: "stranger", Published: []string{published}}
}

func TestALoomKeepsItsLeasesForLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{})), []int{4123, 8203})
	w.Write(strings.Replace(worldtest.Shop, `["8080:80"]`, `["8080:80", "9090:90"]`, 1), "shop", "compose.yaml")
	w.Run(stranger("0.0.0.0:9213:1/tcp"))
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{})), []int{4123, 8203, 9214}) // a port that was added goes alone
	w.Write(worldtest.Shop, "shop", "compose.yaml")
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{})), []int{4123, 8203, 9214})
	assert.Equal(t, w.State().Find(repo, "123").Offset, 123)
}

func TestANewLoomGoesWhereNobodyIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		held []worldtest.Container
		know []registry.Loom
		want []int
	}{
		{"nobody", nil, nil, []int{4123, 8203}},
		{"another project's container", []worldtest.Container{stranger("0.0.0.0:8203:1/tcp")}, nil, []int{5123, 9203}},
		{"a stopped one", stopped([]worldtest.Container{stranger("0.0.0.0:8203:1/tcp")}), nil, []int{5123, 9203}},
		{"another protocol", []worldtest.Container{stranger("0.0.0.0:8203:1/udp")}, nil, []int{4123, 8203}},
		{"another loom's lease", nil, []registry.Loom{{ID: "1", Repository: "/other", Project: "p", Ports: []ports.Lease{{Protocol: "tcp", Base: 1, Count: 1, Host: 4123}}}}, []int{5123, 9203}},
		{"a lease on another engine", nil, []registry.Loom{{ID: "1", Repository: "/other", Project: "p", Space: "x", Ports: []ports.Lease{{Protocol: "tcp", Base: 1, Count: 1, Host: 4123}}}}, []int{4123, 8203}},
	} {
		w := newWorld(t, worldtest.Remote)
		repo := w.Repo("shop")
		w.Run(tc.held...)
		w.Know(tc.know...)
		assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{})), tc.want)
	}
}

func TestALeaseHeldByAStranger(t *testing.T) {
	t.Parallel()
	five := 5
	for _, tc := range []struct {
		name    string
		offset  *int
		own     func(*Plan) []worldtest.Container
		want    []int
		failure string
	}{
		{name: "moves the loom whole if nothing of it runs", own: func(p *Plan) []worldtest.Container { return stopped(up(p)) }, want: []int{5123, 9203}},
		{name: "moves the loom whole if nothing of it is there", own: func(*Plan) []worldtest.Container { return nil }, want: []int{5123, 9203}},
		{name: "is an error if a part of the loom runs", own: func(p *Plan) []worldtest.Container {
			for _, c := range up(p) {
				if c.Service == "api" {
					return []worldtest.Container{c}
				}
			}
			return nil
		}, failure: "port 8203/tcp, leased to this loom, is held by container stranger"},
		{
			name: "is an error if the offset is pinned", offset: &five, own: func(p *Plan) []worldtest.Container { return stopped(up(p)) },
			failure: "port 8085/tcp of service web is held by container stranger",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			repo := w.Repo("shop")
			p := w.mustPlan(repo, "123", Options{Offset: tc.offset})
			w.Run(append(tc.own(p), stranger("0.0.0.0:"+strconv.Itoa(hostPorts(p)[1])+":1/tcp"))...)
			for _, dry := range []bool{true, false} {
				moved, err := w.plan(repo, "123", Options{DryRun: dry})
				if tc.failure != "" {
					assert.Error(t, err, tc.failure)
					assert.DeepEqual(t, w.State().Find(repo, "123").Ports, p.Entry.Ports)
					continue
				}
				assert.NilError(t, err)
				assert.DeepEqual(t, hostPorts(moved), tc.want)
				assert.Equal(t, moved.Findings[0].String(), "warning: port 8203/tcp: is held by container stranger: the loom moves to other ports")
			}
		})
	}
}

func TestALoomThatIsUpAsksForNoMoreThanItsOwnContainers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	p := w.mustPlan(repo, "123", Options{})
	w.Run(up(p)...)
	before := len(w.Requests())
	again := w.mustPlan(repo, "123", Options{})
	assert.DeepEqual(t, again.Entry, p.Entry)
	for _, r := range w.Requests()[before:] {
		assert.Assert(t, r == "GET /info" || r == "GET /containers/json", r)
	}
}

func TestAPausedLoomIsNotItsOwnStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	// The listener is the engine's proxy.
	port := l.Addr().(*net.TCPAddr).Port
	own := worldtest.Container{Name: "web", Project: "p", Service: "web", State: "paused", Status: "Up 1 second (Paused)", Published: []string{fmt.Sprintf("0.0.0.0:%d:80/tcp", port)}}
	w.Run(own)
	all, err := w.looms.world(t.Context(), "p")
	assert.NilError(t, err)
	lease := ports.Lease{Protocol: "tcp", Count: 1, Host: port}
	holder, taken := all.holder(lease)
	assert.Assert(t, !taken, holder)
	all, err = w.looms.world(t.Context(), "q")
	assert.NilError(t, err)
	holder, _ = all.holder(lease)
	assert.Equal(t, holder, "container web")
	w.Run()
	all, err = w.looms.world(t.Context(), "p")
	assert.NilError(t, err)
	holder, _ = all.holder(lease)
	assert.Equal(t, holder, fmt.Sprintf("a program of this host that listens on port %d", port))
}

func TestAPinnedOffsetIsTheOnlyOneTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Run(stranger("0.0.0.0:8085:1/tcp"))
	five, six, zero := 5, 6, 0
	_, err := w.plan(repo, "123", Options{Offset: &five})
	var taken *ports.TakenError
	assert.Assert(t, errors.As(err, &taken), "%v", err)
	assert.Assert(t, w.State().Find(repo, "123") == nil, "what failed leased nothing")
	p := w.mustPlan(repo, "123", Options{Offset: &six})
	assert.DeepEqual(t, hostPorts(p), []int{4006, 8086})
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{})), []int{4006, 8086})
	w.Run(up(p)...)
	assert.DeepEqual(t, hostPorts(w.mustPlan(repo, "123", Options{Offset: &zero})), []int{4000, 8080}) // a loom that runs moves too
	assert.Equal(t, w.State().Find(repo, "123").Offset, 0)
}

func TestMainNeedsItsBasePortsFree(t *testing.T) {
	t.Parallel()
	const profiled = "services:\n  web: {image: nginx, ports: ['8080:80']}\n  debug: {image: nginx, ports: ['9999:99'], profiles: [debug]}\n"
	for _, tc := range []struct {
		name  string
		own   func([]worldtest.Container) []worldtest.Container
		held  string
		taken string
	}{
		{"nobody has them", func([]worldtest.Container) []worldtest.Container { return nil }, "0.0.0.0:1234:1/tcp", ""},
		{"a stranger has one", func([]worldtest.Container) []worldtest.Container { return nil }, "0.0.0.0:8080:1/tcp", "port 8080/tcp of service web is held by container stranger"},
		{"one that no active profile wants", func([]worldtest.Container) []worldtest.Container { return nil }, "0.0.0.0:9999:1/tcp", ""},
		{"it runs itself", func(own []worldtest.Container) []worldtest.Container { return own }, "0.0.0.0:1234:1/tcp", ""},
		{"taken while it was stopped", stopped, "0.0.0.0:8080:1/tcp", "port 8080/tcp of service web is held by container stranger"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			w.Write(profiled, "shop", "compose.yaml")
			dir := w.Path("shop")
			p := w.mustPlan(dir, Main, Options{})
			w.Run(append(tc.own(up(p)), stranger(tc.held))...)
			_, err := w.plan(dir, Main, Options{})
			if tc.taken == "" {
				assert.NilError(t, err)
				return
			}
			assert.Error(t, err, tc.taken)
		})
	}
}

func TestMainNamesAProgramOfTheHostThatHasItsPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	w.Write(fmt.Sprintf("services:\n  web: {image: nginx, ports: ['%d:80']}\n", port), "shop", "compose.yaml")
	_, err = w.plan(w.Path("shop"), Main, Options{})
	assert.Error(t, err, fmt.Sprintf("port %d/tcp of service web is held by a program of this host that listens on port %d", port, port))
}

func TestALoomIsLeasedAnewOnAnotherEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Know(
		registry.Loom{
			ID: "123", Repository: repo, Project: "p", WorkTree: repo, Dir: repo, Offset: 123, Space: "far",
			Ports: []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 8203}, {Protocol: "tcp", Base: 4000, Count: 1, Host: 4123}},
		},
		registry.Loom{ID: "1", Repository: "/other", Project: "q", Ports: []ports.Lease{{Protocol: "tcp", Base: 1, Count: 1, Host: 8203}}},
	)
	p := w.mustPlan(repo, "123", Options{})
	assert.DeepEqual(t, hostPorts(p), []int{5123, 9203})
	assert.Equal(t, w.State().Find(repo, "123").Space, worldtest.RemoteSpace)
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
	p := &Plan{Target: &Target{ID: "123"}}
	p.Entry.ID = "123"
	adoptPorts(p, own, want)
	assert.DeepEqual(t, p.Entry.Ports, []ports.Lease{
		{Protocol: "tcp", Base: 8080, Count: 1, Host: 8203},
		{Protocol: "tcp", IP: "127.0.0.1", Base: 8081, Count: 1, Host: 8204},
		{Protocol: "udp", Base: 53, Count: 1, Host: 8176},
	})
	kept := []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 1}}
	p.Entry.Ports = kept
	adoptPorts(p, own, want)
	assert.DeepEqual(t, p.Entry.Ports, kept)
}

func TestALoomWhoseLeasesAreLostTakesItsNetworksSubnets(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix
	networks := []overrides.Network{{Key: "default", Pools: []overrides.Pool{{Bits: 24}}}, {Key: "two", Pools: []overrides.Pool{{Bits: 24}, {Bits: 64, IPv6: true}}}}
	have := func(project, key string, subnets ...netip.Prefix) engine.Network {
		return engine.Network{Labels: map[string]string{stack.LabelProject: project, stack.LabelNetwork: key}, Subnets: subnets}
	}
	w := &world{networks: []engine.Network{have("q", "default", prefix("10.0.0.0/24")), have("p", "default", prefix("10.1.0.0/24")), have("p", "two", prefix("10.2.0.0/24"))}}
	p := &Plan{Target: &Target{}}
	p.Entry.Project = "p"
	adoptSubnets(p, networks, w)
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
	w := &world{routes: []netip.Prefix{prefix("10.200.1.0/24")}, networks: []engine.Network{{Subnets: []netip.Prefix{prefix("10.200.2.0/24")}}}}
	e := &registry.Loom{ID: "3", Repository: "/r", Space: "local"}
	assert.NilError(t, subnets(e, two, []string{"10.200.0.0/16"}, w, state))
	assert.DeepEqual(t, e.Subnets, map[string][]string{"a": {"10.200.3.0/24"}, "b": {"10.200.4.0/25", "fd69:6c6f:6f6d::/64"}})

	// They stay, whatever is there now; a network that was added gets another.
	more := append(slices.Clone(two), overrides.Network{Key: "c", Pools: []overrides.Pool{{Bits: 24}}})
	w.networks = append(w.networks, engine.Network{Subnets: []netip.Prefix{prefix("10.200.3.0/24")}})
	assert.NilError(t, subnets(e, more, []string{"10.200.0.0/16"}, w, state))
	assert.DeepEqual(t, e.Subnets, map[string][]string{"a": {"10.200.3.0/24"}, "b": {"10.200.4.0/25", "fd69:6c6f:6f6d::/64"}, "c": {"10.200.5.0/24"}})

	err := subnets(&registry.Loom{ID: "4", Repository: "/r", Space: "local"}, two, []string{"10.200.1.0/24"}, w, state)
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
		{"main needs none", registry.Loom{ID: Main, Subnets: subnet}, true},
		{"no subnet", registry.Loom{ID: "1", Ports: lease}, false},
		{"a subnet too many", registry.Loom{ID: "1", Ports: lease, Subnets: map[string][]string{"default": {"10.1.0.0/24", "10.2.0.0/24"}}}, false},
	} {
		assert.Check(t, complete(tc.e, want, networks) == tc.want, tc.name)
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
		assert.Check(t, held(tc.own, lease) == tc.want, tc.name)
	}
	assert.Assert(t, held([]engine.Container{{}}, nil), "a loom that publishes nothing")

	entry := registry.Loom{ID: "1", WorkTree: "/w", Dir: "/w", Project: "p", Space: "s", Created: t0, Variables: map[string]string{"A": "1"}}
	for name, change := range map[string]func(*registry.Loom){
		"nothing": func(*registry.Loom) {}, "workTree": func(e *registry.Loom) { e.WorkTree = "/x" }, "dir": func(e *registry.Loom) { e.Dir = "/x" },
		"files": func(e *registry.Loom) { e.Files = true }, "space": func(e *registry.Loom) { e.Space = "x" }, "project": func(e *registry.Loom) { e.Project = "x" },
		"pinned": func(e *registry.Loom) { e.Pinned = true }, "variables": func(e *registry.Loom) { e.Variables = map[string]string{"A": "2"} },
	} {
		p := &Plan{Target: &Target{Known: &entry}, Entry: entry}
		change(&p.Entry)
		assert.Check(t, changed(p) == (name != "nothing"), name)
	}
}

func TestLeasesInUseAreThoseOfActiveServices(t *testing.T) {
	t.Parallel()
	want := []ports.Port{{Service: "web", Base: 8080}, {Service: "off", Base: 9090}, {Service: "new", Base: 7070}}
	leases := []ports.Lease{{Base: 8080, Host: 8203}, {Base: 9090, Host: 9213}, {Base: 1, Host: 1}}
	p := &Plan{
		Target: &Target{ID: "1"}, Entry: registry.Loom{Ports: leases},
		base: &stack.Model{Project: &types.Project{Services: types.Services{"web": {}, "new": {}}, DisabledServices: types.Services{"off": {}}}},
	}
	assert.DeepEqual(t, p.active(want), leases[:1])
	p.ID = Main
	assert.DeepEqual(t, p.active(want), []ports.Lease{{Base: 8080, Host: 8080}, {Base: 7070, Host: 7070}})
}
