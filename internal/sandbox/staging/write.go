package staging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// writeInPlace writes a file of the state folder. If its text is the same, nothing is written.
func (w *writer) writeInPlace(name string, text []byte, mode fs.FileMode) error {
	if info, err := w.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		if err := w.root.RemoveAll(name); err != nil {
			return err
		}
	}
	// With O_NONBLOCK a pipe that the agent puts there in between cannot block us.
	f, err := w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		// The file is the agent's, and we are neither the agent nor root.
		if err = w.root.Remove(name); err == nil {
			f, err = w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	current, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(current, text) {
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.WriteAt(text, 0); err != nil {
			return err
		}
	}
	return errors.Join(f.Chmod(mode), setFileOwner(f, w.UID, w.GID))
}

// replace writes a file into a folder that the agent writes. The new file is made aside and renamed, so that nothing
// that the agent put there is written to.
func (w *writer) replace(dir *os.Root, name string, text []byte) error {
	temp := fmt.Sprintf("%s.loom-%d", name, os.Getpid())
	if err := dir.RemoveAll(temp); err != nil {
		return err
	}
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, setFileOwner(f, w.UID, w.GID), f.Close()); err != nil {
		return err
	}
	if info, err := dir.Lstat(name); err == nil && info.IsDir() {
		if err := dir.RemoveAll(name); err != nil {
			return err
		}
	}
	return dir.Rename(temp, name)
}
