package engine

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"
	"gotest.tools/v3/assert"
)

func TestTailJoinsStdoutAndStderrInOrder(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/x/json" {
			w.Write([]byte(`{"Id":"x","Config":{"Tty":false}}`))
			return
		}
		q := r.URL.Query()
		assert.Check(t, q.Get("tail") == "3" && q.Get("stdout") == "1" && q.Get("stderr") == "1")
		stdcopy.NewStdWriter(w, stdcopy.Stdout).Write([]byte("one\n"))
		stdcopy.NewStdWriter(w, stdcopy.Stderr).Write([]byte("two\r\n"))
		stdcopy.NewStdWriter(w, stdcopy.Stdout).Write([]byte("\n"))
	})
	got, err := e.Tail(t.Context(), "x", 3)
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []string{"one", "two", ""})
}

func TestTailOfATerminalIsRaw(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/x/json" {
			w.Write([]byte(`{"Id":"x","Config":{"Tty":true}}`))
			return
		}
		io.WriteString(w, "one\r\ntwo\r\nthree")
	})
	got, err := e.Tail(t.Context(), "x", 2)
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []string{"two", "three"})
	got, err = e.Tail(t.Context(), "x", 0)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 0)
}

func TestTailSaysWhenTheLogCannotBeRead(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/x/json" {
			w.Write([]byte(`{"Id":"x"}`))
			return
		}
		refuse(w, 501, "configured logging driver does not support reading")
	})
	_, err := e.Tail(t.Context(), "x", 5)
	assert.ErrorContains(t, err, "logs of container x: ")
}

func TestLogLinesKeepInnerEmptyOnes(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, lastLines("a\n\nb\n", 9), []string{"a", "", "b"})
	assert.DeepEqual(t, lastLines("a\nb\nc", 2), []string{"b", "c"})
	assert.Equal(t, len(lastLines("", 2)), 0)
	assert.Equal(t, len(lastLines("\n", 2)), 1)
}

func TestEventsTellStartDeathAndHealthOnly(t *testing.T) {
	t.Parallel()
	before := time.Now()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Check(t, r.URL.Path == "/events")
		args, err := filters.FromJSON(r.URL.Query().Get("filters"))
		assert.Check(t, err)
		assert.Check(t, args.ExactMatch("label", "com.docker.compose.project=p"))
		assert.Check(t, args.ExactMatch("type", "container"))
		since, err := strconv.ParseFloat(r.URL.Query().Get("since"), 64)
		assert.Check(t, err)
		assert.Check(t, since >= float64(before.Unix()))
		io.WriteString(w, `{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"p-web-1","com.docker.compose.service":"web","com.docker.compose.oneoff":"False"}},"timeNano":1700000000000000001}
{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a"}}
{"Type":"container","Action":"exec_start: sh","Actor":{"ID":"a"}}
{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"137"}}}
`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	ch := e.Events(ctx, "p")

	ev := <-ch
	assert.Equal(t, ev.Action, "start")
	assert.Equal(t, ev.Container, "a")
	assert.Equal(t, ev.Name, "p-web-1")
	assert.Equal(t, ev.Service, "web")
	assert.Assert(t, !ev.OneOff)
	assert.Equal(t, ev.Time.UnixNano(), int64(1700000000000000001))
	ev = <-ch
	assert.Equal(t, ev.Action, "health_status")
	assert.Equal(t, ev.Health, "healthy")
	ev = <-ch
	assert.Equal(t, ev.Action, "die")
	assert.Equal(t, ev.ExitCode, 137)
	cancel()
	_, open := <-ch
	assert.Assert(t, !open, "an ended context is not an error")
}

func TestEventsEndWithAnErrorWhenTheEngineGoes(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"closed":  func(w http.ResponseWriter, r *http.Request) {},
		"refused": func(w http.ResponseWriter, r *http.Request) { refuse(w, 500, "boom") },
		"cut":     func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"Type":`) },
	} {
		ch := fake(t, h).Events(t.Context(), "p")
		ev, open := <-ch
		assert.Check(t, open && ev.Err != nil, name)
		_, open = <-ch
		assert.Check(t, !open, name)
	}
}
