package registry

import (
	"io/fs"
	"os"
)

// Stamp says which file the registry was at a moment. Each change makes a new file, so that another file or time is
// another state.
type Stamp struct{ info fs.FileInfo }

// Stamp returns the stamp of now. It has to be taken before the registry is read.
func (r *Registry) Stamp() Stamp {
	info, err := os.Stat(r.Path())
	if err != nil {
		return Stamp{}
	}
	return Stamp{info}
}

// IsCurrent reports whether the registry still says what it said then.
func (r *Registry) IsCurrent(then Stamp) bool {
	was, now := then.info, r.Stamp().info
	return was != nil && now != nil && os.SameFile(was, now) && was.ModTime().Equal(now.ModTime()) &&
		was.Size() == now.Size()
}
