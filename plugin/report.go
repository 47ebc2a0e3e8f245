package plugin

import (
	"errors"
	"fmt"
	"io"

	"github.com/docker/cli/cli"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// stepper is an error that knows what the user does next; "" leaves it to the error inside.
type stepper interface {
	error
	NextStep() string
}

// nextStep returns the next step of the outermost error that has one, "" if none has.
func nextStep(err error) string {
	if s, ok := err.(stepper); ok { //nolint:errorlint // the tree is walked here
		if step := s.NextStep(); step != "" {
			return step
		}
	}
	switch inner := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		return nextStep(inner.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range inner.Unwrap() {
			if step := nextStep(err); step != "" {
				return step
			}
		}
	}
	return ""
}

// report prints the error with its next step and gives the exit code.
func report(w io.Writer, env *command.Environment, err error, interrupted bool) int {
	var status cli.StatusError
	switch {
	case err == nil:
		return 0
	case interrupted && !errors.As(err, &status):
		if step := nextStep(err); step != "" {
			fmt.Fprintln(w, "interrupted: "+env.WithProject(step))
		} else {
			fmt.Fprintln(w, "interrupted")
		}
		return 130
	case errors.As(err, &status):
		if status.Status != "" {
			fmt.Fprintln(w, status.Status)
		}
		return max(status.StatusCode, 1)
	}
	fmt.Fprintln(w, "error: "+err.Error())
	step := ""
	if id := (*loom.IDError)(nil); errors.As(err, &id) {
		step = env.StepInFolder(id.Typed)
	}
	if step == "" {
		step = env.WithProject(nextStep(err))
	}
	if step != "" {
		fmt.Fprintln(w, "hint: "+step)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case errors.As(err, new(command.UsageError)), errors.As(err, new(*loom.IDError)),
		errors.As(err, new(*command.NoTerminalError)):
		return 2
	case errors.As(err, new(*loom.NotRunError)):
		return 125
	}
	return 1
}
