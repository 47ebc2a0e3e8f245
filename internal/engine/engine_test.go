package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"gotest.tools/v3/assert"
)

var versioned = regexp.MustCompile(`^/v[0-9.]+`)

// fake returns an Engine at API 1.41 whose daemon answers with h; the API version
// is cut off the paths.
func fake(t *testing.T, h http.HandlerFunc) *Engine {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = versioned.ReplaceAllString(r.URL.Path, "")
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	return at(t, "tcp://"+srv.Listener.Addr().String())
}

func at(t *testing.T, host string) *Engine {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost(host), client.WithVersion("1.41"))
	assert.NilError(t, err)
	t.Cleanup(func() { api.Close() })
	return New(api, "default")
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func labelFilter(t *testing.T, r *http.Request) []string {
	t.Helper()
	args, err := filters.FromJSON(r.URL.Query().Get("filters"))
	assert.Check(t, err)
	return args.Get("label")
}

func TestCheckPassesWhenTheEngineAnswers(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Check(t, r.URL.Path == "/_ping")
	})
	assert.NilError(t, e.Check(t.Context()))
}

func TestCheckNamesSocketContextAndCause(t *testing.T) {
	t.Parallel()
	host := "unix:///nowhere/docker.sock"
	err := at(t, host).Check(t.Context())
	var u *Unreachable
	assert.Assert(t, errors.As(err, &u))
	assert.Equal(t, u.Host, host)
	assert.Equal(t, u.Context, "default")
	assert.ErrorContains(t, err, "no Docker engine answers at unix:///nowhere/docker.sock (context default): ")
	assert.Equal(t, strings.Count(err.Error(), "/nowhere/docker.sock"), 1, err.Error())
}

func TestCheckSaysConnectionRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	addr := l.Addr().String()
	l.Close()
	err = at(t, "tcp://"+addr).Check(t.Context())
	assert.ErrorContains(t, err, "no Docker engine answers at tcp://"+addr)
	assert.ErrorContains(t, err, "refused")
}

func TestCheckReportsAServerThatIsNoEngine(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	var u *Unreachable
	assert.Assert(t, errors.As(e.Check(t.Context()), &u))
}

func TestCheckGivesUpOnASilentHost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	start := time.Now()
	err = at(t, "tcp://"+l.Addr().String()).Check(t.Context())
	took := time.Since(start)
	assert.ErrorContains(t, err, "(context default): no answer within 2s")
	assert.Assert(t, took < 2*defaultPatience, took)
}

func TestCheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, at(t, "tcp://"+l.Addr().String()).Check(ctx), context.Canceled)
}

func TestLocalAndHostNameFollowTheEndpoint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		host  string
		local bool
		name  string
	}{
		{"unix:///var/run/docker.sock", true, "localhost"},
		{"unix:///home/me/.docker/desktop/docker.sock", true, "localhost"},
		{"npipe:////./pipe/docker_engine", true, "localhost"},
		{"fd://", true, "localhost"},
		{"tcp://127.0.0.1:2375", true, "localhost"},
		{"tcp://127.9.9.9:2375", true, "localhost"},
		{"tcp://localhost:2375", true, "localhost"},
		{"tcp://[::1]:2376", true, "localhost"},
		{"tcp://0.0.0.0:2375", true, "localhost"},
		{"tcp://:2375", true, "localhost"},
		{"http://127.0.0.1:2375", true, "localhost"},
		{"tcp://docker:2376", false, "docker"},
		{"tcp://10.1.2.3:2376", false, "10.1.2.3"},
		{"tcp://[2001:db8::1]:2376", false, "2001:db8::1"},
		{"ssh://me@build.example.org:2222", false, "build.example.org"},
		{"ssh://box", false, "box"},
		{"ssh://localhost", false, "localhost"},
	} {
		e := &Engine{host: tc.host}
		assert.Check(t, e.Local() == tc.local, tc.host)
		assert.Check(t, e.HostName() == tc.name, "%s: %s", tc.host, e.HostName())
	}
}

func TestEndpointReplacesTheClientsPlaceholder(t *testing.T) {
	t.Parallel()
	api, err := client.NewClientWithOpts(client.WithHost("http://docker.example.com"))
	assert.NilError(t, err)
	t.Cleanup(func() { api.Close() })
	assert.Equal(t, New(api, "remote", Endpoint("ssh://me@box")).HostName(), "box")
	assert.Equal(t, New(api, "remote", Endpoint("")).HostName(), "docker.example.com")
}

func TestSpaceIsLocalWithoutARequestElseTheEnginesID(t *testing.T) {
	t.Parallel()
	id := "8c3b7c5e"
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Check(t, r.URL.Path == "/info")
		reply(w, map[string]string{"ID": id, "ServerVersion": "library-import"})
	})
	local := New(nilRequests(t), "default")
	s, err := local.Space(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, s, "local")

	e.host = "tcp://build.example.org:2376"
	s, err = e.Space(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, s, id)

	id = ""
	_, err = e.Space(t.Context())
	assert.ErrorContains(t, err, "it has no ID")
}

// nilRequests is a client that fails the test when it is asked anything.
func nilRequests(t *testing.T) client.APIClient {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost("tcp://127.0.0.1:1"), client.WithVersion("1.41"),
		client.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			t.Errorf("unexpected request %s %s", r.Method, r.URL)
			return nil, errors.New("unexpected")
		})}))
	assert.NilError(t, err)
	return api
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
