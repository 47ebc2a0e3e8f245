package engine

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
)

func TestBindingsCountStoppedContainers(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/containers/json":
			assert.Check(t, len(labelFilter(t, r)) == 0)
			w.Write([]byte(`[
 {"Id":"run","Names":["/run"],"State":"running","Status":"Up","Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}]},
 {"Id":"stop","Names":["/stop"],"State":"exited","Status":"Exited (0)","Labels":{"com.docker.compose.project":"p"}},
 {"Id":"fresh","Names":["/fresh"],"State":"created","Status":"Created"},
 {"Id":"loop","Names":["/loop"],"State":"restarting","Status":"Restarting (1) 1 second ago"},
 {"Id":"host","Names":["/host"],"State":"exited","Status":"Exited (0)","HostConfig":{"NetworkMode":"host"}},
 {"Id":"gone","Names":["/gone"],"State":"exited","Status":"Exited (0)"}]`))
		case "/containers/stop/json":
			w.Write([]byte(`{"Id":"stop","Name":"/stop","State":{"Status":"exited"},"Config":{"Labels":{"com.docker.compose.project":"p"}},
 "HostConfig":{"PortBindings":{"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}],"80/tcp":[{"HostIp":"","HostPort":""},{"HostPort":"0"}],"9/tcp":null}}}`))
		case "/containers/fresh/json":
			w.Write([]byte(`{"Id":"fresh","Name":"/fresh","State":{"Status":"created"},"HostConfig":{"PortBindings":{"9100/tcp":[{"HostIp":"0.0.0.0","HostPort":"9100-9102"},{"HostIp":"::","HostPort":"9100-9102"}]}}}`))
		case "/containers/loop/json":
			w.Write([]byte(`{"Id":"loop","Name":"/loop","State":{"Status":"restarting"},"HostConfig":{"PortBindings":{"1/tcp":[{"HostPort":"7000"}]}}}`))
		case "/containers/gone/json":
			refuse(w, 404, "No such container: gone")
		default:
			t.Errorf("unexpected request %s", r.URL.Path)
		}
	})
	got, err := e.Bindings(t.Context())
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []Binding{
		{IP: "127.0.0.1", Protocol: "udp", Port: 5353, Container: "stop", Project: "p", State: "exited"},
		{Protocol: "tcp", Port: 7000, Container: "loop", State: "restarting"},
		{Protocol: "tcp", Port: 8080, Container: "run", State: "running"},
		{Protocol: "tcp", Port: 9100, Container: "fresh", State: "created"},
		{Protocol: "tcp", Port: 9101, Container: "fresh", State: "created"},
		{Protocol: "tcp", Port: 9102, Container: "fresh", State: "created"},
	})
}

func TestBindingsInspectAtMostSixteenAtOnce(t *testing.T) {
	t.Parallel()
	var (
		mu       sync.Mutex
		now, top int
		full     = make(chan struct{})
	)
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/json" {
			var list []string
			for i := range 5 * inspects {
				list = append(list, fmt.Sprintf(`{"Id":"c%d","State":"created"}`, i))
			}
			w.Write([]byte("[" + strings.Join(list, ",") + "]"))
			return
		}
		mu.Lock()
		now++
		if now > top {
			if top = now; top == inspects {
				close(full)
			}
		}
		mu.Unlock()
		// All wait until as many as may come are here.
		select {
		case <-full:
		case <-t.Context().Done():
		}
		w.Write([]byte(`{"Id":"c"}`))
		mu.Lock()
		now--
		mu.Unlock()
	})
	_, err := e.Bindings(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, top, inspects)
}

func TestBindingsErrorNamesTheContainer(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/json" {
			w.Write([]byte(`[{"Id":"x","Names":["/db"],"State":"exited"}]`))
			return
		}
		refuse(w, 500, "boom")
	})
	_, err := e.Bindings(t.Context())
	assert.ErrorContains(t, err, "host ports of container db: ")
}

func TestHostPortTextIsAPortARangeOrNone(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][2]int{
		"8080": {8080, 8080}, "9100-9110": {9100, 9110}, "65535": {65535, 65535},
		"": {1, 0}, "0": {1, 0}, "x": {1, 0}, "65536": {1, 0}, "5-x": {1, 0}, "-1": {1, 0},
	} {
		first, last := hostPorts(s)
		assert.Check(t, [2]int{first, last} == want, "%q gave %d-%d", s, first, last)
	}
	first, last := hostPorts("20-10")
	assert.Check(t, first > last)
}
