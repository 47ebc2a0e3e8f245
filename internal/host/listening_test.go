package host

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func listen(t *testing.T, network, addr string) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil && strings.HasSuffix(network, "6") {
		t.Skipf("no IPv6 here: %v", err)
	}
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func TestListenerOnAnyAddressTakesThePort(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ network, addr string }{
		{"tcp", ":0"}, {"tcp4", "0.0.0.0:0"}, {"tcp4", "127.0.0.1:0"}, {"tcp6", "[::]:0"}, {"tcp6", "[::1]:0"},
	} {
		t.Run(tc.network+" "+tc.addr, func(t *testing.T) {
			t.Parallel()
			_, port := listen(t, tc.network, tc.addr)
			for _, ip := range []string{"", "0.0.0.0", "::", "[::]"} {
				assert.Check(t, This().Listening(ip, "tcp", port), "asked for %q", ip)
			}
		})
	}
}

func TestListenerTakesThePortOfItsOwnAddress(t *testing.T) {
	t.Parallel()
	_, port := listen(t, "tcp4", "127.0.0.1:0")
	assert.Check(t, This().Listening("127.0.0.1", "tcp", port))
	_, port = listen(t, "tcp4", "0.0.0.0:0")
	assert.Check(t, This().Listening("127.0.0.1", "tcp", port), "a wildcard listener has every address")
	_, port = listen(t, "tcp6", "[::1]:0")
	assert.Check(t, This().Listening("::1", "tcp", port))
	assert.Check(t, !This().Listening("127.0.0.1", "tcp", port), "a listener on ::1 is not a listener on 127.0.0.1")
}

func TestUDPListenerTakesTheUDPPort(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { c.Close() })
	port := c.LocalAddr().(*net.UDPAddr).Port
	assert.Check(t, This().Listening("", "udp", port))
	assert.Check(t, This().Listening("127.0.0.1", "udp", port))
	assert.Check(t, !This().Listening("127.0.0.1", "sctp", port))
}

// Any one port may be in use by chance; ten in a row are not.
func somePort(ok func(port int) bool) bool {
	for range 10 {
		if ok(10000 + rand.IntN(20000)) {
			return true
		}
	}
	return false
}

func TestFreePortIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"tcp", "udp"} {
		for _, ip := range []string{"", "127.0.0.1", "::"} {
			assert.Check(t, somePort(func(p int) bool { return !This().Listening(ip, protocol, p) }), "%s %s", protocol, ip)
			// Asking must not itself take the port.
			assert.Check(t, somePort(func(p int) bool {
				first, second := This().Listening(ip, protocol, p), This().Listening(ip, protocol, p)
				return !first && !second
			}))
		}
	}
}

func TestForeignAddressAndImpossiblePortAreNotTaken(t *testing.T) {
	t.Parallel()
	_, port := listen(t, "tcp", ":0")
	for _, ip := range []string{"localhost", "no address", "192.0.2"} {
		assert.Check(t, !This().Listening(ip, "tcp", port), ip)
	}
	// 192.0.2.0/24 is for documentation: no host has it.
	assert.Check(t, somePort(func(p int) bool { return !This().Listening("192.0.2.1", "tcp", p) }))
	for _, p := range []int{0, -1, 65536} {
		assert.Check(t, !This().Listening("", "tcp", p))
	}
}

func TestListenerOnAPortNotOursToBindIsSeenByConnecting(t *testing.T) {
	t.Parallel()
	l, port := listen(t, "tcp4", "127.0.0.1:0")
	assert.Check(t, accepts(any4, uint16(port)))
	assert.Check(t, accepts(loop4, uint16(port)))
	l.Close()
	assert.Check(t, somePort(func(p int) bool { return !accepts(any4, uint16(p)) }))
}

func TestWildcardAndAddressAreBothProbedOffLinux(t *testing.T) {
	t.Parallel()
	one := netip.MustParseAddr("10.0.0.1")
	assert.Assert(t, slices.Equal(probes("10.0.0.1", "linux"), []netip.Addr{one}))
	for _, goos := range []string{"darwin", "windows"} {
		assert.Assert(t, slices.Equal(probes("10.0.0.1", goos), []netip.Addr{one, any4, any6}))
		assert.Assert(t, slices.Equal(probes("", goos), []netip.Addr{any4, any6, loop4, loop6}))
	}
	assert.Assert(t, slices.Equal(probes("::ffff:10.0.0.1", "linux"), []netip.Addr{one}))
}

// serve answers every connection with h, which owns it.
func serve(t *testing.T, h func(net.Conn)) string {
	t.Helper()
	l, _ := listen(t, "tcp4", "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h(c)
		}
	}()
	return l.Addr().String()
}

func TestAnswersTellsAServerFromAnEmptyProxy(t *testing.T) {
	t.Parallel()
	hold := func(c net.Conn) { t.Cleanup(func() { c.Close() }) }
	for _, tc := range []struct {
		name string
		h    func(net.Conn)
		want bool
	}{
		{"waits for the client", hold, true},
		{"greets", func(c net.Conn) { c.Write([]byte("SSH-2.0")); hold(c) }, true},
		{"greets and hangs up", func(c net.Conn) { c.Write([]byte("bye")); c.Close() }, true},
		{"hangs up at once", func(c net.Conn) { c.Close() }, false},
		{"takes its time to hang up at first", func() func(net.Conn) {
			first := true
			return func(c net.Conn) {
				if first {
					_, _ = c.Read(make([]byte, 1)) // until the client has had enough
				}
				first = false
				c.Close()
			}
		}(), false},
		{"resets at once", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, Answers(t.Context(), serve(t, tc.h)), tc.want)
		})
	}
}

func TestNobodyAnswersAtAClosedPortOrAfterTheContext(t *testing.T) {
	t.Parallel()
	l, _ := listen(t, "tcp4", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Assert(t, !Answers(ctx, l.Addr().String()))
	assert.Assert(t, somePort(func(p int) bool {
		return !Answers(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}))
	assert.Assert(t, !Answers(t.Context(), "no address"))
}

func TestAnswersEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	// The backlog accepts, so the connection would stay open.
	addr := serve(t, func(c net.Conn) {
		t.Cleanup(func() { c.Close() })
		cancel()
	})
	assert.Assert(t, !Answers(ctx, addr))
}

func TestRoutesHaveTheLoopbackAndNoDefault(t *testing.T) {
	t.Parallel()
	got, err := This().Routes()
	assert.NilError(t, err)
	assert.Assert(t, slices.Contains(got, netip.MustParsePrefix("127.0.0.0/8")), "%v", got)
	for _, p := range got {
		assert.Check(t, p.Bits() >= 8, p.String())
		assert.Check(t, p == p.Masked())
	}
}

func TestKernelRoutesAreReadInHostByteOrder(t *testing.T) {
	t.Parallel()
	if b, _ := parseHex("0000FEA9"); b != [4]byte{169, 254, 0, 0} {
		t.Skip("the table below is a little-endian host's")
	}
	got, err := parseRoutes(strings.NewReader(`Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0102A8C0	0003	0	0	100	00000000	0	0	0
tun0	00000000	0100080A	0003	0	0	0	00000080	0	0	0
eth0	0002A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
tun0	0000080A	00000000	0001	0	0	0	0000FFFF	0	0	0
*	00000AAC	00000000	0200	0	0	0	0000FEFF	0	0	0
broken line
`))
	assert.NilError(t, err)
	want := []string{"0.0.0.0/0", "0.0.0.0/1", "192.168.2.0/24", "10.8.0.0/16", "172.10.0.0/15"}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	assert.DeepEqual(t, texts, want)
}
