package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gotest.tools/v3/assert"
)

// zone is a name server on loopback: each question for a name gets its next answer, the last one for ever.
type zone struct {
	mu      sync.Mutex
	answers map[string][]string
}

func (z *zone) resolver(t testing.TB) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 4<<10)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if a := z.answer(b[:n]); a != nil {
				_, _ = conn.WriteTo(a, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z *zone) answer(b []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	name := strings.TrimSuffix(q.Name.String(), ".")
	z.mu.Lock()
	defer z.mu.Unlock()
	list, ok := z.answers[name]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	if q.Type == dnsmessage.TypeA && ok {
		for s := range strings.SplitSeq(list[0], ",") {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(s).As4()},
			})
		}
		if len(list) > 1 {
			z.answers[name] = list[1:]
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// decisions is the log of a proxy under test.
type decisions struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *decisions) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

func (d *decisions) all(t testing.TB) []Decision {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []Decision
	dec := json.NewDecoder(bytes.NewReader(d.b.Bytes()))
	for {
		var x Decision
		if err := dec.Decode(&x); err != nil {
			assert.Assert(t, errors.Is(err, io.EOF), "%v in %s", err, d.b.String())
			return list
		}
		list = append(list, x)
	}
}

type fixture struct {
	address string
	policy  *policy
	log     *decisions
	proxy   *proxy
}

func start(t testing.TB, c Config, names map[string][]string, change ...func(*proxy)) *fixture {
	t.Helper()
	p, err := newPolicy(c)
	assert.NilError(t, err)
	f := &fixture{policy: p, log: &decisions{}}
	f.proxy = newProxy(p, f.log, (&zone{answers: names}).resolver(t))
	for _, set := range change {
		set(f.proxy)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	go func() { _ = f.proxy.listen(ctx, l) }()
	f.address = l.Addr().String()
	return f
}

// answer is what came back, read to its end.
type answer struct {
	StatusCode    int
	Status, Proto string
	Header        http.Header
	ContentLength int64
	Body          io.Reader // where it has not been read yet
}

// receive reads the head of a response to a request of this method.
func receive(t testing.TB, br *bufio.Reader, method string) answer {
	t.Helper()
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	assert.NilError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return answer{resp.StatusCode, resp.Status, resp.Proto, resp.Header, resp.ContentLength, resp.Body}
}

// send writes bytes as they are and gives the response to them.
func (f *fixture) send(t testing.TB, text string) (answer, string) {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = io.WriteString(conn, text)
	assert.NilError(t, err)
	resp := receive(t, bufio.NewReader(conn), http.MethodGet)
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

func (f *fixture) client() *http.Client {
	u := &url.URL{Scheme: "http", Host: f.address}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
}

// site is a web server on loopback. A rule of its address lets names lead there.
func site(t testing.TB, h http.Handler) (*httptest.Server, string, int) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a := netip.MustParseAddrPort(s.Listener.Addr().String())
	return s, a.String(), int(a.Port())
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, r.URL)
})

func TestPlainRequestsReachWhatIsListed(t *testing.T) {
	_, address, port := site(t, hello)
	f := start(t, Config{Mode: Restricted, Allow: []string{fmt.Sprintf("listed.test:%d", port), address}}, map[string][]string{"listed.test": {"127.0.0.1"}})

	resp, err := f.client().Get(fmt.Sprintf("http://Listed.test:%d/a%%2Fb?c=d", port))
	assert.NilError(t, err)
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	assert.Equal(t, string(b), fmt.Sprintf("GET listed.test:%d /a%%2Fb?c=d", port))
	log := f.log.all(t)
	assert.Equal(t, len(log), 1)
	assert.Equal(t, log[0].Verdict, Allowed)
	assert.Equal(t, log[0].Host, "listed.test")
	assert.Equal(t, log[0].Port, port)
	assert.Equal(t, log[0].Address, address)
	assert.Equal(t, log[0].Kind, "http")
	assert.Equal(t, log[0].Source, "127.0.0.1")
}

