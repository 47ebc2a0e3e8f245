package host

import "context"

// Sockets lists the TCP sockets of this host's network namespace.
func (*Host) Sockets(context.Context) ([]Socket, error) { return readSockets("/proc/net") }
