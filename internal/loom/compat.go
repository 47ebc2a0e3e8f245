package loom

import (
	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

func byProject(state *registry.State, project string) *registry.Loom { return state.ByProject(project) }

func copyOf(k *registry.Loom) *registry.Loom { return k.Clone() }

func isDir(path string) bool { return host.IsDir(path) }

func followed(path string) string { return host.Follow(path) }

func below(path, dir string) bool { return host.Below(path, dir) }

func digest(parts ...[]byte) string { return trust.Digest(parts...) }

func distrusted(k *registry.Loom) bool { return trust.WrittenByOthers(k) }

func commonDir(t *Target) string { return t.CommonDir() }

// Names of what a confined loom has beside the files.
const (
	egressService  = plan.EgressService
	settingsFolder = survey.SettingsFolder
)

func runsOnHost(c devcontainer.Command) string { return trust.RunsOnHost(c) }

func policyPowers(t *Target) ([]string, error) {
	if t.WorkTree != t.Repository {
		return nil, nil
	}
	set, err := settings.Read(settings.Sources{WorkTree: t.WorkTree})
	if err != nil {
		return nil, err
	}
	return trust.PolicyAccess(set, DefaultAgent), nil
}

// Errors of the rooms below.
type (
	DisabledError   = plan.DisabledError
	HeldError       = plan.HeldError
	OrphanError     = plan.OrphanError
	SharedDataError = plan.SharedDataError
	NoServiceError  = plan.NoServiceError
	NoPortError     = survey.NoPortError
	DeadError       = apply.DeadError
	SlowError       = apply.SlowError
	PausedError     = apply.PausedError
)
