package apply

import (
	"context"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/stack/blame"
)

// Subject is the project that Compose was asked to start.
type Subject struct {
	Loom, Project string
	// Services are those of its files, nil if the files were not read.
	Services types.Services
}

// SubjectOf is the project of a plan.
func SubjectOf(p *plan.Plan) Subject {
	return Subject{Loom: p.ID, Project: p.Entry.Project, Services: p.Project.Services}
}

// Explain says what an error of Compose leaves out: which service failed, with what its container says; which image is
// missing; which services are paused. Compose names a container at best.
func (a *Applier) Explain(ctx context.Context, of Subject, cause error) error {
	if cause == nil || ctx.Err() != nil {
		return cause
	}
	if image, built := blame.ImageOf(cause); image != nil {
		return newImageError(of, image, built)
	}
	own, err := a.Engine.Containers(ctx, engine.Filter{Project: of.Project})
	if err != nil {
		return cause
	}
	if failed, ok := blame.Of(cause); ok {
		return a.blamed(ctx, of, own, failed, cause)
	}
	if err := a.notStarted(ctx, own, cause); err != nil {
		return err
	}
	if paused := pausedServices(of, own); len(paused) > 0 {
		return &PausedError{Loom: of.Loom, Services: paused, Err: cause}
	}
	return a.missingImage(ctx, of, cause)
}

// blamed is the error for the container that Compose's error names, or for that of the service.
func (a *Applier) blamed(
	ctx context.Context, of Subject, own []engine.Container, failed blame.Service, cause error,
) error {
	i := slices.IndexFunc(own, func(c engine.Container) bool {
		return !c.OneOff && (c.Name == failed.Container || c.Service == failed.Name)
	})
	if i < 0 {
		return cause
	}
	e := a.Dead(ctx, own[i], failed.What)
	e.Err, e.NeededBy = cause, neededBy(of.Services, e.Service)
	if failed.NoHealthcheck {
		e.Said = Said{} // the files are wrong, not the container
	}
	return e
}

// neededBy are the services that wait for a condition of another one.
func neededBy(services types.Services, name string) []string {
	var by []string
	for dependent, s := range services {
		if d, ok := s.DependsOn[name]; ok && d.Condition != types.ServiceConditionStarted {
			by = append(by, dependent)
		}
	}
	slices.Sort(by)
	return by
}

// notStarted is the error for a container that the engine could not start, nil if the cause is another one.
func (a *Applier) notStarted(ctx context.Context, own []engine.Container, cause error) error {
	for _, c := range own {
		if c.State != "created" && c.State != "exited" {
			continue
		}
		d, err := a.Engine.Inspect(ctx, c.ID)
		if err == nil && d.StartError != "" && strings.Contains(cause.Error(), d.StartError) {
			return &DeadError{
				Service: c.Service, Container: c.Name, What: "cannot be started: " + d.StartError, Err: cause,
			}
		}
	}
	return nil
}

// PausedError says that services of a loom are paused. Whoever paused them lets them go on.
type PausedError struct {
	Loom     string
	Services []string
	Err      error
}

// Error names the services.
func (e *PausedError) Error() string {
	return strings.Join(e.Services, ", ") + " of loom " + e.Loom + " cannot be started while paused: " + e.Err.Error()
}

// NextStep says what the user does next.
func (e *PausedError) NextStep() string {
	return "docker loom unpause " + e.Loom + " lets them go on"
}

// Unwrap gives Compose's error.
func (e *PausedError) Unwrap() error { return e.Err }

func pausedServices(of Subject, own []engine.Container) []string {
	var paused []string
	for _, c := range own {
		_, planned := of.Services[c.Service]
		if planned && c.State == "paused" && !slices.Contains(paused, c.Service) {
			paused = append(paused, c.Service)
		}
	}
	slices.Sort(paused)
	return paused
}
