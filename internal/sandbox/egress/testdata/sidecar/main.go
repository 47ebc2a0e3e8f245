// Command sidecar is docker-loom's egress command alone, which builds in a moment.
package main

import (
	"context"
	"os"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

func main() {
	os.Exit(egress.Main(context.Background(), os.Args[2:], egress.Process{
		Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
