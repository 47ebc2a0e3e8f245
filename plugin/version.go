package plugin

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/stack"
)

func newVersionCommand(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version [OPTIONS]",
		Short: "Show the version of docker loom and of the Compose inside it",
		Args:  maxArgs(0),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Compose string `json:"compose"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{env.version, stack.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			return write(env.docker.Out(), format, v, func(w io.Writer) {
				fmt.Fprintf(w, "docker loom version %s (compose %s, %s, %s/%s)\n", v.Version, v.Compose, v.Go, v.OS, v.Arch)
			})
		},
	}
	addFormat(cmd.Flags(), &format)
	return cmd
}
