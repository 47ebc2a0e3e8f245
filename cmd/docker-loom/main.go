// Command docker-loom is the Docker CLI plugin docker loom.
package main

import (
	"os"

	"github.com/docker-loom/docker-loom/plugin"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(plugin.Main(version)) }
