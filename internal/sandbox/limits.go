package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Limits bound what a sandbox takes of its host.
type Limits struct {
	Memory int64 // bytes, without swap on top
	CPUs   float64
	PIDs   int64
}

// DefaultLimits hold where nothing else is said.
func DefaultLimits() Limits { return Limits{Memory: 4 << 30, CPUs: 2, PIDs: 512} }

const (
	leastMemory = 64 << 20
	leastPIDs   = 16
)

// ParseLimits reads limits as settings and variables spell them; "" is the default. Memory is a number of bytes or one with
// a unit.
func ParseLimits(memory, cpus, pids string) (Limits, error) {
	l := DefaultLimits()
	if s := strings.TrimSpace(memory); s != "" {
		n, err := units.RAMInBytes(s)
		if err != nil || n < leastMemory {
			return Limits{}, fmt.Errorf("memory limit %q: allowed are bytes or a number with a unit, from 64m on (4g, 512m, 4294967296)", memory)
		}
		l.Memory = n
	}
	if s := strings.TrimSpace(cpus); s != "" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || f < 0.01 || f > 1024 {
			return Limits{}, fmt.Errorf("CPU limit %q: allowed is a number of CPUs from 0.01 to 1024 (2, 0.5)", cpus)
		}
		l.CPUs = f
	}
	if s := strings.TrimSpace(pids); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < leastPIDs || n > 4<<20 {
			return Limits{}, fmt.Errorf("process limit %q: allowed is a whole number from 16 to 4194304 (512)", pids)
		}
		l.PIDs = n
	}
	return l, nil
}

// orDefault fills in what is not set.
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
