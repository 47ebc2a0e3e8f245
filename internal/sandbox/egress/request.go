package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// request proxies one plain request. It reports whether another can follow on the connection, and whether the reader
// is no longer in use.
func (x *proxy) request(ctx context.Context, c *client, d Decision, to admitted) (again, free bool) {
	in, err := http.ReadRequest(c.br)
	if err != nil {
		d.Reason = "the request is not well-formed"
		x.refuse(c, d, http.StatusBadRequest, "")
		return false, true
	}
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { d.Address = i.Conn.RemoteAddr().String() },
	}))
	defer cancel()
	out := outgoing(ctx, in, to.host, to.port)
	if strings.EqualFold(in.Header.Get("Expect"), "100-continue") {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return false, true
		}
	}
	out.Header.Del("Expect")

	var sent *requestBody
	stopWatching := func() {}
	if in.Body == nil || in.Body == http.NoBody {
		stopWatching = c.watch(cancel)
	} else {
		sent = &requestBody{Reader: in.Body, conn: c.Conn}
		out.Body = sent
	}
	resp, err := x.transportFor(to).RoundTrip(out)
	if err != nil {
		stopWatching()
		x.answerFailure(c, d, to.host, to.port, err)
		return false, sent.isComplete()
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		stopWatching()
		d.Verdict, d.Reason = Failed, "the host switched protocols without a request for it"
		x.refuse(c, d, http.StatusBadGateway, "")
		return false, false
	}
	d.Verdict = Allowed
	x.logDecision(d)

	complete := sent.isComplete()
	unknownLength := resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
	resp.Close = in.Close || !in.ProtoAtLeast(1, 1) || !complete || unknownLength
	err = c.writeResponse(resp, in)
	stopWatching()
	// If the answer came before the whole body was sent, the transport may still be reading it.
	free = sent.isComplete()
	return err == nil && !resp.Close && free, free
}

// transportFor is the transport of a request. A connection to a service is of its client's network, and serves nobody
// else.
func (x *proxy) transportFor(to admitted) *http.Transport {
	if !to.own {
		return x.transport
	}
	once := x.transport.Clone()
	once.DisableKeepAlives = true
	return once
}

// outgoing returns the request for the host. Its URL and Host header are made from host and port.
func outgoing(ctx context.Context, in *http.Request, host Host, port int) *http.Request {
	out := in.WithContext(ctx)
	out.RequestURI = ""
	out.Close = false
	out.URL.Scheme, out.URL.Opaque, out.URL.User, out.URL.Fragment = "http", "", nil, ""
	out.URL.Host = net.JoinHostPort(host.String(), strconv.Itoa(port))
	out.Host = out.URL.Host
	if port == 80 {
		out.Host = strings.TrimSuffix(out.Host, ":80")
	}
	removeHopByHop(out.Header)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // otherwise net/http adds its own
	}
	return out
}

// writeResponse writes the response to the client, each part as soon as it arrives.
func (c *client) writeResponse(resp *http.Response, in *http.Request) error {
	removeHopByHop(resp.Header)
	resp.Request = in
	resp.Proto, resp.ProtoMajor, resp.ProtoMinor = "HTTP/1.1", 1, 1
	if !in.ProtoAtLeast(1, 1) {
		resp.ProtoMinor, resp.TransferEncoding, resp.Trailer = 0, nil, nil
	}
	bw := bufio.NewWriterSize(deadlineWriter{c.Conn}, 4<<10)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{flushingReader{resp.Body, bw}, resp.Body}
	err := resp.Write(struct{ io.Writer }{bw}) // without bufio's ReadFrom, in which a Read must not flush
	if err == nil {
		err = bw.Flush()
	}
	_ = c.SetWriteDeadline(time.Time{})
	return err
}

// watch calls cancel if the client goes away before its answer is there, until end is called.
func (c *client) watch(cancel func()) (end func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Peek leaves the next request in the reader.
		if _, err := c.br.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel()
		}
	}()
	return sync.OnceFunc(func() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.SetReadDeadline(time.Time{})
	})
}

// removeHopByHop removes headers that are only for the connection that they came on.
func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
	} {
		h.Del(name)
	}
}
