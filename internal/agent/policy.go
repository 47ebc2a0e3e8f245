package agent

import (
	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// IsName reports whether an agent can have this name.
func IsName(name string) bool { return settings.AgentName(name) }

// policySources are the files that say what an agent may do: the user's own, and those of the main work tree. A
// sandbox can write neither, unless it works on the main work tree.
func (b backend) policySources(repository string) settings.Sources {
	return settings.Sources{User: b.looms.UserSettings, WorkTree: repository}
}

// wantedOf reads what is wanted of the agent. It asks nothing but files and the environment.
func (a *Agents) wantedOf(t *loom.Target, req *Request) (*wanted.Sandbox, error) {
	return wanted.Read(a.policySources(t.Repository), req.Agent, a.looms.Process.Getenv, wanted.Flags{
		Image: req.Image, Egress: req.Egress, ServicesEgress: req.ServicesEgress, Vault: req.Vault, Trust: req.Trust,
	})
}

// Needs are what the default agent of a loom needs of the engine.
type Needs struct {
	// Runtime is the container runtime, "" for the engine's own.
	Runtime string
	// Images says which image is meant, for a look.
	Images image.Choice
	// Findings are on the settings.
	Findings []finding.Finding
}

// Needs reads what the default agent of a loom needs of the engine.
func (a *Agents) Needs(t *loom.Target) (Needs, error) {
	w, err := a.wantedOf(t, &Request{})
	if err != nil {
		return Needs{}, err
	}
	w.Images.LookOnly = true
	return Needs{Runtime: w.Policy.Runtime, Images: w.Images, Findings: w.Findings}, nil
}
