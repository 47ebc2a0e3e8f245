package engine

import (
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
