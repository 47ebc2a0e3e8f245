// Package data copies the volumes of one loom for another, so that the other begins with the same data.
package data

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Request asks that a loom's volumes begin with the data of another loom, the source.
type Request struct {
	// From is the source's id; empty to copy nothing.
	From string
	// Live copies while the source's services write. Stop stops the services instead of pausing them, so that they write
	// what they keep in memory.
	Live, Stop bool
}

// Copy is a decided copy.
type Copy struct {
	Request
	// Loom and Repository are the new loom's, Project is its Compose project.
	Loom, Repository, Project string
	// Source is the source's id, SourceProject its Compose project.
	Source, SourceProject string
	Pairs                 []Pair
	// Notes name the volumes that are not copied.
	Notes []string
}

// Pair is a volume of the source and its copy. Key is the name in the compose files.
type Pair struct{ Key, From, To string }

// HasDataError says that a loom has volumes whose data a copy would replace.
type HasDataError struct {
	Loom, From string
	Volumes    []string
}

// Error names the volumes.
func (e *HasDataError) Error() string {
	return fmt.Sprintf("loom %s has data already, in %s", e.Loom, strings.Join(e.Volumes, ", "))
}

// NextStep says what the user does next.
func (e *HasDataError) NextStep() string {
	return fmt.Sprintf(
		"run docker loom down %s --volumes to end it with its data, then docker loom up %s --data-from %s",
		e.Loom, e.Loom, e.From)
}

// NoDataError says that the source has nothing to copy.
type NoDataError struct{ From, Loom string }

// Error names both looms.
func (e *NoDataError) Error() string {
	return fmt.Sprintf("loom %s has no named volume that loom %s has too", e.From, e.Loom)
}

// NextStep says what the user does next.
func (*NoDataError) NextStep() string {
	return "leave --data-from out"
}

// SpaceError says that the engine's disk is too small for a copy.
type SpaceError struct {
	Need, Free uint64
	Dir        string
}

// Error has the sizes.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("the copy needs %s, and %s are free in %s",
		units.BytesSize(float64(e.Need)), units.BytesSize(float64(e.Free)), e.Dir)
}

// NextStep says what the user does next.
func (*SpaceError) NextStep() string {
	return "docker system prune, or docker loom prune"
}

// Decide completes a copy with its pairs and notes. volumes are those of the new loom's project, onEngine are all
// volumes of the engine. Decide refuses a copy that would replace data.
func Decide(c Copy, volumes types.Volumes, onEngine []engine.Volume) (*Copy, error) {
	c.pair(volumes, onEngine)
	if len(c.Pairs) == 0 {
		return nil, &NoDataError{From: c.Source, Loom: c.Loom}
	}
	exists := &HasDataError{Loom: c.Loom, From: c.From}
	for _, v := range onEngine {
		if slices.ContainsFunc(c.Pairs, func(p Pair) bool { return p.To == v.Name }) {
			exists.Volumes = append(exists.Volumes, v.Name)
		}
	}
	if len(exists.Volumes) > 0 {
		return nil, exists
	}
	return &c, nil
}

// pair matches the volumes of the two projects by their keys in the compose files.
func (c *Copy) pair(volumes types.Volumes, onEngine []engine.Volume) {
	note := func(format string, args ...any) { c.Notes = append(c.Notes, fmt.Sprintf(format, args...)) }
	for _, key := range slices.Sorted(maps.Keys(volumes)) {
		v := volumes[key]
		i := slices.IndexFunc(onEngine, func(e engine.Volume) bool {
			return e.Labels[stack.LabelProject] == c.SourceProject && e.Labels[stack.LabelVolume] == key
		})
		switch {
		case bool(v.External) || i >= 0 && onEngine[i].Name == v.Name:
			note("volume %s is shared by both looms and not copied", v.Name)
		case v.DriverOpts["type"] == "tmpfs":
			note("volume %s is in memory and keeps nothing to copy", v.Name)
		case i < 0:
			note("volume %s begins empty: the other loom has none", v.Name)
		default:
			c.Pairs = append(c.Pairs, Pair{Key: key, From: onEngine[i].Name, To: v.Name})
		}
	}
}

// Findings tell the user which volumes are copied.
func (c *Copy) Findings() []finding.Finding {
	var list []finding.Finding
	for _, p := range c.Pairs {
		list = append(list, finding.Finding{
			Level: finding.Info, Subject: "volume " + p.Key,
			Message: fmt.Sprintf("%s begins with the data of %s, of loom %s", p.To, p.From, c.Source),
		})
	}
	return list
}

// from are the names of the source's volumes, to those of their copies.
func (c *Copy) names() (from, to []string) {
	for _, p := range c.Pairs {
		from, to = append(from, p.From), append(to, p.To)
	}
	return from, to
}
