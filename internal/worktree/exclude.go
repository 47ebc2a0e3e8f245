package worktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/gofrs/flock"
	"github.com/moby/sys/atomicwriter"
)

// Marker lines of the blocks in info/exclude. A marker with anything behind it on its line is the user's.
const (
	blockBegin = "# docker loom "
	blockEnd   = "# end of docker loom "
	// newFile is the last line of a file that was not there before us, so that we may remove it again.
	newFile = "# file made by docker loom\n"
)

// bom is the byte order mark that some editors put at the start of a file.
const bom = "\ufeff"

// lockRetry is the time between two attempts to get the lock of info/exclude, which is held for about a millisecond.
const lockRetry = 5 * time.Millisecond

// Exclude makes git ignore what patterns say, in all work trees of the repository: they become the lines of owner's
// block in the common dir's info/exclude, in place of those that owner had; no pattern at all is Unexclude. The syntax
// is gitignore's; Pattern makes one of a path. The block stands before the user's lines, so that these keep their
// bytes, a missing final line end included, and win where they say otherwise. Nothing is written when nothing changes.
//
// Any number of processes may do this at once. The error tells of an owner or a pattern that is not a single line, of a
// block without its end (nothing is written then: what follows may be the user's), or of the file.
func (r *Repository) Exclude(ctx context.Context, owner string, patterns []string) error {
	if err := oneLine(owner); err != nil {
		return fmt.Errorf("exclude: owner %w", err)
	}
	if len(patterns) == 0 {
		return r.Unexclude(ctx, owner)
	}
	block := blockBegin + owner + "\n"
	for _, p := range patterns {
		if err := oneLine(p); err != nil {
			return fmt.Errorf("exclude: pattern %w", err)
		}
		if strings.HasPrefix(p, "#") {
			return fmt.Errorf("exclude: pattern %q is a comment", p)
		}
		block += p + "\n"
	}
	block += blockEnd + owner + "\n"
	return r.editExclude(ctx, func(b []byte, exists bool) ([]byte, error) {
		cut, blocks, err := cutBlocks(b, owner)
		if err != nil {
			return nil, err
		}
		if len(blocks) == 1 && blocks[0] == block {
			return b, nil
		}
		if !exists {
			cut = []byte(newFile)
		}
		// git skips a byte order mark only at the very start.
		rest, marked := bytes.CutPrefix(cut, []byte(bom))
		out := make([]byte, 0, len(bom)+len(block)+len(rest))
		if marked {
			out = append(out, bom...)
		}
		return append(append(out, block...), rest...), nil
	})
}

// Unexclude removes owner's block from info/exclude and leaves the other bytes as they are. A missing block is not an
// error. A file that Exclude made goes with its last block.
func (r *Repository) Unexclude(ctx context.Context, owner string) error {
	if err := oneLine(owner); err != nil {
		return fmt.Errorf("exclude: owner %w", err)
	}
	return r.editExclude(ctx, func(b []byte, _ bool) ([]byte, error) {
		cut, blocks, err := cutBlocks(b, owner)
		if err != nil || len(blocks) == 0 {
			return b, err
		}
		if string(cut) == newFile {
			return nil, nil
		}
		return cut, nil
	})
}

// oneLine refuses what is not one line of printable text.
func oneLine(s string) error {
	if strings.TrimSpace(s) == "" || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%q is not one line of text", s)
	}
	return nil
}

// Pattern returns the gitignore pattern for exactly the path rel, which is relative to the top of the work tree: a
// file, or a folder with all that is in it. A path with a line end cannot be said as a pattern; Exclude refuses it.
func Pattern(rel string) string {
	s := filepath.ToSlash(filepath.Clean(rel))
	var b strings.Builder
	b.WriteByte('/')
	for _, c := range s {
		if strings.ContainsRune(`\*?[`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	// git drops blanks at the end of a line unless each of them is quoted.
	p := b.String()
	bare := strings.TrimRight(p, " ")
	return bare + strings.Repeat(`\ `, len(p)-len(bare))
}

// cutBlocks returns b without the blocks of owner, and these blocks. Line ends may have become CRLF since.
func cutBlocks(b []byte, owner string) (cut []byte, blocks []string, err error) {
	begin, n, start := -1, 0, 0
	for line := range bytes.Lines(b) {
		n++
		text := strings.TrimRight(string(line), "\r\n")
		if n == 1 {
			text = strings.TrimPrefix(text, bom)
		}
		switch {
		case begin < 0 && text == blockBegin+owner:
			begin = len(cut)
			start = n
		case begin >= 0 && strings.HasPrefix(text, blockBegin):
			return nil, nil, fmt.Errorf("line %d: block %q has no end", start, blockBegin+owner)
		}
		cut = append(cut, line...)
		if begin >= 0 && text == blockEnd+owner {
			if bytes.HasPrefix(cut[begin:], []byte(bom)) {
				begin += len(bom)
			}
			blocks = append(blocks, string(cut[begin:]))
			cut = cut[:begin]
			begin = -1
		}
	}
	if begin >= 0 {
		return nil, nil, fmt.Errorf("line %d: block %q has no end", start, blockBegin+owner)
	}
	return cut, blocks, nil
}

// editExclude replaces info/exclude by what edit makes of it; nil removes it. edit may be called twice.
//
// A lock rather than compare and retry: between the comparison and the rename another process's line would still get
// lost. The lock is one of the system's, which ends with its process, rather than git's exclude.lock, which stays
// after a crash and would block every later loom.
func (r *Repository) editExclude(ctx context.Context, edit func(b []byte, exists bool) ([]byte, error)) error {
	name := filepath.Join(r.CommonDir, "info", "exclude")
	read := func() (old, new []byte, err error) {
		old, err = os.ReadFile(name)
		exists := err == nil
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, err
		}
		new, err = edit(old, exists)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		return old, new, nil
	}

	// A warm up changes nothing and takes no lock: the file is only ever replaced as a whole.
	old, changed, err := read()
	if err != nil || bytes.Equal(old, changed) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	unlock, err := lock(ctx, name+".docker-loom.lock")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer unlock()
	old, changed, err = read()
	if err != nil || bytes.Equal(old, changed) {
		return err
	}
	if changed == nil {
		return os.Remove(name)
	}
	perm := os.FileMode(0o644)
	if info, err := os.Lstat(name); err == nil {
		// A link may lead anywhere, also where a sandboxed agent wants us to write.
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: %w: it is %s", name, errors.ErrUnsupported, info.Mode().Type())
		}
		perm = info.Mode().Perm()
	}
	return atomicwriter.WriteFile(name, changed, perm)
}

// lock takes the lock file name, which it makes, and returns what releases and removes it.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l := flock.New(name, flock.SetPermissions(0o666))
		if _, err := l.TryLockContext(ctx, lockRetry); err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		// The one who held it before may have removed the file that we waited for; then the lock is worth nothing.
		ours, err := l.Stat()
		if err == nil {
			if now, err := os.Stat(name); err == nil && os.SameFile(ours, now) {
				return func() {
					// Windows removes no open file; afterwards it may be another's, and stays then.
					removed := os.Remove(name) == nil
					_ = l.Close()
					if !removed {
						_ = os.Remove(name)
					}
				}, nil
			}
		}
		_ = l.Close()
	}
}
