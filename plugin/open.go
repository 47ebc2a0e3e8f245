package plugin

import (
	"fmt"
	"io"
	"os/exec"
	"runtime"

	"github.com/docker-loom/docker-loom/loom"
)

// openPorts opens a browser on the ports that the devcontainer.json wants opened. That there is no browser is no failure.
func openPorts(w io.Writer, ports []loom.Port) {
	for _, p := range ports {
		if !p.Opens || p.URL == "" {
			continue
		}
		if err := browse(p.URL); err != nil {
			fmt.Fprintf(w, "%s cannot be opened: %v\n", p.URL, err)
		}
	}
}

// browse hands a URL to the system.
func browse(url string) error {
	switch runtime.GOOS {
	case "darwin":
		return exec.Command("open", url).Run()
	case "windows":
		return exec.Command("rundll32", "url.dll,FileProtocolHandler", url).Run()
	}
	return exec.Command("xdg-open", url).Run()
}