func TestADenialNamesHostAndSetting(t *testing.T) {
	f := start(t, Config{Mode: Restricted}, nil)
	for _, c := range []struct{ request, host string }{
		{"GET http://unlisted.test/secret HTTP/1.1\r\nHost: unlisted.test\r\nAuthorization: Bearer hidden\r\n\r\n", "unlisted.test"},
		{"CONNECT unlisted.test:443 HTTP/1.1\r\nHost: unlisted.test:443\r\n\r\n", "unlisted.test"},
		{"CONNECT unlisted.test:8443 HTTP/1.1\r\nHost: unlisted.test:8443\r\n\r\n", "unlisted.test:8443"},
		{"CONNECT 1.1.1.1:443 HTTP/1.1\r\nHost: 1.1.1.1:443\r\n\r\n", "1.1.1.1"},
		{"CONNECT [2606:4700:4700::1111]:443 HTTP/1.1\r\nHost: [2606:4700:4700::1111]:443\r\n\r\n", "[2606:4700:4700::1111]:443"},
	} {
		resp, body := f.send(t, c.request)
		assert.Equal(t, resp.StatusCode, http.StatusForbidden)
		assert.Assert(t, strings.Contains(body, "docker loom agent allow "+c.host+"\n"), body)
		assert.Assert(t, strings.Contains(body, "container.agent.egress.allow"), body)
	}
	for _, d := range f.log.all(t) {
		assert.Equal(t, d.Verdict, Denied)
	}
	assert.Assert(t, !strings.Contains(f.log.b.String(), "secret") && !strings.Contains(f.log.b.String(), "hidden"))
}

func TestModesNoneAndOpen(t *testing.T) {
	_, address, port := site(t, hello)
	names := map[string][]string{"any.test": {"127.0.0.1"}, "inside.test": {"10.1.2.3"}}

	f := start(t, Config{Mode: None, Allow: []string{address}, AllowPrivate: []string{"any.test:" + strconv.Itoa(port)}}, names)
	resp, body := f.send(t, fmt.Sprintf("GET http://any.test:%[1]d/ HTTP/1.1\r\nHost: any.test:%[1]d\r\n\r\n", port))
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	assert.Assert(t, strings.Contains(body, "mode"), body)

	f = start(t, Config{Mode: Open, Allow: []string{address}}, names)
	resp, _ = f.send(t, fmt.Sprintf("GET http://any.test:%[1]d/ HTTP/1.1\r\nHost: any.test:%[1]d\r\n\r\n", port))
	assert.Equal(t, resp.StatusCode, http.StatusOK)
	resp, body = f.send(t, "GET http://inside.test/ HTTP/1.1\r\nHost: inside.test\r\n\r\n")
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	assert.Assert(t, strings.Contains(body, "10.1.2.3 is a private address"), body)
	resp, _ = f.send(t, "CONNECT 1.1.1.1:443 HTTP/1.1\r\nHost: 1.1.1.1:443\r\n\r\n")
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
}

