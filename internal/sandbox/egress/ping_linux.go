package egress

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// probePing sends an ICMP echo, which needs no privilege if the engine's ping_group_range allows it. If a socket
// cannot be made, nothing can come back.
func probePing(_ context.Context, address string) (string, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", err
	}
	family, protocol, echo := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	var to unix.Sockaddr = &unix.SockaddrInet4{}
	if a.Is6() {
		family, protocol, echo = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
		to = &unix.SockaddrInet6{Addr: a.As16()}
	} else {
		to.(*unix.SockaddrInet4).Addr = a.As4()
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return "", nil
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(int64(probeTime / time.Nanosecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return "", err
	}
	packet := []byte{echo, 0, 0, 0, 0, 0, 0, 1, 'l', 'o', 'o', 'm'} // the kernel fills in checksum and id
	if err := unix.Sendto(fd, packet, 0, to); err != nil {
		return "", nil
	}
	b := make([]byte, 256)
	for {
		_, _, err := unix.Recvfrom(fd, b, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil:
			return "answers a ping", nil
		default:
			return "", nil
		}
	}
}
