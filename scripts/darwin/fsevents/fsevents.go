// Package fsevents stands in for github.com/fsnotify/fsevents in macOS binaries that are built without cgo, which the
// original needs. It has what Compose's file watcher for `docker compose watch` uses of it. docker loom never watches
// files: Start only says so.
package fsevents

import (
	"errors"
	"time"
)

// EventFlags tells what happened to a path.
type EventFlags uint32

// The flags that Compose asks for.
const (
	ItemCreated EventFlags = 0x00000100
	ItemIsDir   EventFlags = 0x00020000
)

// CreateFlags tells what a stream reports.
type CreateFlags uint32

// The flags that Compose sets.
const (
	IgnoreSelf CreateFlags = 0x00000008
	FileEvents CreateFlags = 0x00000010
)

// Event is one change.
type Event struct {
	Path  string
	Flags EventFlags
	ID    uint64
}

// EventStream would report changes below Paths.
type EventStream struct {
	Events  chan []Event
	Paths   []string
	Flags   CreateFlags
	EventID uint64
	Resume  bool
	Latency time.Duration
}

// LatestEventID is where a stream begins.
func LatestEventID() uint64 { return 0 }

// Start fails: there is no file watching in this binary.
func (*EventStream) Start() error { return errors.New("this binary is built without file watching") }

// Stop does nothing, because nothing was started.
func (*EventStream) Stop() {}
