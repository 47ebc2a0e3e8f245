//go:build !linux

package host

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// Sockets lists the TCP sockets of this host.
func (*Host) Sockets(ctx context.Context) ([]Socket, error) {
	out, err := exec.CommandContext(ctx, "netstat", "-an").Output()
	if err != nil {
		return nil, fmt.Errorf("netstat -an: %w", err)
	}
	return parseNetstat(bytes.NewReader(out))
}
