//go:build e2e && linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// files tries each line of stdin, and prints "OK<tab>line" or "NO<tab>line<tab>error". It does not fail as a whole.
//
//	write PATH       append to it, or make it          over PATH      put another file in its place by a rename
//	unlink PATH      remove it                         mkdir PATH     make a folder
//	move PATH        rename it to PATH.moved and back  link PATH      make a hard link to it beside the program's folder
//	read PATH        read its first bytes, or list it  chmod PATH     change its mode
//	symlink PATH TO  make a symbolic link              swap PATH      put a symbolic link in its place
//	put PATH TEXT    make it have this text, in place or by a rename; \n is a line end
func files([]string) (string, error) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := in.Text()
		verb, rest, _ := strings.Cut(line, " ")
		path, to, _ := strings.Cut(rest, " ")
		if err := tryLine(verb, path, to); err != nil {
			fmt.Printf("NO\t%s\t%v\n", line, err)
		} else {
			fmt.Printf("OK\t%s\n", line)
		}
	}
	return "all lines were tried", in.Err()
}

func tryLine(verb, path, to string) error {
	const text = "# written by the attacker\n"
	switch verb {
	case "write":
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString(text)
		return err
	case "over":
		// The program's folder is on the same file system and writable.
		for _, dir := range []string{filepath.Dir(path), programFolder()} {
			tmp := filepath.Join(dir, "attack.tmp")
			if err := os.WriteFile(tmp, []byte(text), 0o755); err != nil {
				continue
			}
			if err := os.Rename(tmp, path); err == nil {
				return nil
			}
			_ = os.Remove(tmp)
		}
		return fmt.Errorf("rename over %s: %w", path, syscall.EBUSY)
	case "put":
		text := []byte(strings.ReplaceAll(to, `\n`, "\n"))
		if err := os.WriteFile(path, text, 0o755); err == nil {
			return os.Chmod(path, 0o755)
		}
		tmp := path + ".attack"
		if err := os.WriteFile(tmp, text, 0o755); err != nil {
			return err
		}
		err := os.Rename(tmp, path)
		if err != nil {
			_ = os.Remove(tmp)
		}
		return err
	case "unlink":
		return os.Remove(path)
	case "mkdir":
		return os.Mkdir(path, 0o755)
	case "move":
		if err := os.Rename(path, path+".moved"); err != nil {
			return err
		}
		return os.Rename(path+".moved", path)
	case "link":
		to := filepath.Join(programFolder(), "hard-link")
		_ = os.Remove(to)
		return os.Link(path, to)
	case "chmod":
		return os.Chmod(path, 0o777)
	case "symlink":
		return os.Symlink(to, path)
	case "swap":
		tmp := path + ".attack"
		if err := os.Symlink("/tmp", tmp); err != nil {
			return err
		}
		err := os.Rename(tmp, path)
		if err != nil {
			_ = os.Remove(tmp)
		}
		return err
	case "read":
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			_, err := os.ReadDir(path)
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Read(make([]byte, 1))
		return err
	}
	return fmt.Errorf("no such verb: %s", verb)
}

// programFolder returns the folder of this program, which is in the work tree.
func programFolder() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(self)
}

// secrets looks for a text in the environments and command lines of all other processes.
func secrets(args []string) (string, error) {
	if len(args) != 1 {
		return "", errUsage
	}
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return "", err
	}
	seen := 0
	for _, path := range found {
		for _, p := range []string{path, filepath.Join(filepath.Dir(path), "cmdline")} {
			if strings.HasPrefix(p, fmt.Sprintf("/proc/%d/", os.Getpid())) {
				continue
			}
			text, err := os.ReadFile(p)
			if err != nil {
				continue
			}
			seen++
			if bytes.Contains(text, []byte(args[0])) {
				return p + " has it", nil
			}
		}
	}
	return "", fmt.Errorf("none of %d files in /proc has it", seen)
}
