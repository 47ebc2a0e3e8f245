package agent

import (
	"fmt"
)

// RemoteSandboxError says that the engine is on another machine, where the work tree is not.
type RemoteSandboxError struct{ Host string }

// Error names the engine.
func (e *RemoteSandboxError) Error() string {
	return "a sandbox works on the work tree of this machine, and the engine at " + e.Host + " is on another"
}

// NextStep says what the user does next.
func (*RemoteSandboxError) NextStep() string {
	return "docker context use chooses an engine of this machine"
}

// MainServicesError says that the services of the loom main cannot be confined: it is what docker compose up makes.
type MainServicesError struct{ Loom string }

// Error names the loom.
func (e *MainServicesError) Error() string {
	return "the services of loom " + e.Loom + " are as docker compose makes them, and reach the internet: " +
		"an agent that edits what they run would too"
}

// NextStep says what the user does next.
func (*MainServicesError) NextStep() string {
	return "docker loom agent run ID --services-egress open accepts that; the services of an issue's own loom are closed"
}

// GoneError says that the work tree that an agent was to work on is gone.
type GoneError struct{ Loom, WorkTree string }

// Error names the work tree.
func (e *GoneError) Error() string {
	return "the work tree of loom " + e.Loom + ", " + e.WorkTree + ", is gone"
}

// NextStep says what the user does next.
func (*GoneError) NextStep() string {
	return "docker loom prune ends what is left of the loom"
}

// GoneProjectError says that the folder of one of the loom's projects is gone, so that nothing can confine its
// containers.
type GoneProjectError struct{ Loom, Folder string }

// Error names the project.
func (e *GoneProjectError) Error() string {
	return "project " + e.Folder + " of loom " + e.Loom + " has containers that cannot be confined: its folder is gone"
}

// NextStep says what the user does next.
func (e *GoneProjectError) NextStep() string {
	return "docker loom down " + e.Loom + " --project " + e.Folder + " removes them"
}

// RuntimeError says that the engine has no such container runtime.
type RuntimeError struct {
	Runtime string
	There   []string
}

// Error lists the runtimes that the engine has.
func (e *RuntimeError) Error() string {
	return fmt.Sprintf("the engine has no runtime %s; it has: %q", e.Runtime, e.There)
}

// NextStep says what the user does next.
func (*RuntimeError) NextStep() string {
	return "install it for the engine, or choose another with container.agent.runtime"
}

// NoSandboxError says that a loom has no sandbox for the agent, or none that runs.
type NoSandboxError struct {
	Loom, Agent string
	// State is that of its container, "" without one.
	State string
}

// Error names loom and agent.
func (e *NoSandboxError) Error() string {
	if e.State != "" {
		return fmt.Sprintf("the sandbox of loom %s for %s does not run: its container is %s", e.Loom, e.Agent, e.State)
	}
	return fmt.Sprintf("loom %s has no sandbox for %s", e.Loom, e.Agent)
}

// NextStep says what the user does next.
func (e *NoSandboxError) NextStep() string {
	if e.Agent != DefaultName {
		return "docker loom agent run " + e.Loom + " --agent " + e.Agent + " starts it"
	}
	return "docker loom agent run " + e.Loom + " starts it"
}
