package loom

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
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
	assert.ErrorContains(t, err, fmt.Sprintf("port %d/tcp of service web is held by a program of this host that listens on port %d", port, port))
	if runtime.GOOS == "linux" {
		assert.ErrorContains(t, err, fmt.Sprintf(" (%d)", os.Getpid()))
	}
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
