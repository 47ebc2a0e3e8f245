package engine

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"gotest.tools/v3/assert"
)

func TestLoadIsWhatDockerStatsShows(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0)
	s := container.StatsResponse{Read: at}
	s.CPUStats.CPUUsage.TotalUsage = 5
	s.MemoryStats = container.MemoryStats{Usage: 100, Limit: 1000, Stats: map[string]uint64{"inactive_file": 30}, PrivateWorkingSet: 7}
	s.Networks = map[string]container.NetworkStats{"eth0": {RxBytes: 1, TxBytes: 2}, "eth1": {RxBytes: 10, TxBytes: 20}}
	s.BlkioStats.IoServiceBytesRecursive = []container.BlkioStatEntry{{Op: "Read", Value: 1}, {Op: "write", Value: 2}, {Op: "read", Value: 4}, {Op: "Total", Value: 8}}
	s.StorageStats = container.StorageStats{ReadSizeBytes: 3, WriteSizeBytes: 4}
	s.PidsStats.Current = 9

	u, spentAt := measured(s, false)
	assert.DeepEqual(t, u, Load{Memory: 70, MemoryLimit: 1000, NetIn: 11, NetOut: 22, BlockRead: 5, BlockWrite: 2, PIDs: 9})
	assert.Equal(t, spentAt, spent{cpu: 5, at: at})

	u, spentAt = measured(s, true)
	assert.DeepEqual(t, u, Load{Memory: 7, MemoryLimit: 1000, NetIn: 11, NetOut: 22, BlockRead: 3, BlockWrite: 4})
	assert.Equal(t, spentAt, spent{cpu: 500, at: at})

	s.MemoryStats.Stats = map[string]uint64{"total_inactive_file": 40, "inactive_file": 30}
	u, _ = measured(s, false)
	assert.Equal(t, u.Memory, uint64(60))
}
