//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"syscall"
)

// ownAs gives name in root the owner of root itself. Only root can, and only root needs to.
func ownAs(root *os.Root, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := root.Lchown(name, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	return nil
}
