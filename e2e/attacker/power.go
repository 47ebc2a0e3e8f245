//go:build e2e && linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// effective succeeds if the program, which is setuid root, runs as root.
func effective([]string) (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("effective user id %d", os.Geteuid())
	}
	return "effective user id 0", nil
}

// calls are system calls that need rights which a sandbox does not have, or that its seccomp profile forbids.
var calls = map[string]func() error{
	"mount":       func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
	"bind":        func() error { return unix.Mount("/", "/tmp", "", unix.MS_BIND, "") },
	"remount":     func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
	"umount":      func() error { return unix.Unmount("/etc/hosts", unix.MNT_DETACH) },
	"unshare-mnt": func() error { return unix.Unshare(unix.CLONE_NEWNS) },
	"unshare-net": func() error { return unix.Unshare(unix.CLONE_NEWNET) },
	"chroot":      func() error { return unix.Chroot("/tmp") },
	"mknod":       func() error { return unix.Mknod("/tmp/attack-device", unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0))) }, //nolint:gosec // small numbers
	"setuid":      func() error { return unix.Setuid(0) },
	"sethostname": func() error { return unix.Sethostname([]byte("attack")) },
	"settime":     func() error { return unix.Settimeofday(&unix.Timeval{Sec: time.Now().Unix()}) },
	"reboot":      func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
	"swapoff":     func() error { return call(unix.SYS_SWAPOFF, text("/nosuch")) },
	"pivot":       func() error { return unix.PivotRoot("/tmp", "/tmp") },
	"module":      func() error { return unix.InitModule([]byte("x"), "") },
	"bpf":         func() error { return call(unix.SYS_BPF, 5, 0, 0) },
	"keyring":     func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true); return err },
	"perf":        func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) },
	"by-handle":   byHandle,
	"raw-socket":  func() error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
	"packet":      func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0x0300) },
	"user-ns":     userNamespace,
	"namespaces":  joinNamespace,
	"nice":        func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -20) },
	"ioctl-tty":   func() error { return sysWrite("/dev/console", "x") },
	"core":        func() error { return sysWrite("/proc/sys/kernel/core_pattern", "|/tmp/attack") },
	"ip-forward":  func() error { return sysWrite("/proc/sys/net/ipv4/ip_forward", "1") },
	"ipv6-on":     func() error { return sysWrite("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0") },
	"sysrq":       func() error { return sysWrite("/proc/sysrq-trigger", "h") },
	"sys":         func() error { return sysWrite("/sys/kernel/uevent_helper", "/tmp/attack") },
	"cgroup":      cgroup,
	"kmsg":        func() error { return sysRead("/dev/kmsg") },
	"memory-dev":  func() error { return sysRead("/dev/mem") },
	"kcore":       func() error { return sysRead("/proc/kcore") },
	"disk":        func() error { return sysRead("/dev/vda") },
	"root-of-1":   func() error { return sysRead("/proc/1/root/etc/shadow") },
	"docker-sock": func() error { return sysWrite("/var/run/docker.sock", "") },
}

// syscalls tries the named calls and prints OK or NO for each, as files does.
func syscalls(args []string) (string, error) {
	for _, name := range args {
		f := calls[name]
		if f == nil {
			return "", errUsage
		}
		if err := f(); err != nil {
			fmt.Printf("NO\t%s\t%v\n", name, err)
		} else {
			fmt.Printf("OK\t%s\n", name)
		}
	}
	return "all calls were tried", nil
}

func call(number uintptr, args ...uintptr) error {
	args = append(args, 0, 0, 0)
	if _, _, errno := unix.Syscall(number, args[0], args[1], args[2]); errno != 0 {
		return errno
	}
	return nil
}

func text(s string) uintptr {
	b := append([]byte(s), 0)
	return uintptr(unsafe.Pointer(&b[0]))
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// byHandle opens a file of the disk by its number, which lets a container with CAP_DAC_READ_SEARCH read the host's files.
func byHandle() error {
	root, err := os.Open(programFolder())
	if err != nil {
		return err
	}
	defer root.Close()
	handle := unix.NewFileHandle(1, []byte{2, 0, 0, 0, 0, 0, 0, 0}) // the root of an ext file system
	fd, err := unix.OpenByHandleAt(int(root.Fd()), handle, unix.O_RDONLY)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// userNamespace makes a user namespace with root in it, who can use most of the kernel.
func userNamespace() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "euid")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}
	return cmd.Run()
}

func joinNamespace() error {
	f, err := os.Open("/proc/1/ns/mnt")
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNS)
}

// cgroup tries to change the limits of its own control group.
func cgroup() error {
	var all []error
	for _, path := range []string{
		"/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		"/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent",
	} {
		if err := sysWrite(path, "max"); err != nil {
			all = append(all, err)
			continue
		}
		return nil
	}
	return errors.Join(all...)
}

func sysWrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func sysRead(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}

// memory allocates N megabytes and writes to them: memory N.
func memory(args []string) (string, error) {
	want, err := number(args)
	if err != nil {
		return "", err
	}
	var all [][]byte
	for range want {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte(i)
		}
		all = append(all, b)
	}
	return fmt.Sprintf("%d MB", len(all)), nil
}

// fill writes N megabytes into a folder and removes them: fill DIR N.
func fill(args []string) (string, error) {
	if len(args) != 2 {
		return "", errUsage
	}
	want, err := number(args[1:])
	if err != nil {
		return "", err
	}
	path := args[0] + "/attack-fill"
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	defer f.Close()
	b := []byte(strings.Repeat("x", 1<<20))
	for n := range want {
		if _, err := f.Write(b); err != nil {
			return "", fmt.Errorf("after %d MB: %w", n, err)
		}
	}
	return fmt.Sprintf("%d MB", want), nil
}

func number(args []string) (int, error) {
	if len(args) != 1 {
		return 0, errUsage
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return 0, errUsage
	}
	return n, nil
}
