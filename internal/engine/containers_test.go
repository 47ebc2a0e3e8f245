package engine

import (
	"net/http"
	"slices"
	"testing"

	"gotest.tools/v3/assert"
)

func TestStatusTextGivesStateHealthAndExitCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		state, status string
		want, health  string
		code          int
	}{
		{"running", "Up 3 minutes", "running", "", 0},
		{"running", "Up 3 minutes (healthy)", "running", "healthy", 0},
		{"running", "Up 2 seconds (health: starting)", "running", "starting", 0},
		{"running", "Up Less than a second (health: starting)", "running", "starting", 0},
		{"running", "Up About an hour (unhealthy)", "running", "unhealthy", 0},
		{"running", "Up 2 seconds (none)", "running", "", 0},
		{"running", "Up 5 minutes (starting)", "running", "starting", 0},
		{"paused", "Up 5 minutes (Paused)", "paused", "", 0},
		{"exited", "Exited (0) 1 second ago", "exited", "", 0},
		{"exited", "Exited (137) 3 hours ago", "exited", "", 137},
		{"exited", "Exited (-1) 3 hours ago", "exited", "", -1},
		{"exited", "Exited (2147483647) 3 hours ago", "exited", "", 2147483647},
		{"restarting", "Restarting (1) 5 seconds ago", "restarting", "", 1},
		{"created", "Created", "created", "", 0},
		{"dead", "Dead", "dead", "", -1},
		{"removing", "Removal In Progress", "removing", "", 0},
		// Ended without a start or finish time: never a success.
		{"exited", "", "exited", "", -1},
		{"exited", "Exited (", "exited", "", -1},
		{"exited", "Exited () ago", "exited", "", -1},
		// Without a state the words decide.
		{"", "Up 3 minutes (healthy)", "running", "healthy", 0},
		{"", "Up 5 minutes (Paused)", "paused", "", 0},
		{"", "Exited (2) 3 hours ago", "exited", "", 2},
		{"", "Restarting (1) 5 seconds ago", "restarting", "", 1},
		{"", "Created", "created", "", 0},
		{"", "Dead", "dead", "", -1},
		{"", "Removal In Progress", "removing", "", 0},
		{"", "", "", "", 0},
		{"", "(", "", "", 0},
		// podman
		{"configured", "Created", "created", "", 0},
		{"stopped", "Exited (1) 2 minutes ago", "exited", "", 1},
		{"Running", "Up 4 seconds", "running", "", 0},
	} {
		state, health, code := parseStatus(tc.state, tc.status)
		assert.Check(t, state == tc.want && health == tc.health && code == tc.code,
			"%q %q gave %q %q %d", tc.state, tc.status, state, health, code)
	}
}

func FuzzStatusTextNeverPanics(f *testing.F) {
	f.Add("running", "Up 3 minutes (healthy)")
	f.Add("", "Exited (")
	f.Fuzz(func(t *testing.T, state, status string) { parseStatus(state, status) })
}

const twoContainers = `[
 {"Id":"b","Names":["/web/db","/shop-web-1"],"Image":"web","ImageID":"sha256:1","Created":1700000000,"State":"running","Status":"Up 1 second (healthy)",
  "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"web","com.docker.compose.container-number":"2","com.docker.compose.oneoff":"False"},
  "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
           {"PrivatePort":443,"Type":"tcp"},{"IP":"127.0.0.1","PrivatePort":53,"PublicPort":5353,"Type":"udp"}],
  "NetworkSettings":{"Networks":{"shop_front":{},"shop_back":{}}}},
 {"Id":"a","Names":["/shop-db-run-1"],"State":"exited","Status":"Exited (3) 2 hours ago",
  "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"db","com.docker.compose.oneoff":"True"}}]`

func TestContainersTakeOneRequest(t *testing.T) {
	t.Parallel()
	requests := 0
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		assert.Check(t, r.URL.Path == "/containers/json")
		assert.Check(t, r.URL.Query().Get("all") == "1")
		w.Write([]byte(twoContainers))
	})
	cs, err := e.Containers(t.Context(), Filter{Project: "shop"})
	assert.NilError(t, err)
	assert.Equal(t, requests, 1)
	assert.Equal(t, len(cs), 2)

	db, web := cs[0], cs[1]
	assert.Equal(t, db.Name, "shop-db-run-1")
	assert.Equal(t, db.ExitCode, 3)
	assert.Assert(t, db.OneOff)
	assert.Equal(t, web.Name, "shop-web-1")
	assert.Equal(t, web.Number, 2)
	assert.Equal(t, web.Health, "healthy")
	assert.Assert(t, !web.OneOff)
	assert.Equal(t, web.Created.Unix(), int64(1700000000))
	assert.DeepEqual(t, web.Networks, []string{"shop_back", "shop_front"})
	assert.DeepEqual(t, web.Published, []Published{
		{Target: 53, Protocol: "udp", HostIP: "127.0.0.1", Host: 5353},
		{Target: 80, Protocol: "tcp", Host: 8080},
	})
}

func TestContainerFilterAlwaysAsksForComposesLabel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{"com.docker.compose.project"}},
		{Filter{Project: "p"}, []string{"com.docker.compose.project=p"}},
		{Filter{Labels: map[string]string{LabelLoom: "123"}}, []string{LabelLoom + "=123", "com.docker.compose.project"}},
		{Filter{Project: "p", Labels: map[string]string{LabelLoom: ""}}, []string{LabelLoom, "com.docker.compose.project=p"}},
	} {
		var got []string
		e := fake(t, func(w http.ResponseWriter, r *http.Request) {
			got = labelFilter(t, r)
			w.Write([]byte(`[]`))
		})
		_, err := e.Containers(t.Context(), tc.f)
		assert.NilError(t, err)
		slices.Sort(got)
		assert.DeepEqual(t, got, tc.want)
	}
}

func TestContainersErrorNamesTheProject(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, 500, "boom") })
	_, err := e.Containers(t.Context(), Filter{Project: "shop"})
	assert.ErrorContains(t, err, "containers of project shop: ")
	assert.ErrorContains(t, err, "boom")
}
