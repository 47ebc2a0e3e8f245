package stack

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v2/cmd/formatter"
	"github.com/docker/compose/v2/pkg/api"
)

// DryRun makes the Stack tell what it would do and do nothing, and returns the context in which that is known.
func (s *Stack) DryRun(ctx context.Context) (context.Context, error) {
	return s.compose.DryRunMode(ctx, true)
}

// RestartOptions are the choices of Restart, as docker compose restart has them.
type RestartOptions struct {
	// Services are those to restart, empty for all.
	Services []string
	// NoDeps leaves alone what depends on them.
	NoDeps bool
	// Timeout bounds the stopping of containers; nil is each service's own.
	Timeout *time.Duration
	// Project gives the hooks; nil runs none.
	Project *types.Project
}

// Restart restarts containers of the project with this name.
func (s *Stack) Restart(ctx context.Context, name string, o RestartOptions) error {
	return s.compose.Restart(ctx, name, api.RestartOptions{
		Project: o.Project, Services: o.Services, NoDeps: o.NoDeps, Timeout: o.Timeout,
	})
}

// Signal sends a signal, by name or number, to running containers of the project with this name.
func (s *Stack) Signal(ctx context.Context, name string, services []string, signal string) error {
	return s.compose.Kill(ctx, name, api.KillOptions{Services: services, Signal: signal})
}

// Pause freezes running containers of the project with this name.
func (s *Stack) Pause(ctx context.Context, name string, services []string) error {
	return s.compose.Pause(ctx, name, api.PauseOptions{Services: services})
}

// Unpause lets paused containers of the project with this name go on.
func (s *Stack) Unpause(ctx context.Context, name string, services []string) error {
	return s.compose.UnPause(ctx, name, api.PauseOptions{Services: services})
}

// Processes are those of one container.
type Processes struct {
	Service   string
	Container string
	Replica   string // Compose's number of the container, "" without one
	Titles    []string
	Rows      [][]string // one a process, with a value a title
}

// Top lists the processes of running containers of the project with this name.
func (s *Stack) Top(ctx context.Context, name string, services []string) ([]Processes, error) {
	list, err := s.compose.Top(ctx, name, services)
	if err != nil {
		return nil, err
	}
	var all []Processes
	for _, c := range list {
		all = append(all, Processes{
			Service: c.Service, Container: c.Name, Replica: c.Replica, Titles: c.Titles, Rows: c.Processes,
		})
	}
	return all, nil
}

// CopyOptions are the choices of Copy, as docker compose cp has them.
type CopyOptions struct {
	// Source and Destination: one of them is SERVICE:PATH, the other a path on this machine, or - for a tar stream.
	Source, Destination string
	// Index is the number of the container if the service has several; 0 copies to all, or from the first.
	Index int
	// All takes containers of the run command too.
	All bool
	// FollowLink follows a symbolic link in the source; Archive keeps user and group ids.
	FollowLink, Archive bool
}

// CopiedService is the service whose files are copied, "" where neither side names one.
func CopiedService(o CopyOptions) string {
	for _, side := range []string{o.Source, o.Destination} {
		// As docker and Compose tell SERVICE:PATH from a path with a colon in it.
		service, _, ok := strings.Cut(side, ":")
		isPath := filepath.IsAbs(side) || strings.HasPrefix(side, string(filepath.Separator)) ||
			strings.HasPrefix(service, ".")
		if ok && !isPath {
			return service
		}
	}
	return ""
}

// Copy copies files to or from containers of the project with this name.
func (s *Stack) Copy(ctx context.Context, name string, o CopyOptions) error {
	return s.compose.Copy(ctx, name, api.CopyOptions{
		Source: o.Source, Destination: o.Destination, Index: o.Index, All: o.All,
		FollowLink: o.FollowLink, CopyUIDGID: o.Archive,
	})
}

// LogOptions are the choices of Logs, as docker compose logs has them.
type LogOptions struct {
	Services           []string
	Index              int // of one container of the one service named; 0 for all
	Follow, Timestamps bool
	Tail, Since, Until string
	NoColor, NoPrefix  bool
	Stdout, Stderr     io.Writer
}

// Logs copies the containers' output to the writers until it ends; if it is followed, until ctx ends.
func (s *Stack) Logs(ctx context.Context, name string, o LogOptions) error {
	consumer := formatter.NewLogConsumer(ctx, o.Stdout, o.Stderr, !o.NoColor, !o.NoPrefix, false)
	return s.compose.Logs(ctx, name, consumer, api.LogOptions{
		Services: o.Services, Index: o.Index, Follow: o.Follow,
		Timestamps: o.Timestamps, Tail: o.Tail, Since: o.Since, Until: o.Until,
	})
}
