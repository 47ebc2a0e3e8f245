package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// socketVariable moves the control channel in tests.
const socketVariable = "LOOM_EGRESS_SOCKET"

// usage is for whoever looks into a sidecar; users have `docker loom agent`.
const usage = `usage: docker-loom egress COMMAND, in the sidecar of a sandbox

  serve             the proxy and the forwarders, as ` + ConfigVariable + ` says
  ready             exit code 0 if serve takes connections
  allow HOST...     allow hosts from now on, until the sidecar is made anew
  policy            the policy in force, as JSON
  check             prove that the network is closed, as the Check on stdin or in ` + CheckVariable + ` says
  give UID OWNER:GROUP PATH...   give what is UID's in PATH and below to OWNER
  home UID:GID HOME [FOLDER...]   give HOME away, and the folders in it, made where they are missing
  view DIR LINKS    make DIR a folder of the symbolic links that LINKS, a JSON object, says
  several commands are separated by --
`

// errUsage asks for the usage and exit code 2.
var errUsage = errors.New("wrong use")

// Main runs `docker-loom egress ARGS` and returns the exit code: 0, 1 on an error or where a check finds a surprise, 2 on wrong use.
func Main(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := run(ctx, args, env, stdin, stdout, stderr)
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

func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	socket := env(socketVariable)
	if socket == "" {
		socket = Socket
	}
	if i := slices.Index(args, "--"); i >= 0 {
		if err := run(ctx, args[:i], env, stdin, stdout, stderr); err != nil {
			return err
		}
		args = args[i+1:]
		return run(ctx, args, env, stdin, stdout, stderr)
	}
	command, args := args[0], args[1:]
	switch {
	case command == "serve" && len(args) == 0:
		c, err := ParseConfig(env(ConfigVariable))
		if err != nil {
			return err
		}
		return serve(ctx, c, socket, stdout, stderr)
	case command == "ready" && len(args) == 0:
		_, err := ask(ctx, socket, order{})
		return err
	case command == "allow" && len(args) > 0:
		_, err := ask(ctx, socket, order{Allow: args})
		return err
	case command == "policy" && len(args) == 0:
		c, err := ask(ctx, socket, order{})
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(c)
	case command == "check" && len(args) == 0:
		return check(ctx, env(CheckVariable), stdin, stdout)
	case command == "home" && len(args) > 1:
		return theirs(args[0], args[1], args[2:])
	case command == "give" && len(args) > 2:
		return give(args[0], args[1], args[2:])
	case command == "view" && len(args) == 2:
		return view(args[0], args[1])
	}
	return errUsage
}

// check writes a report, and is an error where it is not good.
func check(ctx context.Context, text string, stdin io.Reader, stdout io.Writer) error {
	var source io.Reader = strings.NewReader(text)
	if text == "" {
		source = stdin
	}
	var c Check
	if err := json.NewDecoder(source).Decode(&c); err != nil {
		return fmt.Errorf("what to check: %w", err)
	}
	report, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(report); err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("%d of %d probes found something open", len(report.Surprises), report.Probes)
	}
	return nil
}
