package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
)

// dial connects the client of ctx to a host that is allowed. It checks the address that the socket is about to connect
// to, so that no answer of a name server, first or second, can lead elsewhere.
func (x *proxy) dial(ctx context.Context, h Host, port int) (net.Conn, error) {
	client := clientOf(ctx)
	r := x.policy.decide(client, h, port)
	if !r.allowed {
		return nil, errors.New(r.reason)
	}
	d := x.dialer
	var refused atomic.Pointer[error]
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		err = x.policy.checkAddress(client, a, r)
		if err == nil && x.isOwnListener != nil && x.isOwnListener(a) {
			err = &refusedError{a.Addr().Unmap(), "the proxy itself"}
		}
		if err != nil {
			refused.Store(&err)
		}
		return err
	}
	name := h.String()
	if !h.Address.IsValid() {
		name += "." // so that no search domain is appended
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(name, strconv.Itoa(port)))
	if e := refused.Load(); err != nil && e != nil {
		return nil, *e // says more than the error of another address that was not reachable
	}
	return conn, err
}
