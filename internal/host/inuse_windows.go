package host

import (
	"errors"

	"golang.org/x/sys/windows"
)

// inUse takes a denied bind for a taken port: Windows has no privileged ports, it
// denies those that it reserves (Hyper-V) or that another program holds alone.
// Its codes are not the syscall package's EADDRINUSE and EACCES.
func inUse(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES)
}
