package wanted

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// WiderError says that an environment variable asks for more than the settings allow. Whoever starts docker loom may
// have taken its environment from a project; the settings are the user's.
type WiderError struct {
	Variable, Value string
	// Setting is the path of the setting, Allowed its value or its default.
	Setting, Allowed string
}

// Error names the variable and what is allowed.
func (e *WiderError) Error() string {
	return fmt.Sprintf("%s=%s asks for more than the settings allow: %s is %s", e.Variable, e.Value, e.Setting, e.Allowed)
}

// NextStep says what the user does next.
func (e *WiderError) NextStep() string {
	return fmt.Sprintf("unset %s, or set %s in ~/.config/iloom-ai/settings.json", e.Variable, e.Setting)
}

// wider returns the error for a variable that asks for more than one of the agent's settings.
func (p policySettings) wider(variable, key, allowed string) error {
	at := "container.agent."
	if _, named := p.set.Container.Agents[p.name]; named {
		at = "container.agents." + p.name + "."
	}
	return &WiderError{Variable: variable, Value: p.env(variable), Setting: at + key, Allowed: allowed}
}

// egressModes are the modes from the strictest on.
var egressModes = []string{string(egress.None), string(egress.Restricted), string(egress.Open)}

// egressMode is the mode of the settings, or a stricter one of the environment.
func (p policySettings) egressMode(set string) (string, error) {
	return p.strictest("AGENT_EGRESS", "egress.mode", set, egressModes)
}

// dockerAccess is the access of the settings, or a stricter one of the environment.
func (p policySettings) dockerAccess(set string) (string, error) {
	if value := p.env("AGENT_DOCKER_ACCESS"); value == "false" || value == "0" {
		return "none", nil
	}
	return p.strictest("AGENT_DOCKER_ACCESS", "dockerAccess", set, []string{"none", "socket"})
}

// strictest returns the value of a variable, or that of the setting if the variable is not set. values are the possible
// ones, from the strictest on.
func (p policySettings) strictest(variable, key, set string, values []string) (string, error) {
	value := p.env(variable)
	at := slices.Index(values, value)
	last := len(values) - 1
	switch {
	case value == "":
		return set, nil
	case at < 0:
		return "", fmt.Errorf("%s must be %s or %s, not %q",
			variable, strings.Join(values[:last], ", "), values[last], value)
	case at > slices.Index(values, set):
		return "", p.wider(variable, key, set)
	}
	return value, nil
}

// Runtimes that put a kernel of their own between a container and the host's. They are stricter than plainRuntimes. Of
// any other runtime nobody here knows what it lets through.
var (
	strictRuntimes = []string{
		"runsc", "io.containerd.runsc.v1",
		"kata", "kata-runtime", "kata-qemu", "kata-clh", "kata-fc", "io.containerd.kata.v2",
	}
	plainRuntimes = []string{"", "runc", "io.containerd.runc.v2"}
)

// runtime is the runtime of the settings, or a stricter one of the environment.
func (p policySettings) runtime(set string) (string, error) {
	value := p.env("AGENT_RUNTIME")
	isStricter := slices.Contains(strictRuntimes, value) && slices.Contains(plainRuntimes, set)
	switch {
	case value == "":
		return set, nil
	case value == set || isStricter:
		return value, nil
	case set == "":
		return "", p.wider("AGENT_RUNTIME", "runtime", "the engine's default")
	}
	return "", p.wider("AGENT_RUNTIME", "runtime", set)
}

// limit is one limit of a sandbox, as settings and environment give it.
type limit struct{ variable, key, set string }

// read returns the limit's text: that of the variable, if there is one and the settings do not fix a lower limit.
func (l limit) read(p policySettings, parse func(text string) (float64, error)) (string, error) {
	fixed, err := parse(l.set)
	if err != nil {
		return "", p.errorAt(err, l.key)
	}
	value := p.env(l.variable)
	if value == "" {
		return l.set, nil
	}
	asked, err := parse(value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", l.variable, err)
	}
	if l.set != "" && asked > fixed {
		return "", p.wider(l.variable, l.key, l.set)
	}
	return value, nil
}

// limits are those of the settings, or of the environment: any if the settings have none, otherwise lower ones.
func (p policySettings) limits(memory, cpus, pids string) (sandbox.Limits, error) {
	memory, err := limit{"AGENT_MEMORY_LIMIT", "memory", memory}.read(p, func(text string) (float64, error) {
		l, err := sandbox.ParseLimits(text, "", "")
		return float64(l.Memory), err
	})
	if err != nil {
		return sandbox.Limits{}, err
	}
	cpus, err = limit{"AGENT_CPU_LIMIT", "cpus", cpus}.read(p, func(text string) (float64, error) {
		l, err := sandbox.ParseLimits("", text, "")
		return l.CPUs, err
	})
	if err != nil {
		return sandbox.Limits{}, err
	}
	pids, err = limit{"AGENT_PIDS_LIMIT", "pids", pids}.read(p, func(text string) (float64, error) {
		l, err := sandbox.ParseLimits("", "", text)
		return float64(l.PIDs), err
	})
	if err != nil {
		return sandbox.Limits{}, err
	}
	return sandbox.ParseLimits(memory, cpus, pids)
}
