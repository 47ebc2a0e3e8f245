package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
)

// beginsWithService reports whether words behind a loom's id, as in exec 123 web ls, begin with the service in which
// the other words are the command. In a loom with one service a word is the service only if no program has its name:
// runProcess 123 node app.js runs node, although the service is called node too.
func (l *Looms) beginsWithService(ctx context.Context, own []engine.Container, words []string) bool {
	if len(words) < 2 {
		return false
	}
	own = slices.DeleteFunc(slices.Clone(own), func(c engine.Container) bool {
		return c.OneOff || !l.Companions.IsService(c)
	})
	if !slices.Contains(serviceNames(own), words[0]) {
		return false
	}
	if slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service != words[0] }) {
		return true
	}
	for _, c := range own {
		if IsRunning(c) {
			return !l.hasProgram(ctx, c, words[0])
		}
	}
	return true
}

// hasProgram reports whether a container has a program of this name on its PATH.
func (l *Looms) hasProgram(ctx context.Context, c engine.Container, name string) bool {
	_, _, code, err := l.Engine.ExecOutput(ctx, c.ID, engine.Process{
		Cmd: []string{"/bin/sh", "-c", `command -v -- "$1"`, "sh", name},
	})
	return err == nil && code == 0
}
