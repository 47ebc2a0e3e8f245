package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
)

// Load is what a running container uses at one moment. All sizes are in bytes.
type Load struct {
	// CPU is the share of one CPU since the reading before, in percent, so that 200 is two of them; negative at a
	// container's first reading.
	CPU         float64
	Memory      uint64 // without the page cache that the kernel can take back
	MemoryLimit uint64 // the container's, otherwise what the host has
	NetIn       uint64 // since the container's start, as the three below
	NetOut      uint64
	BlockRead   uint64
	BlockWrite  uint64
	PIDs        uint64 // processes and threads; 0 on Windows
}

// Meter reads what containers use. It remembers the reading before, which the share of CPU is counted from.
type Meter struct {
	e    *Engine
	last map[string]spent
}

// spent is how much CPU a container had used when it was read.
type spent struct {
	cpu time.Duration
	at  time.Time
}

// Meter returns a meter that has read nothing yet.
func (e *Engine) Meter() *Meter { return &Meter{e: e, last: map[string]spent{}} }

// Read reads what the containers with these IDs use, by ID. One that has ended meanwhile is left out. A reading asks
// the engine for what the kernel has counted until now: unlike docker stats it does not wait a second for the next
// count.
func (m *Meter) Read(ctx context.Context, ids []string) (map[string]Load, error) {
	var (
		mu    sync.Mutex
		usage = map[string]Load{}
		now   = map[string]spent{}
	)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, id := range ids {
		g.Go(func() error {
			s, windows, err := m.e.stats(ctx, id)
			if errdefs.IsNotFound(err) || errdefs.IsConflict(err) || err == nil && s.Read.IsZero() {
				return nil
			}
			if err != nil {
				return fmt.Errorf("usage of container %s: %w", id, err)
			}
			mu.Lock()
			defer mu.Unlock()
			u, at := measured(s, windows)
			u.CPU = -1
			if before, ok := m.last[id]; ok && at.at.After(before.at) && at.cpu >= before.cpu {
				u.CPU = 100 * float64(at.cpu-before.cpu) / float64(at.at.Sub(before.at))
			}
			usage[id], now[id] = u, at
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.last = now
	return usage, nil
}

func (e *Engine) stats(ctx context.Context, id string) (s container.StatsResponse, windows bool, err error) {
	r, err := e.api.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return s, false, err
	}
	defer r.Body.Close()
	return s, r.OSType == "windows", json.NewDecoder(r.Body).Decode(&s)
}

// measured takes from the engine's numbers what docker stats shows of them.
func measured(s container.StatsResponse, windows bool) (Load, spent) {
	u := Load{Memory: s.MemoryStats.Usage, MemoryLimit: s.MemoryStats.Limit, PIDs: s.PidsStats.Current}
	for _, n := range s.Networks {
		u.NetIn += n.RxBytes
		u.NetOut += n.TxBytes
	}
	at := spent{cpu: time.Duration(s.CPUStats.CPUUsage.TotalUsage), at: s.Read}
	if windows {
		u.Memory, u.PIDs = s.MemoryStats.PrivateWorkingSet, 0
		u.BlockRead, u.BlockWrite = s.StorageStats.ReadSizeBytes, s.StorageStats.WriteSizeBytes
		at.cpu *= 100 // it counts in units of 100 ns
		return u, at
	}
	// The first name is cgroup v1's, the second cgroup v2's.
	for _, name := range []string{"total_inactive_file", "inactive_file"} {
		if cache, ok := s.MemoryStats.Stats[name]; ok {
			if cache < u.Memory {
				u.Memory -= cache
			}
			break
		}
	}
	for _, e := range s.BlkioStats.IoServiceBytesRecursive {
		switch e.Op {
		case "read", "Read":
			u.BlockRead += e.Value
		case "write", "Write":
			u.BlockWrite += e.Value
		}
	}
	return u, at
}
