package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// usage is for whoever looks into a sidecar; users have `docker loom agent`.
const usage = `usage: docker-loom egress COMMAND, in the sidecar of a sandbox

  serve             the proxy and the forwarders, as ` + ConfigVariable + ` says
  ready             exit code 0 if serve takes connections
  allow HOST...     allow hosts from now on, until the sidecar is made anew
  policy            the policy in force, as JSON
  check             prove that the network is closed, as the Check on stdin or in ` + CheckVariable + ` says
  chown UID:GID PATH...
`

// errUsage asks for the usage and exit code 2.
var errUsage = errors.New("wrong use")

// Main runs `docker-loom egress ARGS` and returns the exit code: 0, 1 on an error or where a check finds a surprise, 2 on wrong use.
func Main(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := run(ctx, args, env, stdin, stdout)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprint(stderr, usage)
		return 2
	default:
		fmt.Fprintln(stderr, "docker-loom egress:", err)
		return 1
	}
}

func run(_ context.Context, args []string, _ func(string) string, _ io.Reader, _ io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch command := args[0]; command {
	default:
		return errUsage
	}
}
