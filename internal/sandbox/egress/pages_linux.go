package egress

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// releasePages releases the pages of the binary that its start touched. A sidecar needs few of them again: the rest
// initialised other parts of docker-loom. The kernel maps a page again when it is used.
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
		// Only read-only pages: their content is the file's.
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
