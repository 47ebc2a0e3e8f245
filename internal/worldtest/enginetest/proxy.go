package enginetest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Proxy passes requests on to an engine on this host, and notes them.
type Proxy struct {
	notes
	engine   string // its socket
	listener net.Listener
}

// NewProxy listens on a socket and passes what comes there on to the engine at the address, as DOCKER_HOST has it.
func NewProxy(socket, engine string) (*Proxy, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	p := &Proxy{engine: strings.TrimPrefix(engine, "unix://"), listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p, nil
}

// Host is the proxy's address, as DOCKER_HOST has it.
func (p *Proxy) Host() string { return "unix://" + p.listener.Addr().String() }

// Close ends the proxy.
func (p *Proxy) Close() { _ = p.listener.Close() }

// serve answers the requests of one connection, until one takes it over.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	engine, err := net.Dial("unix", p.engine)
	if err != nil {
		return
	}
	defer engine.Close()
	fromClient, fromEngine := bufio.NewReader(client), bufio.NewReader(engine)
	for {
		request, err := http.ReadRequest(fromClient)
		if err != nil {
			return
		}
		p.note(request)
		if err := request.Write(engine); err != nil {
			return
		}
		status, err := answer(client, fromEngine, request)
		if err != nil {
			return
		}
		if status == http.StatusSwitchingProtocols {
			copyBoth(client, fromClient, engine, fromEngine)
			return
		}
	}
}

// answer passes on what the engine answers, and returns its status.
func answer(client io.Writer, fromEngine *bufio.Reader, request *http.Request) (status int, err error) {
	response, err := http.ReadResponse(fromEngine, request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, response.Write(client)
}

// copyBoth copies in both directions until both have ended. The end of one is passed on: a command sees that its input
// has ended, and goes on writing.
func copyBoth(client io.Writer, fromClient io.Reader, engine io.Writer, fromEngine io.Reader) {
	var both sync.WaitGroup
	pass := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	both.Go(func() { pass(engine, fromClient) })
	both.Go(func() { pass(client, fromEngine) })
	both.Wait()
}
