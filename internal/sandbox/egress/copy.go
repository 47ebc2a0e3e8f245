package egress

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// splice copies in both directions until both have ended. If one ends, its end is passed on and the other goes on.
// There is no time limit: a tunnel may be silent for as long as both peers answer TCP's keep-alive.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() { copyOneWay(a, b) })
	wg.Go(func() { copyOneWay(b, a) })
	wg.Wait()
}

func copyOneWay(to, from net.Conn) {
	_, err := io.Copy(to, from) // between TCP connections the kernel copies
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		return
	}
	to.Close()
	from.Close()
}

// requestBody is the body of a request that is being sent to its host.
type requestBody struct {
	io.Reader
	conn     net.Conn
	complete atomic.Bool // read to its end; nobody reads from the connection any more
}

// isComplete reports whether the whole body was read. A nil body is complete.
func (b *requestBody) isComplete() bool { return b == nil || b.complete.Load() }

func (b *requestBody) Read(p []byte) (int, error) {
	_ = b.conn.SetReadDeadline(time.Now().Add(bodyTime))
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
		b.complete.Store(true)
	}
	return n, err
}

// Close does not close the request's own body, which would be read to its end.
func (b *requestBody) Close() error { return nil }

// deadlineWriter gives every write its own deadline.
type deadlineWriter struct{ net.Conn }

func (r deadlineWriter) Write(p []byte) (int, error) {
	_ = r.SetWriteDeadline(time.Now().Add(bodyTime))
	return r.Conn.Write(p)
}

// flushingReader flushes w before each read, so that a stream arrives part by part.
type flushingReader struct {
	io.Reader
	w *bufio.Writer
}

func (f flushingReader) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}
