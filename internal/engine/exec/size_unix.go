//go:build unix

package exec

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/docker/cli/cli/streams"
)

// sizeChanges tells when the terminal has another size, until ctx ends.
func sizeChanges(ctx context.Context, _ *streams.Out) <-chan os.Signal {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	context.AfterFunc(ctx, func() { signal.Stop(changes) })
	return changes
}
