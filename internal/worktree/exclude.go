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

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// Marker lines of the blocks in info/exclude. A marker with anything behind it on its line is the user's.
const (
	blockBegin = "# docker loom "
	blockEnd   = "# end of docker loom "
	// newFile is the last line of a file that Exclude made. Such a file is removed with its last block.
	newFile = "# file made by docker loom\n"
)

// bom is the byte order mark that some editors put at the start of a file.
const bom = "\ufeff"

// lockRetry is the time between two attempts to get the lock of info/exclude, which is held for about a millisecond.
const lockRetry = 5 * time.Millisecond

// Exclude makes git ignore files that match the patterns, in all work trees of the repository. The patterns replace the
// lines of owner's block in the common dir's info/exclude; without patterns the block is removed. The syntax is
// gitignore's, and Pattern makes a pattern of a path.
//
// The block comes before the user's lines: git lets the last match win, so the user's lines do. Their bytes stay, also
// a missing final line end. If nothing changes, nothing is written.
//
// Any number of processes may call Exclude at once. It refuses an owner or a pattern that is not a single line. It also
// refuses a block without an end line, because the lines behind it may be the user's.
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

// Pattern returns the gitignore pattern that matches the path rel and nothing else: a file, or a folder with its
// content. rel is relative to the top of the work tree. gitignore has no pattern for a path with a line end; Exclude
// refuses it.
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

// editExclude replaces info/exclude by the result of edit; nil removes the file. edit may be called twice.
//
// It takes a lock: if it only compared and retried, a line that another process writes between the comparison and the
// rename would be lost. It is a lock of the system, which ends with its process. git's exclude.lock would stay after a
// crash and block every later loom.
func (r *Repository) editExclude(ctx context.Context, edit func(b []byte, exists bool) ([]byte, error)) error {
	name := filepath.Join(r.CommonDir, "info", "exclude")
	read := func() (old, new []byte, err error) {
		old, err = gitfile.Content(name)
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

	// An up of a loom that is up changes nothing here and takes no lock. Reading without one is safe: the file is only
	// replaced as a whole.
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
		// A symbolic link could make us write where a sandboxed agent wants us to.
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: %w: it is %s", name, errors.ErrUnsupported, info.Mode().Type())
		}
		perm = info.Mode().Perm()
	}
	return atomicwriter.WriteFile(name, changed, perm)
}

// lock makes and locks the file name. unlock removes the file and releases the lock.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l := flock.New(name, flock.SetPermissions(0o666))
		if _, err := l.TryLockContext(ctx, lockRetry); err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		// The previous holder removes the file. If we waited for that file, our lock is on a file that nobody else sees.
		ours, err := l.Stat()
		if err == nil {
			if now, err := os.Stat(name); err == nil && os.SameFile(ours, now) {
				return func() {
					// Windows removes only closed files. The second attempt fails if another process has opened it.
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
