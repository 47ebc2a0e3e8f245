// Command docker-loom is the Docker CLI plugin docker loom, and in a sandbox's sidecar the sandbox's way out.
package main

import (
	"context"
	"os"

	"github.com/docker-loom/docker-loom/cmd/docker-loom/metadata"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/plugin"
)

func main() {
	// As a plugin the first argument is "loom", or one that asks for metadata.
	if len(os.Args) > 1 && os.Args[1] == "egress" {
		os.Exit(egress.Main(context.Background(), os.Args[2:], egress.Process{
			Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		}))
	}
	os.Exit(plugin.Main(metadata.Version))
}
