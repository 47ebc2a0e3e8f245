package devbox

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// RunOnHost runs a command on this machine, with its output on w. Commands that are parallel all end before the first
// failure of one is returned.
func RunOnHost(ctx context.Context, c devcontainer.Command, dir string, w io.Writer) error {
	if c.Parallel == nil {
		args := c.Exec
		if args == nil {
			args = []string{"/bin/sh", "-c", c.Shell}
			if runtime.GOOS == "windows" {
				args = []string{"cmd", "/c", c.Shell}
			}
		}
		if len(args) == 0 || args[0] == "" {
			return nil
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, w
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		return nil
	}
	var mu sync.Mutex
	errs := make([]error, len(c.Parallel))
	var wg sync.WaitGroup
	for i, named := range c.Parallel {
		wg.Go(func() {
			if err := RunOnHost(ctx, named.Command, dir, &lockedWriter{mu: &mu, w: w}); err != nil {
				errs[i] = fmt.Errorf("%s: %w", named.Name, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lockedWriter keeps the writes of several commands apart.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
