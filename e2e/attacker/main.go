//go:build e2e && linux

// Attacker is a program that a hostile agent would run. Each of its commands tries one thing that a sandbox must not allow. It
// prints the result, and exits with 0 if the attack succeeded, 3 if it was refused, and 2 for wrong usage. The same command in
// a plain container shows that the attack is real.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// attacks are the commands by name. Each returns what it reached; an error is a refusal.
var attacks = map[string]func(args []string) (string, error){
	"files":   files,
	"secrets": secrets,

	"tcp":   dial,
	"udp":   udp,
	"http":  request,
	"raw":   rawRequest,
	"tls":   tunnel,
	"name":  resolve,
	"ports": ports,
	"local": localV6,

	"euid":    effective,
	"syscall": syscalls,
	"memory":  memory,
	"fill":    fill,

	"serve": serve,
}

// errUsage is a mistake of the test.
var errUsage = errors.New("wrong usage")

func main() {
	if len(os.Args) < 2 || attacks[os.Args[1]] == nil {
		fmt.Println("no such attack:", strings.Join(os.Args[1:], " "))
		os.Exit(2)
	}
	got, err := attacks[os.Args[1]](os.Args[2:])
	switch {
	case errors.Is(err, errUsage):
		fmt.Println(strings.Join(os.Args[1:], " ")+":", err)
		os.Exit(2)
	case err != nil:
		fmt.Println("refused:", err)
		os.Exit(3)
	}
	fmt.Println("reached:", got)
}
