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

// memoryLimit keeps the heap within the 64 MB that a sidecar has, beside the binary's own pages.
const memoryLimit = 40 << 20

// serve runs the proxy, the forwarders and the control channel until SIGTERM or SIGINT, at which it ends at once: what is
// open then has no time to end, and a sandbox without its proxy has no way out.
func serve(ctx context.Context, c Config, socket string, log, ready io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(50)

	if forwarding() {
		return errors.New("this container forwards packets from one of its networks to the other (net.ipv4.ip_forward)")
	}
	p, err := newPolicy(c)
	if err != nil {
		return err
	}
	x := newProxy(p, log, nil)
	x.own = ownAddresses(c)
	ended := make(chan error)
	start := func(what string, run func() error, closer io.Closer) {
		context.AfterFunc(ctx, func() { closer.Close() })
		go func() {
			err := run()
			select {
			case ended <- fmt.Errorf("%s: %w", what, err):
			case <-ctx.Done():
			}
		}()
	}

	inside := x.inside(c)
	// All is bound before anything is served: a sidecar that lacks a port is none.
	for _, f := range c.Forwards {
		address := ":" + strconv.Itoa(f.Listen)
		if f.Protocol == "udp" {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: f.Listen})
			if err != nil {
				return err
			}
			start("forward "+address+"/udp", func() error { return forwardUDP(ctx, conn, f.Target, inside) }, conn)
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		start("forward "+address, func() error { return forwardTCP(ctx, l, f.Target, inside) }, l)
	}
	l, err := net.Listen("tcp", ":"+strconv.Itoa(Port))
	if err != nil {
		return err
	}
	start("proxy", func() error { return x.listen(ctx, l) }, l)
	unix, err := listenControl(socket)
	if err != nil {
		return err
	}
	start("control", func() error { return control(unix, p) }, unix)

	// What the start of the whole program took.
	debug.FreeOSMemory()
	releasePages()
	fmt.Fprintln(ready, "docker-loom egress: ready")
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		if ctx.Err() != nil || errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}

// ownAddresses says whether an address is a listener of this process, so that the proxy is not led to itself.
func ownAddresses(c Config) func(netip.AddrPort) bool {
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
		// Asked each time: networks are joined while this runs.
		own, err := net.InterfaceAddrs()
		return err != nil || slices.ContainsFunc(own, func(n net.Addr) bool {
			p, err := netip.ParsePrefix(n.String())
			return err == nil && p.Addr().Unmap() == addr
		})
	}
}

// forwarding says whether the kernel would pass packets on between the networks of a sidecar, past the proxy. Outside of a
// container, as in tests, there is no such wall.
func forwarding() bool {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	return os.Getpid() == 1 && (err != nil || strings.TrimSpace(string(b)) != "0")
}
