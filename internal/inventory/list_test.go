package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestNumbersComeBeforeNamesAndByTheirValue(t *testing.T) {
	t.Parallel()
	ids := []string{"main", "123", "9", "pr/45", "12", "ENG-3", "feat/x", "5x", "0"}
	slices.SortFunc(ids, natural)
	assert.DeepEqual(t, ids, []string{"0", "9", "12", "123", "5x", "ENG-3", "feat/x", "main", "pr/45"})
}

func TestTheOrderOfIDsIsAnOrder(t *testing.T) {
	t.Parallel()
	id := rapid.StringMatching(`[0-9]{1,3}[x-]?[0-9]?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := id.Draw(t, "a"), id.Draw(t, "b"), id.Draw(t, "c")
		assert.Equal(t, natural(a, b), -natural(b, a))
		assert.Assert(t, natural(a, b) > 0 || natural(b, c) > 0 || natural(a, c) <= 0, "%s %s %s", a, b, c)
		assert.Equal(t, natural(a, b) == 0, a == b)
	})
}

func TestStateIsThatOfAllContainers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	c := func(state string, code int) engine.Container {
		return engine.Container{State: state, ExitCode: code, Created: t0}
	}
	for _, tc := range []struct {
		name       string
		containers []engine.Container
		state      string
		running    int
	}{
		{"none", nil, "down", 0},
		{"all run", []engine.Container{c("running", 0), c("running", 0)}, "running", 2},
		{"a one-shot is done", []engine.Container{c("running", 0), c("exited", 0)}, "running", 1},
		{"one failed", []engine.Container{c("running", 0), c("exited", 1)}, "partial", 1},
		{"one was never started", []engine.Container{c("running", 0), c("created", 0)}, "partial", 1},
		{"none was started", []engine.Container{c("created", 0), c("created", 0)}, "created", 0},
		{"none runs", []engine.Container{c("exited", 0), c("exited", 137)}, "stopped", 0},
		{"a run command's container does not count", []engine.Container{{State: "running", OneOff: true}}, "down", 0},
	} {
		item := Listed{ID: "1"}
		describe(w.looms, &item, engine.Loom{Containers: tc.containers})
		assert.Check(t, item.State == tc.state && item.Running == tc.running, "%s: %s, %d", tc.name, item.State, item.Running)
	}
	item := Listed{}
	describe(w.looms, &item, engine.Loom{Containers: []engine.Container{{State: "running", Created: t0.Add(time.Hour)}, c("running", 0)}})
	assert.Equal(t, item.Created, t0)
}

func TestListShowsWhatRegistryAndEngineKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	labels := func(id, repo string) map[string]string {
		return map[string]string{engine.LabelLoom: id, engine.LabelRepo: repo, engine.LabelWorkTree: "/trees/" + id, engine.LabelOffset: "7"}
	}
	w.Know(
		registry.Loom{ID: "123", Repository: "/b/shop", Project: "p123", WorkTree: "/b/shop", Offset: 123, Created: t0, Ports: []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 8203}}},
		registry.Loom{ID: "9", Repository: "/b/shop", Project: "p9", WorkTree: "/b/shop", Created: t0, Ports: []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 8089}}},
		registry.Loom{ID: identity.Main, Repository: "/b/shop", Project: "shop", WorkTree: "/b/shop", Created: t0},
		registry.Loom{ID: "1", Repository: "/a/shop", Project: "p1", WorkTree: "/a/shop", Created: t0, Space: "far"},
	)
	w.Run(
		worldtest.Container{Name: "p9-web-1", Project: "p9", Service: "web", Labels: labels("9", "/b/shop"), Published: []string{"0.0.0.0:8089:80/tcp"}},
		worldtest.Container{Name: "shop-web-1", Project: "shop", Service: "web"}, // made by plain docker compose
		worldtest.Container{Name: "x", Project: "lost", Service: "web", Labels: labels("7", "/a/shop")},
	)
	list, err := List(t.Context(), w.looms, "")
	assert.NilError(t, err)
	var got []string
	for _, l := range list {
		got = append(got, strings.Join([]string{l.Repository, l.Name(), l.Project, l.State}, " "))
	}
	assert.DeepEqual(t, got, []string{"/a/shop shop/7 lost running", "/b/shop shop/9 p9 running", "/b/shop shop/123 p123 down", "/b/shop shop/main shop running"})
	assert.Equal(t, list[1].Ports[0].URL, "http://192.0.2.1:8089")
	assert.Equal(t, list[2].Ports[0].Published, 8203, "the leases of one that is down")

	w.GoAway()
	list, err = List(t.Context(), w.looms, "")
	assert.Assert(t, worldtest.Unreachable(err), "%v", err)
	assert.Equal(t, len(list), 4, "promises are known without an engine, those on others too")
	for _, l := range list {
		assert.Equal(t, l.State, "unknown")
		assert.Assert(t, l.Ports != nil)
	}
}

func TestPsPrintsTheStableDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	repo := w.Repo("shop")
	w.Know(registry.Loom{ID: "9", Repository: repo, Project: "p9", WorkTree: repo, Ports: []ports.Lease{{Protocol: "tcp", Base: 8080, Count: 1, Host: 8089}}})
	w.Run(
		worldtest.Container{Name: "p9-web-1", Project: "p9", Service: "web", Published: []string{"0.0.0.0:8089:80/tcp", ":::8089:80/tcp"}, State: "running", Status: "Up 1 second (healthy)"},
		worldtest.Container{Name: "p9-once-1", Project: "p9", Service: "once", State: "exited", Status: "Exited (3) 1 second ago"},
		worldtest.Container{Name: "p9-web-run-1", Project: "p9", Service: "web", Labels: map[string]string{"com.docker.compose.oneoff": "True"}},
	)
	r, err := Ps(t.Context(), w.looms, in(repo, "9"))
	assert.NilError(t, err)
	b, err := json.Marshal(r)
	assert.NilError(t, err)
	assert.Equal(t, strings.ReplaceAll(string(b), repo, "REPO"), `{"loom":"9","project":"p9","workTree":"REPO","services":[`+
		`{"name":"once","container":"p9-once-1","state":"exited","health":""},{"name":"web","container":"p9-web-1","state":"running","health":"healthy"}],`+
		`"ports":[{"service":"web","target":80,"published":8089,"protocol":"tcp","hostIp":"","url":"http://9.localhost:8089"}],"findings":[],`+
		`"projects":[{"folder":"","project":"p9","services":[`+
		`{"name":"once","container":"p9-once-1","state":"exited","health":""},{"name":"web","container":"p9-web-1","state":"running","health":"healthy"}],`+
		`"ports":[{"service":"web","target":80,"published":8089,"protocol":"tcp","hostIp":"","url":"http://9.localhost:8089"}]}]}`)

	w.Run()
	r, err = Ps(t.Context(), w.looms, in(repo, "9"))
	assert.NilError(t, err)
	assert.Equal(t, len(r.Services), 0)
	assert.Equal(t, r.Ports[0].Published, 8089)
}

func TestListAsksASilentEngineForNothing(t *testing.T) {
	t.Parallel()
	api, err := client.NewClientWithOpts(client.WithHost("tcp://192.0.2.1:2375"),
		client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
			t.Error("the engine was asked")
			return nil, errors.New("asked")
		}))
	assert.NilError(t, err)
	w := newWorld(t, worldtest.Remote)
	w.Know(registry.Loom{ID: "5", Repository: w.Path("shop"), Project: "p5", WorkTree: w.Path("shop")})
	w.looms.Engine = engine.New(api, "far", engine.Silent(errors.New("no answer")))
	list, err := List(t.Context(), w.looms, "")
	assert.ErrorContains(t, err, "no Docker engine answers at tcp://192.0.2.1:2375 (context far): no answer")
	assert.Equal(t, len(list), 1)
	assert.Equal(t, list[0].State, "unknown")
}

// knowMonorepo makes loom 7 with three projects of shop: web runs, api runs in part, tools is down. Its folders are empty.
func (w *testWorld) knowMonorepo() (repo string) {
	repo = w.Repo("mono")
	entry := func(folder string, age int, port int) registry.Loom {
		dir := w.Path("mono", "apps", folder)
		assert.NilError(w.T, os.MkdirAll(dir, 0o755))
		return registry.Loom{
			ID: "7", Repository: repo, Project: "p7-" + folder, WorkTree: repo, Dir: dir, Offset: 7, Created: t0.Add(time.Duration(age) * time.Hour),
			Ports: []ports.Lease{{Protocol: "tcp", Base: port - 7, Count: 1, Host: port}},
		}
	}
	w.Know(entry("web", 0, 3007), entry("api", 1, 4007), entry("tools", 2, 5007))
	run := func(project, service, state, port, status string) worldtest.Container {
		c := worldtest.Container{
			Name: project + "-" + service + "-1", Project: project, Service: service, State: state, Status: status,
			Labels: map[string]string{engine.LabelLoom: "7", engine.LabelRepo: repo, engine.LabelWorkTree: repo},
		}
		if port != "" {
			c.Published = []string{"0.0.0.0:" + port + ":80/tcp"}
		}
		return c
	}
	w.Run(
		run("p7-web", "web", "running", "3007", "Up 1 second (healthy)"), run("p7-api", "api", "running", "4007", "Up 1 second (starting)"),
		run("p7-api", "db", "exited", "", "Exited (1) 1 second ago"),
	)
	return repo
}

func TestALoomIsListedOnceWithAllItsProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	repo := w.knowMonorepo()
	list, err := List(t.Context(), w.looms, filepath.Join(repo, "apps", "api", "src"))
	assert.NilError(t, err)
	assert.Equal(t, len(list), 1)
	l := list[0]
	assert.Equal(t, l.Project, "p7-api", "that of the folder")
	assert.Equal(t, l.State+" "+l.Health, "partial starting")
	assert.Equal(t, l.Running, 2)
	var hosts []int
	for _, p := range l.Ports {
		hosts = append(hosts, p.Published)
	}
	assert.DeepEqual(t, hosts, []int{3007, 4007, 5007})
	var projects []string
	for _, p := range l.Projects {
		projects = append(projects, fmt.Sprint(p.Folder, " ", p.Project, " ", len(p.Services), " ", len(p.Ports)))
	}
	assert.DeepEqual(t, projects, []string{"apps/web p7-web 1 1", "apps/api p7-api 2 1", "apps/tools p7-tools 0 1"})

	list, err = List(t.Context(), w.looms, repo)
	assert.NilError(t, err)
	assert.Equal(t, list[0].Project, "p7-web", "the oldest")
	remembered, err := Remembered(w.looms)
	assert.NilError(t, err)
	assert.Equal(t, len(remembered), 1)
	assert.Equal(t, len(remembered[0].Projects), 3)
}

func TestPsShowsAllProjectsUnlessOneIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	repo := w.knowMonorepo()
	folders := func(dir, project string) string {
		where := in(dir, "7")
		where.Project = project
		r, err := Ps(t.Context(), w.looms, where)
		assert.NilError(t, err)
		list := []string{r.Project, strconv.Itoa(len(r.Services))}
		for _, p := range r.Projects {
			list = append(list, p.Folder)
		}
		return strings.Join(list, " ")
	}
	assert.Equal(t, folders(repo, ""), "p7-web 1 apps/web apps/api apps/tools")
	assert.Equal(t, folders(filepath.Join(repo, "apps", "api"), ""), "p7-api 2 apps/web apps/api apps/tools")
	assert.Equal(t, folders(repo, "apps/tools"), "p7-tools 0 apps/tools")
}

func TestTheStateOfALoomIsThatOfItsProjectsTogether(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ a, b, want string }{
		{"running", "running", "running"},
		{"running", "down", "running"},
		{"running", "stopped", "partial"},
		{"created", "running", "partial"},
		{"partial", "down", "partial"},
		{"stopped", "created", "stopped"},
		{"down", "down", "down"},
		{"unknown", "unknown", "unknown"},
	} {
		assert.Check(t, together(tc.a, tc.b) == tc.want && together(tc.b, tc.a) == tc.want, "%+v", tc)
	}
}
