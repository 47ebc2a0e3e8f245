//go:build e2e && linux

// Attacker is what an agent gone wrong would run: each of its commands tries one thing that a sandbox must not allow. It says
// what came of it on stdout, and exits with 0 where the attack succeeded, with 3 where it was refused, with 2 where it was
// not asked rightly. The same command in a plain container shows that the attack is a real one.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// attacks are the commands, by name. An error is a refusal; the text says what the attack has got.
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
var errUsage = errors.New("wrong use")

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
