package engine

import (
	"net/http"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"gotest.tools/v3/assert"
)

func TestInspectTellsWhatTheListDoesNot(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Check(t, r.URL.Path == "/containers/x/json", r.URL.Path)
		w.Write([]byte(`{"Id":"x1234","Name":"/shop-db-1","Image":"sha256:1","Created":"2024-05-01T10:00:00.5Z",
 "State":{"Status":"running","StartedAt":"2024-05-01T10:00:01Z","Health":{"Status":"unhealthy","FailingStreak":3}},
 "Config":{"Image":"postgres","User":"me","Env":["A=b=c","D"],"Healthcheck":{"Test":["CMD","pg_isready"]},
  "Labels":{"com.docker.compose.project":"shop"}},
 "NetworkSettings":{"Ports":{"5432/tcp":[{"HostIp":"0.0.0.0","HostPort":"5455"},{"HostIp":"::","HostPort":"5455"}],"80/tcp":null},
  "Networks":{"n":{"Aliases":["db","x12","shop-db-1"]},"m":{"Aliases":["db"]}}}}`))
	})
	d, err := e.Inspect(t.Context(), "x")
	assert.NilError(t, err)
	assert.Equal(t, d.Name, "shop-db-1")
	assert.Equal(t, d.Project, "shop")
	assert.Equal(t, d.Health, "unhealthy")
	assert.Assert(t, !d.ProbeDue)
	assert.Equal(t, d.User, "me")
	assert.DeepEqual(t, d.Env, map[string]string{"A": "b=c", "D": ""})
	assert.Equal(t, d.CreatedAt, "2024-05-01T10:00:00.5Z")
	assert.Equal(t, d.StartedAt, "2024-05-01T10:00:01Z")
	assert.Equal(t, d.Started.Unix(), int64(1714557601))
	assert.DeepEqual(t, d.Published, []Published{{Target: 5432, Protocol: "tcp", Host: 5455}})
	assert.DeepEqual(t, d.Networks, []string{"m", "n"})
	assert.DeepEqual(t, d.Aliases, []string{"db", "shop-db-1"})
}

func TestAContainerThatWasPausedWaitsForItsNextProbe(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{
		`"Config":{"Healthcheck":{}},"State":{"Status":"running","Health":{"Status":"unhealthy","FailingStreak":2}}`:              true,
		`"Config":{"Healthcheck":{}},"State":{"Status":"running","Health":{"Status":"unhealthy","FailingStreak":3}}`:              false,
		`"Config":{"Healthcheck":{"Retries":5}},"State":{"Status":"running","Health":{"Status":"unhealthy","FailingStreak":4}}`:   true,
		`"Config":{"Healthcheck":{}},"State":{"Status":"running","Health":{"Status":"healthy"}}`:                                  false,
		`"Config":{"Healthcheck":{}},"State":{"Status":"paused","Paused":true,"Health":{"Status":"unhealthy","FailingStreak":2}}`: false,
		`"State":{"Status":"running","Health":{"Status":"unhealthy"}}`:                                                            false,
	} {
		e := fake(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`{"Id":"x",` + state + `}`)) })
		d, err := e.Inspect(t.Context(), "x")
		assert.NilError(t, err)
		assert.Check(t, d.ProbeDue == want, state)
	}
}

func TestInspectOfAMissingContainerIsNotFound(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, 404, "No such container: x") })
	_, err := e.Inspect(t.Context(), "x")
	assert.Assert(t, cerrdefs.IsNotFound(err))
	assert.ErrorContains(t, err, "container x: ")
}
