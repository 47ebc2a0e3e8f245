package exec

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/docker/docker/api/types/container"
	"github.com/moby/term"
)

// size is the height and width of the terminal, nil without one.
func (x *execution) size() *[2]uint {
	if x.process.Terminal == nil {
		return nil
	}
	height, width := x.process.Terminal.Out.GetTtySize()
	return &[2]uint{height, width}
}

// resize tells the engine the terminal's size, now and whenever it changes, until stop is called.
func (x *execution) resize(t *Terminal) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	changed := sizeChanges(ctx, t.Out)
	go func() {
		// The engine answers an attach before the command has its terminal.
		until := backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxElapsedTime(time.Second))
		_ = backoff.Retry(func() error { return x.tellSize(ctx) }, backoff.WithContext(until, ctx))
		for {
			select {
			case <-changed:
				_ = x.tellSize(ctx) // the command may have ended meanwhile
			case <-ctx.Done():
				return
			}
		}
	}()
	return cancel
}

func (x *execution) tellSize(ctx context.Context) error {
	size := x.size()
	if size[0] == 0 && size[1] == 0 {
		return nil
	}
	return x.api.ContainerExecResize(ctx, x.id, container.ResizeOptions{Height: size[0], Width: size[1]})
}

// raw hands every key to the command, Ctrl-C too, until restore is called.
func raw(t *Terminal) (restore func(), err error) {
	if err := t.In.SetRawTerminal(); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	if err := t.Out.SetRawTerminal(); err != nil {
		t.In.RestoreTerminal()
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() {
		t.In.RestoreTerminal()
		t.Out.RestoreTerminal()
	}, nil
}

// detachKeys are the bytes of keys such as "ctrl-p,ctrl-q"; those that make no sense are Docker's own, as in docker
// exec.
func detachKeys(keys string) []byte {
	if b, err := term.ToBytes(keys); keys != "" && err == nil {
		return b
	}
	return []byte{16, 17}
}
