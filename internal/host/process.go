// Package host is this machine, as values: the process that a command runs in, the ports that listen here, the routes.
package host

import (
	"os"
	"runtime"
	"strings"
)

// Process is what a command takes from the process that it runs in. It comes with the request, so that a server can
// serve several users.
type Process struct {
	// Environ is the environment, NAME=value.
	Environ []string
	// UID and GID are the user's, -1 on Windows.
	UID, GID int
	// OS is the operating system, by Go's names.
	OS string
	// Home is the user's home folder, "" if it is not known; Temp the folder for temporary files.
	Home, Temp string
	// Expose makes these the variables that libraries find in the process, and programs that it starts inherit; nil where
	// nobody changes them.
	Expose func(environ []string)
}

// With returns the process as it is for somebody who may have only some of its variables.
func (p Process) With(isGiven func(name string) bool) Process {
	var environ []string
	for _, kv := range p.Environ {
		if name, _, _ := strings.Cut(kv, "="); isGiven(name) {
			environ = append(environ, kv)
		}
	}
	p.Environ = environ
	return p
}

// Current describes the process that calls it.
func Current() Process {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return Process{
		Environ: os.Environ(), UID: os.Getuid(), GID: os.Getgid(), OS: runtime.GOOS, Home: home, Temp: os.TempDir(),
	}
}

// LookupEnv returns the value of a variable, and reports whether it is set. The last of several values counts, as for
// a child process.
func (p Process) LookupEnv(name string) (string, bool) {
	for i := len(p.Environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(p.Environ[i], "="); ok && sameName(key, name, p.OS) {
			return value, true
		}
	}
	return "", false
}

// Getenv returns the value of a variable, "" if it is not set.
func (p Process) Getenv(name string) string {
	value, _ := p.LookupEnv(name)
	return value
}

func sameName(a, b, system string) bool {
	if system == "windows" {
		return strings.EqualFold(a, b)
	}
	return a == b
}
