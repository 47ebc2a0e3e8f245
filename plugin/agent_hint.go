package plugin

import (
	"errors"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/inside"
)

// agentHint is the next step for an error of agent.
func agentHint(err error) string {
	var (
		remote  *loom.RemoteSandboxError
		main    *loom.MainServicesError
		runtime *loom.RuntimeError
		none    *loom.NoSandboxError
		unknown *loom.UnknownAgentError
		gone    *loom.GoneError
		leak    *loom.LeakError
		service *loom.SandboxServiceError
	)
	switch {
	case errors.As(err, &remote):
		return "docker context use chooses an engine of this machine"
	case errors.As(err, &main):
		return "give the agent a loom of its own: docker loom up ID --worktree; or accept it with --services-egress open"
	case errors.As(err, &gone):
		return "docker loom prune ends what is left of the loom"
	case errors.As(err, &runtime):
		return "install it for the engine, or choose another with container.agent.runtime"
	case errors.As(err, &none) && none.Agent != loom.DefaultAgent:
		return "docker loom agent " + none.Loom + " --agent " + none.Agent + " starts it"
	case errors.As(err, &none):
		return "docker loom agent " + none.Loom + " starts it"
	case errors.As(err, &unknown):
		return "container.agents in your settings, or in those of the main work tree, names agents"
	case errors.As(err, &leak):
		return "docker loom doctor says what this engine can do; docker loom agent " + leak.Loom + " tries again"
	case errors.As(err, &service):
		return "docker loom exec " + service.Loom + " --agent " + service.Agent + " -- COMMAND"
	}
	return ""
}

// execHint is the next step for an error of exec, shell, code and hooks.
func execHint(err error) string {
	var (
		neither   *loom.NeitherError
		noService *loom.NoServiceError
		services  *loom.ServicesError
		stopped   *loom.StoppedError
		hook      *loom.HookError
		none      *loom.NoDevContainerError
		editor    *inside.EditorError
	)
	if hint := agentHint(err); hint != "" {
		return hint
	}
	switch {
	case errors.As(err, &neither):
		return "docker loom ls lists the looms, docker loom ps " + neither.Loom + " the services"
	case errors.As(err, &noService):
		return "docker loom ps " + noService.Loom + " lists the services"
	case errors.As(err, &services):
		return "name one: docker loom exec " + services.Loom + " " + services.Services[0] + " -- COMMAND"
	case errors.As(err, &stopped):
		return "docker loom up " + stopped.Loom + " starts it"
	case errors.As(err, &hook):
		return "the container runs: docker loom shell looks into it, docker loom up runs the hook again"
	case errors.As(err, &none):
		return "docker loom exec " + none.Loom + " -- COMMAND runs a command in one of its services"
	case errors.As(err, &editor):
		return "choose another with --editor, or open that address from where one is installed"
	}
	return ""
}
