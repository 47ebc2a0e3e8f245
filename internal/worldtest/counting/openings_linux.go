package counting

import (
	"bytes"
	"errors"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openings counts how often files are opened, by whichever process: the kernel tells it.
type openings struct {
	fd       int
	prefixes map[int32]string // of the folders, by their watch
}

func newOpenings() (*openings, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	return &openings{fd: fd, prefixes: map[int32]string{}}, err
}

func (o *openings) close() { _ = unix.Close(o.fd) }

func (o *openings) watch(prefix, dir string) error {
	// Without the closing between them, two openings of one file would be one event.
	w, err := unix.InotifyAddWatch(o.fd, dir, unix.IN_OPEN|unix.IN_CLOSE)
	o.prefixes[int32(w)] = prefix
	return err
}

// take returns how often which file was opened since the last call.
func (o *openings) take() (map[string]int, error) {
	times, buffer := map[string]int{}, make([]byte, 1<<16)
	for {
		n, err := unix.Read(o.fd, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return times, nil
		}
		if err != nil {
			return nil, err
		}
		for rest := buffer[:n]; len(rest) > 0; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := unix.SizeofInotifyEvent + int(event.Len)
			name := string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00"))
			rest = rest[end:]
			if event.Mask&unix.IN_Q_OVERFLOW != 0 {
				return nil, errors.New("more files were opened than the kernel could tell")
			}
			if event.Mask&unix.IN_OPEN != 0 && event.Mask&unix.IN_ISDIR == 0 && !isTemporary(name) {
				times[o.prefixes[event.Wd]+name]++
			}
		}
	}
}

// isTemporary reports whether a file is written under this name and renamed then.
func isTemporary(name string) bool { return strings.HasPrefix(name, ".tmp-") }
