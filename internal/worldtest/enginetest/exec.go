package enginetest

import (
	"fmt"
	"io"
	"net/http"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

func (e *Engine) createExec(w http.ResponseWriter, r *http.Request) {
	b := e.box(w, r)
	if b == nil {
		return
	}
	c := command{container: b.id}
	if !receive(w, r, &c.options) {
		return
	}
	id := e.newID()
	e.commands[id] = c
	reply(w, http.StatusCreated, map[string]string{"Id": id})
}

// startExec writes what the command says to the connection, which it takes over as the engine does.
func (e *Engine) startExec(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	c, ok := e.commands[r.PathValue("id")]
	e.mu.Unlock()
	if !ok {
		fail(w, http.StatusNotFound, "No such exec instance")
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		fail(w, http.StatusInternalServerError, "the connection cannot be taken over")
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"+
		"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	if e.Answer != nil {
		fmt.Fprint(stdcopy.NewStdWriter(conn, stdcopy.Stdout), e.Answer(c.options.Cmd))
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		// A connection that is closed before all is read is reset.
		_, _ = io.Copy(io.Discard, conn)
	}
}

func (e *Engine) inspectExec(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	c, ok := e.commands[id]
	if !ok {
		fail(w, http.StatusNotFound, "No such exec instance")
		return
	}
	reply(w, http.StatusOK, container.ExecInspect{ExecID: id, ContainerID: c.container})
}
