package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// memoryLimit keeps the heap within the 64 MB of a sidecar, beside the binary's own pages.
const memoryLimit = 40 << 20

// serve runs the proxy, the forwards and the control channel until SIGTERM or SIGINT. It then ends at once, with what
// is open: a sandbox without its proxy has no way out.
func serve(ctx context.Context, c Config, socket string, process Process) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(50)

	if forwardsPackets() {
		return errors.New("this container forwards packets from one of its networks to the other (net.ipv4.ip_forward)")
	}
	p, err := newPolicy(c)
	if err != nil {
		return err
	}
	x := newProxy(p, process.Stdout, nil)
	x.isOwnListener = isOwnListener(c)
	s := &servers{ctx: ctx, ended: make(chan error)}
	if err := s.start(c, x, socket); err != nil {
		return err
	}

	// The start of the whole program took more memory than serving does.
	debug.FreeOSMemory()
	releasePages()
	fmt.Fprintln(process.Stderr, "docker-loom egress: ready")
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		if ctx.Err() != nil || errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}

// servers are the listeners of a sidecar. They close when ctx ends.
type servers struct {
	ctx   context.Context
	ended chan error // the first server that ended by itself
}

// start listens on all ports. If one cannot be had, the sidecar does not start.
func (s *servers) start(c Config, x *proxy, socket string) error {
	dialer := x.serviceDialer(c)
	for _, f := range c.Forwards {
		address := ":" + strconv.Itoa(f.Listen)
		if f.Protocol == "udp" {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: f.Listen})
			if err != nil {
				return err
			}
			s.add("forward "+address+"/udp", conn, func() error { return forwardUDP(s.ctx, conn, f.Target, dialer) })
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		s.add("forward "+address, l, func() error { return forwardTCP(s.ctx, l, f.Target, dialer) })
	}
	l, err := net.Listen("tcp", ":"+strconv.Itoa(Port))
	if err != nil {
		return err
	}
	s.add("proxy", l, func() error { return x.listen(s.ctx, l) })
	unix, err := listenControl(socket)
	if err != nil {
		return err
	}
	s.add("control", unix, func() error { return serveControl(unix, x.policy) })
	return nil
}

func (s *servers) add(name string, listener io.Closer, serve func() error) {
	context.AfterFunc(s.ctx, func() { listener.Close() })
	go func() {
		err := serve()
		select {
		case s.ended <- fmt.Errorf("%s: %w", name, err):
		case <-s.ctx.Done():
		}
	}()
}

// isOwnListener returns a function that reports whether an address is a listener of this process: the proxy must not
// connect to itself.
func isOwnListener(c Config) func(netip.AddrPort) bool {
	ports := []int{Port}
	for _, f := range c.Forwards {
		ports = append(ports, f.Listen)
	}
	return func(a netip.AddrPort) bool {
		if !slices.Contains(ports, int(a.Port())) {
			return false
		}
		addr := a.Addr().WithZone("").Unmap()
		if addr.IsLoopback() || addr.IsUnspecified() {
			return true
		}
		// The container may join networks while it runs.
		own, err := net.InterfaceAddrs()
		return err != nil || slices.ContainsFunc(own, func(n net.Addr) bool {
			p, err := netip.ParsePrefix(n.String())
			return err == nil && p.Addr().Unmap() == addr
		})
	}
}

// forwardsPackets reports whether the kernel would pass packets between the networks of a sidecar, past the proxy. It
// is false outside of a container, as in tests.
func forwardsPackets() bool {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	return os.Getpid() == 1 && (err != nil || strings.TrimSpace(string(b)) != "0")
}
