//go:build !linux && !darwin

package host

// FreeSpace is not known here: the engine runs in a virtual machine.
func (*Host) FreeSpace(string) uint64 { return 0 }
