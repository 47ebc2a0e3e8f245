package setup

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/docker/docker/api"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newVersionCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version [OPTIONS]",
		Short: "Show the versions of docker loom, of the Compose inside it, and of the engine",
		Long: `Show the versions of docker loom, of the Compose inside it, and of the engine. Without an engine that answers
the rest is shown all the same.`,
		Example: "  docker loom version\n  docker loom version --format '{{.Version}}'\n  docker loom version --format json",
		Args:    command.MaxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVersion(cmd.Context(), env, format) },
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

// Versions is what version --format json prints.
type Versions struct {
	Version string `json:"version"`
	Compose string `json:"compose"`
	// API is the newest version of the Engine API that this binary speaks.
	API    string         `json:"api"`
	Go     string         `json:"go"`
	OS     string         `json:"os"`
	Arch   string         `json:"arch"`
	Engine *EngineVersion `json:"engine"` // null where none answers
	// EngineError tells why it does not.
	EngineError string `json:"engineError,omitempty"`
}

// EngineVersion is the engine in what version --format json prints.
type EngineVersion struct {
	Version string `json:"version"`
	// API is the newest that the engine speaks, Negotiated the one that is spoken with it.
	API        string `json:"api"`
	Negotiated string `json:"negotiated"`
	Host       string `json:"host"`
	Context    string `json:"context"`
}

func runVersion(ctx context.Context, env *command.Environment, format string) error {
	v := Versions{
		Version: env.Version, Compose: stack.Version(), API: api.DefaultVersion,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	var err error
	if v.Engine, err = askEngineVersion(ctx, env); err != nil {
		v.EngineError = err.Error()
	}
	return output.Write(env.Docker.Out(), format, v, func(w io.Writer) {
		fmt.Fprintf(w, "docker loom version %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
		fmt.Fprintf(w, "compose %s, Engine API %s\n", v.Compose, v.API)
		if v.Engine == nil {
			fmt.Fprintf(w, "engine: %s\n", v.EngineError)
			return
		}
		fmt.Fprintf(w, "engine %s, API %s (spoken: %s), at %s, context %s\n",
			v.Engine.Version, v.Engine.API, v.Engine.Negotiated, v.Engine.Host, v.Engine.Context)
	})
}

func askEngineVersion(ctx context.Context, env *command.Environment) (*EngineVersion, error) {
	e, err := env.Engine()
	if err != nil {
		return nil, err
	}
	if err := e.Check(ctx); err != nil {
		return nil, err
	}
	info, err := e.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	return &EngineVersion{
		Version: info.Version, API: info.APIVersion, Negotiated: env.Docker.Client().ClientVersion(),
		Host: e.Host(), Context: e.Context(),
	}, nil
}
