package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// Scope says which looms a command means beyond those that it names.
type Scope struct {
	// Repository are all looms of this repository, Everything all looms of all repositories.
	Repository, Everything bool
	// Ended says that a loom which does not exist is as the command wants it.
	Ended bool
}

// Targets are the looms that a command names.
func (env *Environment) Targets(
	ctx context.Context, l *loom.Looms, ids []string, scope Scope,
) ([]*loom.Target, error) {
	where, err := env.Where(nil)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		// Nothing in quotes, as of an unset variable, does not mean the loom of this folder.
		if strings.TrimSpace(id) == "" {
			return nil, &loom.IDError{Typed: id}
		}
	}
	if scope.Everything {
		return l.Finder().Everywhere(ctx, where.Source)
	}
	if !scope.Repository {
		return env.Each(ctx, l, ids, Search{Purpose: loom.Ending, Ended: scope.Ended})
	}
	targets, err := l.Finder().FindAll(ctx, where)
	if err == nil && len(targets) == 0 && !env.Quiet {
		fmt.Fprintln(env.Docker.Err(), "no looms here")
	}
	return targets, err
}

// Search says how looms are looked for that a command names.
type Search struct {
	Purpose find.Purpose
	// Ended says that a loom which does not exist is as the command wants it: the user is told, and the command goes on.
	Ended bool
}

// Each finds one loom for each id, or without an id the folder's loom.
func (env *Environment) Each(
	ctx context.Context, l *loom.Looms, ids []string, s Search,
) ([]*loom.Target, error) {
	where, err := env.Where(nil)
	if err != nil {
		return nil, err
	}
	if !s.Ended {
		return l.Finder().FindEach(ctx, where, ids, s.Purpose)
	}
	if len(ids) == 0 {
		ids = []string{""}
	}
	var targets []*loom.Target
	var none []error
	for _, id := range ids {
		found, err := l.Finder().FindEach(ctx, where, []string{id}, s.Purpose)
		switch {
		case errors.As(err, new(*loom.UnknownError)), errors.As(err, new(*loom.UnknownProjectError)):
			none = append(none, err)
		case err != nil:
			return nil, err
		case !slices.ContainsFunc(targets, func(t *loom.Target) bool { return t.Name() == found[0].Name() }):
			targets = append(targets, found...)
		}
	}
	for _, err := range none {
		env.tellNone(ctx, l, err)
	}
	return targets, nil
}

// tellNone says that a loom does not exist, and which the user may have meant.
func (env *Environment) tellNone(ctx context.Context, l *loom.Looms, err error) {
	if env.Quiet {
		return
	}
	text := err.Error() + ": nothing to end"
	var unknown *loom.UnknownError
	if errors.As(err, &unknown) {
		if near := env.near(ctx, l, unknown.ID); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	fmt.Fprintln(env.Docker.Err(), text)
}

// near lists the looms of this repository that differ from an id by one letter.
func (env *Environment) near(ctx context.Context, l *loom.Looms, id string) []string {
	where, err := env.Where(nil)
	if err != nil {
		return nil
	}
	// An error here is not one of what the user asked for.
	looms, _ := l.Finder().FindAll(ctx, where)
	var near []string
	for _, t := range looms {
		if levenshtein.Distance(t.ID, id, nil) == 1 {
			near = append(near, t.ID)
		}
	}
	return near
}
