package egress

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// splice copies both ways until both sides have ended. Each end of one direction is passed on: half-closed connections live.
// There is no time limit: a tunnel may be silent for as long as both of its peers answer TCP's keep-alive.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { oneWay(a, b) })
	wg.Go(func() { oneWay(b, a) })
	wg.Wait()
}

func oneWay(to, from net.Conn) {
	_, err := io.Copy(to, from) // between two TCP connections the kernel's splice
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		return
	}
	to.Close()
	from.Close()
}

// body is a request's body on its way out.
type body struct {
	io.Reader
	conn  net.Conn
	whole atomic.Bool // it has been read to its end, and nobody reads from the connection
}

func (b *body) Read(p []byte) (int, error) {
	_ = b.conn.SetReadDeadline(time.Now().Add(bodyTime))
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
		b.whole.Store(true)
	}
	return n, err
}

// Close leaves the request's own body, which would read on to its end.
func (b *body) Close() error { return nil }

// rolling gives every write its own deadline.
type rolling struct{ net.Conn }

func (r rolling) Write(p []byte) (int, error) {
	_ = r.SetWriteDeadline(time.Now().Add(bodyTime))
	return r.Conn.Write(p)
}

// flushing sends what is buffered before it waits for more, so that a stream arrives as it is made.
type flushing struct {
	io.Reader
	w *bufio.Writer
}

func (f flushing) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}
