// Package rooted reads the files of a folder that others may write: regular ones only, each once, without waiting for
// anybody, and none that is outside of the folder unless that is permitted.
package rooted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MaxSize is how long a file may be, in bytes.
const MaxSize = 10 << 20

// Files are the files of a folder. Those that were read are remembered: whatever is in their place later, they stay as
// they were.
type Files struct {
	// dir is the folder as it is named, real the same with its links followed.
	dir, real string
	permit    Permit
	texts     map[string]Text
}

// Permit is asked before a file outside of the folder is read: asked is its path as it was asked for, real the same
// with its links followed. An error refuses.
type Permit func(asked, real string) error

// Text is what a file says, or why it cannot be read.
type Text struct {
	Bytes []byte
	Err   error
}

// Below returns the files of a folder. Without permit all files outside of it are refused.
func Below(dir string, permit Permit) *Files {
	dir = filepath.Clean(dir)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir
	}
	return &Files{dir: dir, real: real, permit: permit, texts: map[string]Text{}}
}

// OutsideError says that a file is not below the folder whose files are read.
type OutsideError struct {
	// Path is the file that was asked for, Real where it leads, Dir the folder.
	Path, Real, Dir string
}

// Error names the file and the folder.
func (e *OutsideError) Error() string {
	if e.Real == e.Path {
		return e.Path + " is outside of " + e.Dir
	}
	return e.Path + " leads to " + e.Real + ", outside of " + e.Dir
}

// NextStep says how the file may be read after all.
func (e *OutsideError) NextStep() string { return "--trust reads files outside of the folder" }

// NotRegularError says that a path is neither a regular file nor a link to one.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

// Error says what the path is.
func (e *NotRegularError) Error() string { return e.Path + " is " + kind(e.Mode) + ", not a file" }

// NextStep says what to put there.
func (e *NotRegularError) NextStep() string { return "remove it, or put a file there" }

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something special"
}

// TooLargeError says that a file is longer than [MaxSize].
type TooLargeError struct{ Path string }

// Error names the file and the bound.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: longer than %d MiB", e.Path, MaxSize>>20)
}

// NextStep says what is left to do.
func (e *TooLargeError) NextStep() string { return "shorten the file" }

// Read returns the text of a file, by its absolute path. A missing file's error is [fs.ErrNotExist].
func (f *Files) Read(path string) ([]byte, error) {
	path = filepath.Clean(path)
	t, known := f.texts[path]
	if !known {
		t.Bytes, t.Err = f.open(path)
		f.texts[path] = t
	}
	return t.Bytes, t.Err
}

// Inside returns the text of a file as Read does, but nothing of what is outside of the folder: nobody is asked.
func (f *Files) Inside(path string) ([]byte, error) { return Below(f.dir, nil).Read(path) }

// Changed reports whether a file that was read would now be read otherwise.
func (f *Files) Changed() bool {
	again := Below(f.dir, func(string, string) error { return nil })
	for path, was := range f.texts {
		now, err := again.Read(path)
		if (err == nil) != (was.Err == nil) || string(now) != string(was.Bytes) {
			return true
		}
	}
	return false
}

func (f *Files) open(path string) ([]byte, error) {
	real, err := follow(path)
	if err != nil {
		return nil, err
	}
	in, err := filepath.Rel(f.real, real)
	if err != nil || !filepath.IsLocal(in) {
		if err := f.mayLeave(path, real); err != nil {
			return nil, err
		}
		return opener{os.Stat, os.OpenFile}.readAll(real, path)
	}
	// Whoever writes the folder may put a link there now: then the root refuses.
	root, err := os.OpenRoot(f.real)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return opener{root.Stat, root.OpenFile}.readAll(in, path)
}

func (f *Files) mayLeave(path, real string) error {
	if f.permit == nil {
		return &OutsideError{Path: path, Real: real, Dir: f.dir}
	}
	return f.permit(path, real)
}

// ReadFile returns the text of a file wherever it is, by [MaxSize] and without waiting for anybody.
func ReadFile(path string) ([]byte, error) { return opener{os.Stat, os.OpenFile}.readAll(path, path) }

// links is how many links a path may lead through, as on Linux.
const links = 40

// follow returns a path with its links followed, as the kernel follows them. The end of it need not exist.
func follow(path string) (string, error) {
	at, rest := path, ""
	for count := 0; ; {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		// What does not exist is where a link leads to, or in the folder above.
		if target, err := os.Readlink(at); err == nil {
			if count++; count > links {
				return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			at = filepath.Clean(target)
			continue
		}
		parent := filepath.Dir(at)
		if parent == at {
			return "", err
		}
		at, rest = parent, filepath.Join(filepath.Base(at), rest)
	}
}

// opener opens files below some folder.
type opener struct {
	stat func(path string) (fs.FileInfo, error)
	open func(path string, flag int, mode fs.FileMode) (*os.File, error)
}

// readAll reads a file; asked is its path for messages.
func (o opener) readAll(path, asked string) ([]byte, error) {
	named := func(err error) error {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			return &fs.PathError{Op: "open", Path: asked, Err: failed.Err}
		}
		return err
	}
	// A device may act on being opened.
	info, err := o.stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &NotRegularError{Path: asked, Mode: info.Mode()}
	}
	if err != nil {
		return nil, named(err)
	}
	file, err := o.open(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, named(err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, named(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &NotRegularError{Path: asked, Mode: info.Mode()}
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, named(err)
	}
	if len(text) > MaxSize {
		return nil, &TooLargeError{asked}
	}
	return text, nil
}
