package engine

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Tail returns the last n lines that a container wrote to stdout and stderr, in
// the order the engine kept them, without line ends. A log driver that cannot be
// read is an error.
func (e *Engine) Tail(ctx context.Context, id string, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	c, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("logs of container %s: %w", id, err)
	}
	r, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true,
		ShowStderr: true,
		Tail:       strconv.Itoa(n),
	})
	if err != nil {
		return nil, fmt.Errorf("logs of container %s: %w", id, err)
	}
	defer r.Close()
	var b bytes.Buffer
	if c.Config != nil && c.Config.Tty {
		_, err = io.Copy(&b, r)
	} else {
		_, err = stdcopy.StdCopy(&b, &b, r)
	}
	if err != nil {
		return nil, fmt.Errorf("logs of container %s: %w", id, err)
	}
	return lastLines(b.String(), n), nil
}

func lastLines(s string, n int) []string {
	if s == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// LogOptions chooses lines of a container's log.
type LogOptions struct {
	Tail   string // how many of the last lines, or "all"
	Follow bool   // go on until the context ends
}

// Lines calls f for each line that a container writes to stdout, until f returns an error or the log ends.
func (e *Engine) Lines(ctx context.Context, id string, o LogOptions, f func(line []byte) error) error {
	r, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, Tail: o.Tail, Follow: o.Follow})
	if err != nil {
		return fmt.Errorf("logs of container %.12s: %w", id, err)
	}
	defer r.Close()
	pr, pw := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(pw, io.Discard, r)
		pw.CloseWithError(err)
	}()
	defer pr.Close()
	lines := bufio.NewScanner(pr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("logs of container %.12s: %w", id, err)
	}
	return nil
}

// HealthcheckResult is how a healthcheck of a container ended.
type HealthcheckResult struct {
	// ExitCode is -1 for one that took too long or could not run.
	ExitCode int
	// Output are the lines that it printed.
	Output []string
}

// Ended says how the healthcheck ended: "exits with code 1".
func (r *HealthcheckResult) Ended() string {
	if r.ExitCode < 0 {
		return "does not end in time or cannot run"
	}
	return fmt.Sprintf("exits with code %d", r.ExitCode)
}

// lastHealthcheck is the last healthcheck of a container, nil if none has ended.
func lastHealthcheck(h *container.Health) *HealthcheckResult {
	if h == nil || len(h.Log) == 0 {
		return nil
	}
	last := h.Log[len(h.Log)-1]
	output := strings.TrimRight(last.Output, "\r\n")
	return &HealthcheckResult{ExitCode: last.ExitCode, Output: lastLines(output, len(output))}
}
