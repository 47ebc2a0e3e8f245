package loom

import (
	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/survey"
)

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
