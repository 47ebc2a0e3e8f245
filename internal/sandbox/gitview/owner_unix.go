//go:build unix

package gitview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// setOwnerOfFolder gives name in root the owner of root itself. Only root can, and only root needs to.
func setOwnerOfFolder(root *os.Root, name string) error {
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err = root.Lchown(name, int(st.Uid), int(st.Gid))
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	return nil
}
