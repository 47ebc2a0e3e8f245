package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Stop says after which step a plan's work ends.
type Stop string

// The places where the work can end; the empty one is the end.
const (
	AfterFiles  Stop = "files"
	AfterCreate Stop = "create"
)

// VolumeCopy is a volume whose data begins as that of another.
type VolumeCopy struct{ From, To string }

// Step is one thing that carrying a plan out does.
type Step struct {
	// Action is a verb: lease, build, copy, write, remove, create, recreate, start, keep, check, run.
	Action string `json:"action"`
	// Object is what it is done to.
	Object string `json:"object"`
	// Reason says why, or on which condition; "" if the action says it.
	Reason string `json:"reason,omitempty"`
}

// String is the step as one line.
func (s Step) String() string {
	line := fmt.Sprintf("%-8s %s", s.Action, s.Object)
	if s.Reason != "" {
		line += " (" + s.Reason + ")"
	}
	return line
}

// Steps lists what carrying the plan out does, in the order in which it is done. What Compose decides only when it
// sees the engine is a step "check".
func (p *Plan) Steps() []Step {
	steps := append(p.leaseSteps(), p.devImageSteps()...)
	for _, c := range p.Copies {
		steps = append(steps, Step{Action: "copy", Object: "volume " + c.To, Reason: "from " + c.From})
	}
	for _, f := range p.Files {
		if slices.Contains(p.Unchanged, f.Path) {
			continue
		}
		action := "write"
		if f.Content == nil {
			action = "remove"
		}
		steps = append(steps, Step{Action: action, Object: f.Path})
	}
	if p.Stop == AfterFiles {
		return steps
	}
	steps = append(steps, p.buildSteps()...)
	steps = append(steps, p.containerSteps()...)
	if p.Stop != AfterCreate {
		steps = append(steps, p.hookSteps()...)
	}
	return steps
}

func (p *Plan) leaseSteps() []Step {
	var steps []Step
	for _, l := range p.NewLeases {
		reason := fmt.Sprintf("%d in the files", l.Base)
		steps = append(steps, Step{Action: "lease", Object: "port " + l.String(), Reason: reason})
	}
	return steps
}

// devImageSteps are the builds that the plan waits for. It is made again after them.
func (p *Plan) devImageSteps() []Step {
	next := p.NextImage
	if next == nil {
		return nil
	}
	reason := "what it says counts in the plan"
	if next.Features != nil {
		reason = fmt.Sprintf("%d features", len(next.Features.Features))
	}
	return []Step{{Action: "build", Object: "image " + next.Ref, Reason: reason}}
}

// buildSteps are the images of services that Compose builds.
func (p *Plan) buildSteps() []Step {
	var steps []Step
	for _, name := range p.Project.ServiceNames() {
		s := p.Project.Services[name]
		ref := stack.Image(s, p.Project.Name)
		if s.Build == nil || p.NextImage != nil && p.NextImage.Ref == ref {
			continue
		}
		step := Step{Action: "build", Object: "image " + ref}
		switch change := p.Changes[name]; {
		case p.Rebuild || s.PullPolicy == "build":
		case change == stack.ChangeKeep || change == stack.ChangeStart:
			continue
		default:
			step.Reason = "unless it is here"
		}
		steps = append(steps, step)
	}
	return steps
}

// containerSteps are what becomes of the containers, in the order of the services' names.
func (p *Plan) containerSteps() []Step {
	var steps []Step
	if p.RemoveOrphans {
		for _, name := range p.Orphans {
			steps = append(steps, Step{Action: "remove", Object: "container " + name, Reason: "its service is not in the files"})
		}
	}
	for _, name := range p.Project.ServiceNames() {
		change, known := p.Changes[name]
		if !known {
			change = stack.ChangeUnsure
		}
		step := Step{Action: string(change), Object: "service " + name}
		switch {
		case change == stack.ChangeUnsure:
			step.Reason = "Compose compares it with its containers"
		case change == stack.ChangeRecreate && p.Dev != nil && p.Dev.Service == name:
			step.Reason = p.Recreated
		case change == stack.ChangeStart && p.Stop == AfterCreate:
			step.Action = string(stack.ChangeKeep)
		}
		steps = append(steps, step)
	}
	return steps
}

// hookSteps are the lifecycle hooks of the dev container. Those that ran in a container that is kept are not due.
func (p *Plan) hookSteps() []Step {
	if p.Dev == nil || p.Dev.Compiled == nil || p.Dev.Compiled.Merged == nil {
		return nil
	}
	var names []string
	// No marker is known, so that all are due.
	for _, hook := range devcontainer.Lifecycle(p.Dev.Compiled.Merged, nil, "now", "now") {
		if len(hook.Commands) > 0 {
			names = append(names, hook.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	step := Step{Action: "run", Object: strings.Join(names, ", "), Reason: "in service " + p.Dev.Service}
	if change := p.Changes[p.Dev.Service]; change == stack.ChangeKeep || change == stack.ChangeStart {
		step.Reason += ", as far as they are due"
	}
	return []Step{step}
}

// listNewLeases compares the leases with those that the registry has.
func (m *maker) listNewLeases() {
	if !m.Leases || m.IsPlain() {
		return
	}
	var have []ports.Lease
	if known := m.facts.Target.Known; known != nil {
		have = known.Ports
	}
	for _, l := range m.Entry.Ports {
		if !slices.Contains(have, l) {
			m.NewLeases = append(m.NewLeases, l)
		}
	}
}

// listUnchanged compares the files with those on the disk.
func (m *maker) listUnchanged() {
	onDisk := map[string][]byte{m.facts.Found.DotEnv(): m.facts.DotEnv}
	if d := m.facts.Dev; d != nil && d.DotEnvText != nil {
		onDisk[d.DotEnv] = d.DotEnvText
	}
	for _, f := range m.Files {
		have := cmp.Or(string(m.facts.Generated[f.Path]), string(onDisk[f.Path]))
		if f.Content != nil && have == string(f.Content) {
			m.Unchanged = append(m.Unchanged, f.Path)
		}
	}
}
