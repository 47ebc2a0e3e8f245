// Package counting counts what a command does: its requests to the engine, the files that it opens, the git processes
// that it starts. Nothing in the command knows of it.
package counting

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worldtest/enginetest"
)

// Part is one kind of what a command does, with how often it did what.
type Part struct {
	Title string
	Times map[string]int
}

// Counter counts for one command after the other.
type Counter struct {
	// Requests returns the requests since the last call.
	Requests func() []enginetest.Request

	bin, gitLog string
	files       *openings
}

// New returns a counter whose own files are in dir.
func New(dir string, requests func() []enginetest.Request) (*Counter, error) {
	c := &Counter{Requests: requests, bin: filepath.Join(dir, "bin"), gitLog: filepath.Join(dir, "git.log")}
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.bin, 0o755); err != nil {
		return nil, err
	}
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\nexec '%s' \"$@\"\n", c.gitLog, git)
	if err := os.WriteFile(filepath.Join(c.bin, "git"), []byte(script), 0o755); err != nil {
		return nil, err
	}
	c.files, err = newOpenings()
	return c, err
}

// Close ends the counting.
func (c *Counter) Close() { c.files.close() }

// Watch counts how often the files in a folder are opened. The tables call the folder prefix.
func (c *Counter) Watch(prefix, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return c.files.watch(prefix, dir)
}

// Path is the PATH under which a command starts the git that is counted.
func (c *Counter) Path(path string) string { return c.bin + string(os.PathListSeparator) + path }

// Parts returns what was done since the last call.
func (c *Counter) Parts() ([]Part, error) {
	opened, err := c.files.take()
	if err != nil {
		return nil, err
	}
	git, err := c.gitCommands()
	if err != nil {
		return nil, err
	}
	return []Part{
		{"asks the engine", requestTimes(c.Requests())}, {"opens", opened}, {"starts git", git},
	}, nil
}

// Table is a text of what was done, sorted by its names.
func Table(title string, parts []Part) string {
	var table strings.Builder
	fmt.Fprintln(&table, title)
	for _, part := range parts {
		fmt.Fprintf(&table, "  %s\n", part.Title)
		for _, what := range slices.Sorted(maps.Keys(part.Times)) {
			fmt.Fprintf(&table, "    %2d  %s\n", part.Times[what], what)
		}
		if len(part.Times) == 0 {
			fmt.Fprint(&table, "    nothing\n")
		}
	}
	return table.String()
}

// requestTimes names requests by their kind and filters. Compose's own lists of containers are told by their filters:
// those of docker loom have neither of these labels.
func requestTimes(requests []enginetest.Request) map[string]int {
	const prefix = "com.docker.compose."
	times := map[string]int{}
	for _, r := range requests {
		kind, filters := r.Kind, r.Filters
		switch {
		case strings.HasSuffix(kind, " /_ping"):
			kind = "ping"
		case kind != "GET /containers/json":
		case len(filters) == 0:
			kind += ", all"
		case slices.Contains(filters, prefix+"config-hash"), slices.Contains(filters, prefix+"oneoff"):
			kind, filters = kind+", Compose's", nil
		case slices.Contains(filters, prefix+"project"):
			kind += ", of the project"
			filters = slices.DeleteFunc(slices.Clone(filters), func(name string) bool { return name == prefix+"project" })
		}
		if len(filters) > 0 {
			kind += " by " + strings.ReplaceAll(strings.Join(filters, ", "), prefix, "")
		}
		times[kind]++
	}
	return times
}

// gitCommands are the git processes since the last call, by their command.
func (c *Counter) gitCommands() (map[string]int, error) {
	times := map[string]int{}
	log, err := os.ReadFile(c.gitLog)
	if os.IsNotExist(err) {
		return times, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(log)) {
		words := strings.Fields(line)
		for len(words) > 1 && strings.HasPrefix(words[0], "-") {
			if words[0] == "-C" || words[0] == "-c" {
				words = words[1:]
			}
			words = words[1:]
		}
		times["git "+words[0]]++
	}
	return times, os.Remove(c.gitLog)
}
