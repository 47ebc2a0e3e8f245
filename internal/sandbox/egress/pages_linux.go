package egress

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// releasePages unmaps the binary's pages that its start touched, most of which a sidecar never needs again: they were for
// initializing all that docker-loom is. What is needed is mapped again from the page cache when it is used.
func releasePages() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	binary, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		// Only what cannot be written: that has no content but the file's.
		if len(f) < 6 || f[5] != binary || f[1] != "r-xp" && f[1] != "r--p" {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		begin, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil && begin < end {
			// The memory is not Go's heap: the address comes from the kernel.
			start := *(*unsafe.Pointer)(unsafe.Pointer(&begin))
			_ = unix.Madvise(unsafe.Slice((*byte)(start), end-begin), unix.MADV_DONTNEED)
		}
	}
}
