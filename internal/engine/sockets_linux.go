package engine

import "context"

// Sockets lists the TCP sockets of this host's network namespace.
func Sockets(context.Context) ([]Socket, error) { return readSockets("/proc/net") }