func TestAListedNameDoesNotLeadInside(t *testing.T) {
	reached := atomic.Int32{}
	_, address, port := site(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	names := map[string][]string{
		"loop.test": {"127.0.0.1"}, "private.test": {"10.0.0.1"}, "meta.test": {"169.254.169.254"},
		"mixed.test": {"10.0.0.1,127.0.0.1"}, "zero.test": {"0.0.0.0"}, "cgnat.test": {"100.64.0.1"},
	}
	allow := []string{"unresolvable.test"}
	for n := range names {
		allow = append(allow, n, fmt.Sprintf("%s:%d", n, port))
	}
	f := start(t, Config{Mode: Restricted, Allow: allow}, names)
	for n := range names {
		resp, _ := f.send(t, fmt.Sprintf("GET http://%[1]s:%[2]d/ HTTP/1.1\r\nHost: %[1]s:%[2]d\r\n\r\n", n, port))
		assert.Equal(t, resp.StatusCode, http.StatusForbidden, n)
		resp, _ = f.send(t, fmt.Sprintf("CONNECT %[1]s:%[2]d HTTP/1.1\r\nHost: %[1]s:%[2]d\r\n\r\n", n, port))
		assert.Equal(t, resp.StatusCode, http.StatusForbidden, n)
	}
	// An absolute URL to a private address, however it is written.
	for _, host := range []string{
		"127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
		"localhost", "127.0.0.1.",
	} {
		target := fmt.Sprintf("%s:%d", host, port)
		resp, _ := f.send(t, fmt.Sprintf("GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target))
		assert.Assert(t, resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusBadRequest, "%s: %s", host, resp.Status)
		resp, _ = f.send(t, fmt.Sprintf("CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target))
		assert.Assert(t, resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusBadRequest, "%s: %s", host, resp.Status)
	}
	resp, body := f.send(t, "GET http://unresolvable.test/ HTTP/1.1\r\nHost: unresolvable.test\r\n\r\n")
	assert.Equal(t, resp.StatusCode, http.StatusBadGateway)
	assert.Assert(t, strings.Contains(body, "no such host"), body)
	assert.Equal(t, reached.Load(), int32(0))
	for _, d := range f.log.all(t) {
		assert.Assert(t, d.Verdict != Allowed, "%+v", d)
	}
	_ = address
}

// The name's first answer is an address that may be dialled, and each later one is not.
func TestRebindingIsRefusedAtTheDial(t *testing.T) {
	_, address, port := site(t, hello)
	f := start(t, Config{Mode: Restricted, Allow: []string{fmt.Sprintf("rebind.test:%d", port), address}},
		map[string][]string{"rebind.test": {"127.0.0.1", "127.0.0.2"}})
	request := fmt.Sprintf("GET http://rebind.test:%[1]d/ HTTP/1.1\r\nHost: rebind.test:%[1]d\r\nConnection: close\r\n\r\n", port)
	resp, _ := f.send(t, request)
	assert.Equal(t, resp.StatusCode, http.StatusOK)
	f.proxy.transport.CloseIdleConnections()
	resp, body := f.send(t, request)
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	assert.Assert(t, strings.Contains(body, "127.0.0.2"), body)
	resp, _ = f.send(t, fmt.Sprintf("CONNECT rebind.test:%[1]d HTTP/1.1\r\nHost: rebind.test:%[1]d\r\n\r\n", port))
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
}

func TestPrivateNamesOfTheCompany(t *testing.T) {
	p, err := newPolicy(Config{Mode: Restricted, Allow: []string{"10.9.9.9"}, AllowPrivate: []string{"git.corp.test"}, Closed: []netip.Prefix{netip.MustParsePrefix("8.8.4.4/32")}})
	assert.NilError(t, err)
	corp, other := p.decide(netip.Addr{}, Host{Name: "git.corp.test"}, 443), p.decide(netip.Addr{}, Host{Name: "other.test"}, 443)
	assert.Assert(t, corp.allowed && corp.private)
	assert.Assert(t, !other.allowed)
	dial := func(address string, r ruling) bool {
		return p.checkAddress(netip.Addr{}, netip.MustParseAddrPort(address), r) == nil
	}
	assert.Assert(t, dial("10.1.2.3:443", corp))
	assert.Assert(t, dial("[fd12::1]:443", corp))
	assert.Assert(t, !dial("127.0.0.1:443", corp))
	assert.Assert(t, !dial("169.254.169.254:443", corp))
	assert.Assert(t, !dial("[fd00:ec2::254]:443", corp))
	assert.Assert(t, !dial("10.1.2.3:443", ruling{}))
	assert.Assert(t, dial("10.9.9.9:443", ruling{}))
	assert.Assert(t, !dial("10.9.9.9:22", ruling{}))
	assert.Assert(t, !dial("8.8.4.4:443", ruling{}))
}

func TestOfTheMachinesAddressesThePublicOnesAreClosed(t *testing.T) {
	var machine []netip.Addr
	for _, s := range []string{"127.0.0.1", "10.0.0.5", "::ffff:8.8.4.4", "2606:4700::1", "1.2.3.4", "8.8.4.4", "fe80::1"} {
		machine = append(machine, netip.MustParseAddr(s))
	}
	assert.DeepEqual(t, fmt.Sprint(Closed(machine)), "[1.2.3.4/32 8.8.4.4/32]")
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	reached := atomic.Int32{}
	_, address, port := site(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	host := fmt.Sprintf("listed.test:%d", port)
	f := start(t, Config{Mode: Restricted, Allow: []string{host, address, "other.test"}}, map[string][]string{"listed.test": {"127.0.0.1"}})
	for name, request := range map[string]string{
		"another Host":               "GET http://H/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
		"a Host of another port":     "GET http://H/ HTTP/1.1\r\nHost: listed.test\r\n\r\n",
		"two Hosts":                  "GET http://H/ HTTP/1.1\r\nHost: H\r\nHost: other.test\r\n\r\n",
		"two equal Hosts":            "GET http://H/ HTTP/1.1\r\nHost: H\r\nhost: H\r\n\r\n",
		"no Host":                    "GET http://H/ HTTP/1.1\r\n\r\n",
		"an empty Host":              "GET http://H/ HTTP/1.1\r\nHost:\r\n\r\n",
		"a Host with a user":         "GET http://H/ HTTP/1.1\r\nHost: a@H\r\n\r\n",
		"a path alone":               "GET / HTTP/1.1\r\nHost: H\r\n\r\n",
		"no scheme":                  "GET //H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"https as a URL":             "GET https://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"ftp as a URL":               "GET ftp://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"a user in the URL":          "GET http://u:p@H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"a fragment hides a user":    "GET http://other.test#@H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"a backslash":                "GET http://H\\@other.test/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"a space in the URL":         "GET http://H/ x HTTP/1.1\r\nHost: H\r\n\r\n",
		"a tab in the URL":           "GET http://H/\tx HTTP/1.1\r\nHost: H\r\n\r\n",
		"bare LF":                    "GET http://H/ HTTP/1.1\nHost: H\r\n\r\n",
		"LF within a header":         "GET http://H/ HTTP/1.1\r\nHost: H\r\nA: b\nHost: other.test\r\n\r\n",
		"CR within a header":         "GET http://H/ HTTP/1.1\r\nHost: H\r\nA: b\rc\r\n\r\n",
		"NUL":                        "GET http://H/ HTTP/1.1\r\nHost: H\r\nA: b\x00c\r\n\r\n",
		"a folded header":            "GET http://H/ HTTP/1.1\r\nHost: H\r\nA: b\r\n Host: other.test\r\n\r\n",
		"a space before the colon":   "GET http://H/ HTTP/1.1\r\nHost : H\r\n\r\n",
		"both lengths":               "POST http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":                "POST http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"a signed length":            "POST http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: +3\r\n\r\nabc",
		"an unknown encoding":        "POST http://H/ HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a list of encodings":        "POST http://H/ HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a new line first":           "\r\nGET http://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"HTTP/2":                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/0.9":                   "GET http://H/\r\n\r\n",
		"CONNECT without a port":     "CONNECT listed.test HTTP/1.1\r\nHost: listed.test\r\n\r\n",
		"CONNECT with a user":        "CONNECT u:p@H HTTP/1.1\r\nHost: H\r\n\r\n",
		"CONNECT with a path":        "CONNECT H/ HTTP/1.1\r\nHost: H\r\n\r\n",
		"CONNECT with a URL":         "CONNECT http://H HTTP/1.1\r\nHost: H\r\n\r\n",
		"CONNECT with another Host":  "CONNECT H HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
		"CONNECT with another port":  "CONNECT H HTTP/1.1\r\nHost: listed.test:1\r\n\r\n",
		"CONNECT with a body":        "CONNECT H HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\n\r\nabc",
		"CONNECT with port 0":        "CONNECT listed.test:0 HTTP/1.1\r\nHost: listed.test:0\r\n\r\n",
		"CONNECT with escapes":       "CONNECT listed.test%0d%0a:443 HTTP/1.1\r\nHost: listed.test:443\r\n\r\n",
		"OPTIONS of everything":      "OPTIONS * HTTP/1.1\r\nHost: H\r\n\r\n",
		"letters that fold to ASCII": "GET http://K.test/ HTTP/1.1\r\nHost: H\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := f.send(t, strings.ReplaceAll(request, "H/", host+"/"))
			_ = body
			assert.Equal(t, resp.StatusCode, http.StatusBadRequest)
		})
		t.Run(name+", all of it", func(t *testing.T) {
			r := strings.NewReplacer("://H", "://"+host, "@H", "@"+host, "//H", "//"+host, ": H\r\n", ": "+host+"\r\n", "CONNECT H", "CONNECT "+host).Replace(request)
			resp, _ := f.send(t, r)
			assert.Equal(t, resp.StatusCode, http.StatusBadRequest, r)
			assert.Assert(t, resp.Header.Get(deniedHeader) != "")
		})
	}
	resp, _ := f.send(t, "GET http://"+host+"/ HTTP/1.1\r\nHost: "+host+"\r\nA: "+strings.Repeat("a", maxHead)+"\r\n\r\n")
	assert.Equal(t, resp.StatusCode, http.StatusRequestHeaderFieldsTooLarge)
	assert.Equal(t, reached.Load(), int32(0))
	for _, d := range f.log.all(t) {
		assert.Equal(t, d.Verdict, Denied)
	}
}

func TestBodiesStreamsAndHopByHopHeaders(t *testing.T) {
	next := make(chan struct{})
	_, address, port := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			for _, name := range []string{"Connection", "Proxy-Connection", "Proxy-Authorization", "X-Drop", "Upgrade", "Te", "Keep-Alive", "User-Agent", "X-Forwarded-For", "Via"} {
				if v, ok := r.Header[name]; ok {
					http.Error(w, fmt.Sprintf("%s: %v", name, v), http.StatusTeapot)
					return
				}
			}
			w.Header().Set("Connection", "X-Secret")
			w.Header().Set("X-Secret", "1")
			_, _ = io.Copy(w, r.Body)
		case "/stream":
			fmt.Fprint(w, "one")
			_ = http.NewResponseController(w).Flush()
			<-next
			fmt.Fprint(w, "two")
		case "/head":
			w.Header().Set("Content-Length", "1000")
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	host := fmt.Sprintf("listed.test:%d", port)
	f := start(t, Config{Mode: Restricted, Allow: []string{host, address}}, map[string][]string{"listed.test": {"127.0.0.1"}})
	conn, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	br := bufio.NewReader(conn)
	ask := func(method, path, rest string) answer {
		t.Helper()
		_, err := fmt.Fprintf(conn, "%s http://%s%s HTTP/1.1\r\nHost: %s\r\n%s", method, host, path, host, rest)
		assert.NilError(t, err)
		return receive(t, br, method)
	}
	read := func(r io.Reader) string {
		t.Helper()
		b, err := io.ReadAll(r)
		assert.NilError(t, err)
		return string(b)
	}
	// All on one connection, which is kept.
	extra := "Connection: keep-alive, X-Drop\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nX-Drop: 1\r\nUpgrade: websocket\r\nTE: trailers\r\nKeep-Alive: 5\r\n"
	for range 3 {
		resp := ask("POST", "/echo", extra+"Content-Length: 5\r\n\r\nhello")
		assert.Equal(t, resp.StatusCode, http.StatusOK)
		assert.Equal(t, resp.Header.Get("X-Secret"), "")
		assert.Equal(t, read(resp.Body), "hello")
	}
	assert.Equal(t, read(ask("POST", "/echo", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n yo\r\n0\r\n\r\n").Body), "hello yo")
	assert.Equal(t, ask("HEAD", "/head", "\r\n").ContentLength, int64(1000))
	assert.Equal(t, ask("GET", "/204", "\r\n").StatusCode, http.StatusNoContent)

	resp := ask("GET", "/stream", "\r\n")
	b := make([]byte, 3)
	_, err = io.ReadFull(resp.Body, b) // it comes before the server goes on
	assert.NilError(t, err)
	assert.Equal(t, string(b), "one")
	close(next)
	assert.Equal(t, read(resp.Body), "two")

	// Pipelined, and after a wait for the server's consent.
	_, err = fmt.Fprintf(conn, strings.Repeat("GET http://%[1]s/204 HTTP/1.1\r\nHost: %[1]s\r\n\r\n", 3), host)
	assert.NilError(t, err)
	for range 3 {
		resp := receive(t, br, http.MethodGet)
		assert.Equal(t, resp.StatusCode, http.StatusNoContent)
	}
	_, err = fmt.Fprintf(conn, "POST http://%[1]s/echo HTTP/1.1\r\nHost: %[1]s\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", host)
	assert.NilError(t, err)
	line, err := br.ReadString('\n')
	assert.NilError(t, err)
	assert.Equal(t, line, "HTTP/1.1 100 Continue\r\n")
	_, _ = br.ReadString('\n')
	_, err = io.WriteString(conn, "hi")
	assert.NilError(t, err)
	resp = receive(t, br, http.MethodGet)
	assert.Equal(t, read(resp.Body), "hi")

	old, body := f.send(t, fmt.Sprintf("POST http://%s/echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nold", host))
	assert.Equal(t, old.Proto, "HTTP/1.0")
	assert.Equal(t, body, "old")
}

func TestTunnelsCarryTLSToTheHostThatWasAskedFor(t *testing.T) {
	s := httptest.NewTLSServer(hello)
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	port := netip.MustParseAddrPort(address).Port()
	host := fmt.Sprintf("listed.test:%d", port)
	f := start(t, Config{Mode: Restricted, Allow: []string{host, address}}, map[string][]string{"listed.test": {"127.0.0.1"}})

	resp, err := f.client().Get("https://" + host + "/")
	assert.NilError(t, err)
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	assert.Equal(t, string(b), "GET "+host+" /")
	resp, err = f.client().Get("https://" + address + "/")
	assert.NilError(t, err)
	resp.Body.Close()

	handshake := func(to, sni string) error {
		conn, err := net.Dial("tcp", f.address)
		assert.NilError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", to)
		br := bufio.NewReader(conn)
		resp := receive(t, br, http.MethodConnect)
		assert.Equal(t, resp.StatusCode, http.StatusOK)
		return tls.Client(conn, &tls.Config{ServerName: sni, InsecureSkipVerify: true}).HandshakeContext(t.Context())
	}
	assert.NilError(t, handshake(host, "listed.test"))
	assert.NilError(t, handshake(host, "LISTED.test"))
	for _, sni := range []string{"other.test", "www.listed.test", ""} {
		assert.ErrorContains(t, handshake(host, sni), "access denied")
	}
	assert.NilError(t, handshake(address, ""))
	assert.ErrorContains(t, handshake(address, "other.test"), "access denied")
	denied := 0
	for _, d := range f.log.all(t) {
		assert.Equal(t, d.Kind, "connect")
		if d.Verdict == Denied {
			denied++
			assert.Assert(t, strings.Contains(d.Reason, "SNI"), d.Reason)
		}
	}
	assert.Equal(t, denied, 4)
}

func tunnel(t testing.TB, f *fixture, host string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", host)
	br := bufio.NewReader(conn)
	resp := receive(t, br, http.MethodConnect)
	assert.Equal(t, resp.StatusCode, http.StatusOK)
	return conn, br
}

func TestHTTPWithinATunnelIsHeldToItsHost(t *testing.T) {
	_, address, port := site(t, hello)
	host := fmt.Sprintf("listed.test:%d", port)
	f := start(t, Config{Mode: Restricted, Allow: []string{host, address, "other.test"}}, map[string][]string{"listed.test": {"127.0.0.1"}})
	conn, br := tunnel(t, f, host)
	for range 2 {
		fmt.Fprintf(conn, "GET /path HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		resp := receive(t, br, http.MethodGet)
		b, _ := io.ReadAll(resp.Body)
		assert.Equal(t, string(b), "GET "+host+" /path")
	}
	// The first request was honest; the next one is looked at all the same.
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
	resp := receive(t, br, http.MethodGet)
	assert.Equal(t, resp.StatusCode, http.StatusBadRequest)
	for _, request := range []string{
		"GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
		"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\n",
	} {
		conn, br := tunnel(t, f, host)
		fmt.Fprint(conn, request)
		resp := receive(t, br, http.MethodGet)
		assert.Equal(t, resp.StatusCode, http.StatusBadRequest, request)
	}
}

func TestWhatIsNeitherTLSNorHTTPNeedsAPortOfItsOwn(t *testing.T) {
	at := answering(t, func(c net.Conn) {
		b, _ := io.ReadAll(c) // the client's end comes through
		_, _ = fmt.Fprintf(c, "got %s", b)
	})
	address, port := at.String(), at.Port()
	f := start(t, Config{Mode: Restricted, Allow: []string{fmt.Sprintf("git.test:%d", port), address}}, map[string][]string{"git.test": {"127.0.0.1"}})
	conn, br := tunnel(t, f, fmt.Sprintf("git.test:%d", port))
	fmt.Fprint(conn, "SSH-2.0-test")
	assert.NilError(t, conn.(*net.TCPConn).CloseWrite())
	b, err := io.ReadAll(br)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "got SSH-2.0-test")

	p := f.policy
	assert.NilError(t, p.add([]string{"web.test", "web.test:443"}, nil))
	assert.Assert(t, !p.decide(netip.Addr{}, Host{Name: "web.test"}, 443).raw)
}

func TestAHostAllowedWhileRunningCountsAtOnce(t *testing.T) {
	_, address, port := site(t, hello)
	f := start(t, Config{Mode: Restricted, Allow: []string{address}}, map[string][]string{"later.test": {"127.0.0.1"}})
	socket := t.TempDir() + "/s"
	l, err := listenControl(socket)
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() { _ = serveControl(l, f.policy) }()
	env := func(name string) string {
		return map[string]string{socketVariable: socket}[name]
	}
	main := func(args ...string) (int, string, string) {
		var stdout, stderr strings.Builder
		code := Main(t.Context(), args, Process{Getenv: env, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
		return code, stdout.String(), stderr.String()
	}

	host := fmt.Sprintf("later.test:%d", port)
	request := fmt.Sprintf("GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", host)
	resp, _ := f.send(t, request)
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	code, _, stderr := main("allow", host, "no/host")
	assert.Equal(t, code, 1)
	assert.Assert(t, strings.Contains(stderr, "no scheme"), stderr)
	resp, _ = f.send(t, request)
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	code, _, _ = main("allow", host)
	assert.Equal(t, code, 0)
	resp, _ = f.send(t, request)
	assert.Equal(t, resp.StatusCode, http.StatusOK)
	code, stdout, _ := main("policy")
	assert.Equal(t, code, 0)
	c, err := ParseConfig(stdout)
	assert.NilError(t, err)
	assert.DeepEqual(t, c.Allow, []string{address, host})
	code, _, _ = main("ready")
	assert.Equal(t, code, 0)
	code, _, _ = main("nonsense")
	assert.Equal(t, code, 2)
}

func TestOnlyClientsAreServed(t *testing.T) {
	f := start(t, Config{Mode: Open, Clients: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, nil)
	conn, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	defer conn.Close()
	b, _ := io.ReadAll(conn)
	assert.Equal(t, len(b), 0)
	assert.Equal(t, f.log.all(t)[0].Verdict, Denied)
}

func TestTheProxyIsNotLedToItself(t *testing.T) {
	own := isOwnListener(Config{Forwards: []Forward{{Listen: 8080}}})
	assert.Assert(t, own(netip.MustParseAddrPort("127.0.0.1:3128")))
	assert.Assert(t, own(netip.MustParseAddrPort("127.0.0.1:8080")))
	assert.Assert(t, !own(netip.MustParseAddrPort("127.0.0.1:8081")))
	assert.Assert(t, !own(netip.MustParseAddrPort("1.1.1.1:3128")))
	addrs, err := net.InterfaceAddrs()
	assert.NilError(t, err)
	for _, a := range addrs {
		assert.Assert(t, own(netip.AddrPortFrom(netip.MustParsePrefix(a.String()).Addr(), Port)), a)
	}
}

func FuzzReadClientHello(f *testing.F) {
	var hello bytes.Buffer
	_ = tls.Client(recorder{&hello}, &tls.Config{ServerName: "listed.test"}).Handshake()
	f.Add(hello.Bytes())
	f.Add([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		sni, read, err := readClientHello(bytes.NewReader(b))
		assert.Assert(t, bytes.HasPrefix(b, read))
		if err != nil {
			assert.Equal(t, sni, "")
		}
	})
}

func TestClientHelloIsReadWhereverItIsCut(t *testing.T) {
	var hello bytes.Buffer
	_ = tls.Client(recorder{&hello}, &tls.Config{ServerName: "listed.test"}).Handshake()
	b := hello.Bytes()
	sni, read, err := readClientHello(bytes.NewReader(b))
	assert.NilError(t, err)
	assert.Equal(t, sni, "listed.test")
	assert.DeepEqual(t, read, b)
	// The message in records of 100 bytes.
	var records []byte
	for rest := b[5:]; len(rest) > 0; {
		n := min(100, len(rest))
		records = append(append(records, 22, 3, 1, 0, byte(n)), rest[:n]...)
		rest = rest[n:]
	}
	sni, read, err = readClientHello(bytes.NewReader(records))
	assert.NilError(t, err)
	assert.Equal(t, sni, "listed.test")
	assert.DeepEqual(t, read, records)
	for n := range b {
		_, _, err := readClientHello(bytes.NewReader(b[:n]))
		assert.Assert(t, err != nil, "%d bytes", n)
	}
}

// recorder keeps what a client writes, and answers nothing.
type recorder struct{ w io.Writer }

func (recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (r recorder) Write(b []byte) (int, error)    { return r.w.Write(b) }
func (recorder) Close() error                     { return nil }
func (recorder) LocalAddr() net.Addr              { return nil }
func (recorder) RemoteAddr() net.Addr             { return nil }
func (recorder) SetDeadline(time.Time) error      { return nil }
func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

func FuzzParseHead(f *testing.F) {
	f.Add("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	f.Add("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		i := strings.Index(s, "\r\n\r\n")
		if i < 0 {
			return
		}
		s = s[:i+4]
		h, err := parseHead([]byte(s))
		if err != nil {
			return
		}
		host, port, err := h.destination()
		if err != nil {
			return
		}
		// What we understood, net/http understands too, to the last byte.
		br := bufio.NewReader(strings.NewReader(s))
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		assert.Equal(t, r.Method, h.method)
		a, p, err := authority(r.Host, map[bool]int{true: port, false: 80}[h.method == "CONNECT"])
		assert.NilError(t, err, "%q", s)
		assert.Equal(t, a, host)
		assert.Equal(t, p, port)
		assert.Equal(t, br.Buffered(), 0)
	})
}

func TestAHeadThatDoesNotComeEndsTheConnection(t *testing.T) {
	f := start(t, Config{Mode: Open}, nil, func(x *proxy) { x.headTime = time.Millisecond })
	conn, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET http://a.test/ HTTP/1.1\r\nHost: a.te")
	b, err := io.ReadAll(conn)
	assert.NilError(t, err)
	assert.Equal(t, len(b), 0)
}

func TestConnectionsBeyondTheLimitAreTold(t *testing.T) {
	f := start(t, Config{Mode: None}, nil, func(x *proxy) { x.slots = make(chan struct{}, 1) })
	first, err := net.Dial("tcp", f.address)
	assert.NilError(t, err)
	defer first.Close()
	// Its turn comes before that of the next one.
	resp, _ := f.send(t, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	assert.Equal(t, resp.StatusCode, http.StatusServiceUnavailable)
}
