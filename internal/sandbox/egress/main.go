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

// socketVariable is the path of the control socket in tests.
const socketVariable = "LOOM_EGRESS_SOCKET"

// usage is shown in a sidecar only. Users have `docker loom agent`.
const usage = `usage: docker-loom egress COMMAND, in the sidecar of a sandbox

  serve             the proxy and the forwarders, as ` + ConfigVariable + ` says
  ready             exit code 0 if serve takes connections
  allow HOST...     allow hosts from now on, until the sidecar is recreated
  services NAME...  services that the loom has too from now on, likewise
  policy            the policy in force, as JSON
  check             prove that the network is closed, as the Check on stdin or in ` + CheckVariable + ` says
  give UID OWNER:GROUP PATH...   give the files of UID in PATH and below to OWNER
  home UID:GID HOME [FOLDER...]   give HOME and the folders in it to UID:GID, and make missing ones
  view DIR LINKS    make DIR a folder of symbolic links: LINKS is a JSON object of names and targets
  several commands are separated by --
`

// errUsage is answered with the usage and exit code 2.
var errUsage = errors.New("wrong usage")

// Process is what a command takes from the process that it runs in.
type Process struct {
	Getenv         func(string) string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main runs `docker-loom egress ARGS` and returns the exit code: 0, 1 for an error or a check that did not pass, 2
// for wrong usage.
func Main(ctx context.Context, args []string, p Process) int {
	err := p.runAll(ctx, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprint(p.Stderr, usage)
		return 2
	default:
		fmt.Fprintln(p.Stderr, "docker-loom egress:", err)
		return 1
	}
}

// runAll runs the commands that are separated by --, until one fails.
func (p Process) runAll(ctx context.Context, args []string) error {
	for {
		i := slices.Index(args, "--")
		if i < 0 {
			return p.runCommand(ctx, args)
		}
		if err := p.runCommand(ctx, args[:i]); err != nil {
			return err
		}
		args = args[i+1:]
	}
}

func (p Process) runCommand(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	socket := p.Getenv(socketVariable)
	if socket == "" {
		socket = Socket
	}
	command, args := args[0], args[1:]
	switch {
	case command == "serve" && len(args) == 0:
		return p.serve(ctx, socket)
	case command == "ready" && len(args) == 0:
		_, err := sendControl(ctx, socket, controlRequest{})
		return err
	case command == "allow" && len(args) > 0:
		_, err := sendControl(ctx, socket, controlRequest{Allow: args})
		return err
	case command == "services" && len(args) > 0:
		_, err := sendControl(ctx, socket, controlRequest{Services: args})
		return err
	case command == "policy" && len(args) == 0:
		return p.printPolicy(ctx, socket)
	case command == "check" && len(args) == 0:
		return p.runCheck(ctx)
	}
	return changeFiles(command, args)
}

// changeFiles runs the commands that change files of a sandbox.
func changeFiles(command string, args []string) error {
	switch {
	case command == "home" && len(args) > 1:
		return prepareHome(args[0], args[1], args[2:])
	case command == "give" && len(args) > 2:
		return give(args[0], args[1], args[2:])
	case command == "view" && len(args) == 2:
		return view(args[0], args[1])
	}
	return errUsage
}

func (p Process) serve(ctx context.Context, socket string) error {
	c, err := ParseConfig(p.Getenv(ConfigVariable))
	if err != nil {
		return err
	}
	return serve(ctx, c, socket, p)
}

func (p Process) printPolicy(ctx context.Context, socket string) error {
	c, err := sendControl(ctx, socket, controlRequest{})
	if err != nil {
		return err
	}
	return json.NewEncoder(p.Stdout).Encode(c)
}

// runCheck writes a report. A report that is not good is an error.
func (p Process) runCheck(ctx context.Context) error {
	source := p.Stdin
	if text := p.Getenv(CheckVariable); text != "" {
		source = strings.NewReader(text)
	}
	var c Check
	if err := json.NewDecoder(source).Decode(&c); err != nil {
		return fmt.Errorf("the check's input: %w", err)
	}
	report, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(p.Stdout).Encode(report); err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("%d of %d probes found something open", len(report.Surprises), report.Probes)
	}
	return nil
}
