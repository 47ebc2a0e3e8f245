package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Limits are the most that a sandbox may use of its host.
type Limits struct {
	Memory int64 // bytes, without swap on top
	CPUs   float64
	PIDs   int64
}

// DefaultLimits returns the limits of a sandbox without settings for them.
func DefaultLimits() Limits { return Limits{Memory: 4 << 30, CPUs: 2, PIDs: 512} }

const (
	minMemory = 64 << 20
	minPIDs   = 16
	maxPIDs   = 4 << 20
)

// ParseLimits parses limits from settings and variables. An empty string is the default. Memory is a number of bytes,
// or a number with a unit.
func ParseLimits(memory, cpus, pids string) (Limits, error) {
	l := DefaultLimits()
	if s := strings.TrimSpace(memory); s != "" {
		n, err := units.RAMInBytes(s)
		if err != nil || n < minMemory {
			return Limits{}, fmt.Errorf("memory limit must be at least 64m, as 4g, 512m or 4294967296 bytes, not %q", memory)
		}
		l.Memory = n
	}
	if s := strings.TrimSpace(cpus); s != "" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || f < 0.01 || f > 1024 {
			return Limits{}, fmt.Errorf("CPU limit must be a number of CPUs from 0.01 to 1024, as 2 or 0.5, not %q", cpus)
		}
		l.CPUs = f
	}
	if s := strings.TrimSpace(pids); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < minPIDs || n > maxPIDs {
			return Limits{}, fmt.Errorf("process limit must be a whole number from %d to %d, not %q", minPIDs, maxPIDs, pids)
		}
		l.PIDs = n
	}
	return l, nil
}

// orDefault replaces limits that are not set.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Memory == 0 {
		l.Memory = d.Memory
	}
	if l.CPUs == 0 {
		l.CPUs = d.CPUs
	}
	if l.PIDs == 0 {
		l.PIDs = d.PIDs
	}
	return l
}
