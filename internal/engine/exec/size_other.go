//go:build !unix

package exec

import (
	"context"
	"os"
	"time"

	"github.com/docker/cli/cli/streams"
)

// sizeChanges tells when the terminal has another size, until ctx ends. Here nothing tells us, so that it is looked at
// four times a second, as docker exec does.
func sizeChanges(ctx context.Context, out *streams.Out) <-chan os.Signal {
	changes := make(chan os.Signal, 1)
	go func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		height, width := out.GetTtySize()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if h, w := out.GetTtySize(); h != height || w != width {
				height, width = h, w
				select {
				case changes <- os.Interrupt:
				default:
				}
			}
		}
	}()
	return changes
}
