// Package setup is what prepares a project for looms: the bases of its ports in the settings, the lockfile of its
// features. It writes files of the project and asks no container.
package setup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Setup is what a project publishes, and what its settings say of that.
type Setup struct {
	WorkTree string `json:"workTree"`
	// Settings is the path of the settings file that init writes. It need not exist.
	Settings string `json:"settings"`
	// Files are the compose files, or the one Dockerfile; DevContainers every devcontainer.json.
	Files         []string `json:"files"`
	DevContainers []string `json:"devContainers"`
	Ports         []Base   `json:"ports"`
	// Written reports that the settings file was changed.
	Written bool `json:"written"`

	content []byte // of the settings file; nil if there is none
}

// Base is one port that looms count from.
type Base struct {
	// Variable is the variable of the port, as ILOOM_PORT_WEB; empty if the files have a number.
	Variable string `json:"variable"`
	// Service publishes its container port Target. They are empty if no published port uses the variable.
	Service  string `json:"service"`
	Target   int    `json:"target"`
	Protocol string `json:"protocol"`
	// Default is what the files say, 0 if they say nothing.
	Default int `json:"default"`
	// Base is what the settings say, otherwise what init proposes: the default or the container port.
	Base int `json:"base"`
	// State is one of the states below.
	State State `json:"state"`
	// Where is the place that uses a variable which is not a published port.
	Where string `json:"where,omitempty"`
}

// State says what the settings have of a port.
type State string

const (
	// New is an ILOOM_PORT_ variable without a base in the settings.
	New State = "new"
	// Set is one that the settings have a base for.
	Set State = "set"
	// Fixed needs no settings: a number, or a variable of the project's own. Looms move it all the same.
	Fixed State = "fixed"
	// Unused is a base in the settings that the files do not use.
	Unused State = "unused"
)

// Name is the port's name in container.ports: WEB for ILOOM_PORT_WEB.
func (b Base) Name() string { return strings.TrimPrefix(b.Variable, stack.PortPrefix) }

// Read reads what the project of the folder publishes. It needs no engine, and no bases: it works where up ends with a
// stack.MissingBaseError.
func Read(ctx context.Context, l *loom.Looms, src stack.Source) (*Setup, error) {
	t, err := l.Finder().Here(ctx, src)
	if err != nil {
		return nil, err
	}
	set, err := settings.Read(settings.Sources{User: l.UserSettings, WorkTree: t.WorkTree})
	if err != nil {
		return nil, err
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	s := &Setup{
		WorkTree: t.WorkTree, Settings: filepath.Join(t.WorkTree, ".iloom", "settings.json"),
		DevContainers: devContainers(t.WorkTree), Ports: []Base{},
	}
	if s.content, err = settings.File(s.Settings); err != nil {
		return nil, err
	}
	found, err := stack.Find(t.Source, survey.Ours(state, t, l.Process))
	switch {
	case errors.Is(err, stack.ErrNoProject) && len(s.DevContainers) > 0:
		s.Files = []string{}
		return s, nil
	case err != nil:
		return nil, err
	case found.Dockerfile != "":
		s.Files = []string{found.Dockerfile}
		return s, s.dockerfile(found, set)
	}
	s.Files = found.Paths
	model, missing, err := loadWithoutBases(ctx, l.Stack, found)
	if err != nil {
		return nil, err
	}
	s.listPorts(model, missing, set)
	for _, b := range s.Ports {
		l.Teller.Debugf("port of %s: %s, %s, base %d", b.Service, cmp.Or(b.Variable, "a number"), b.State, b.Base)
	}
	return s, nil
}

// devContainers finds every devcontainer.json of a work tree, where the specification looks for them.
func devContainers(dir string) []string {
	list := []string{}
	for _, pattern := range []string{
		".devcontainer/devcontainer.json", ".devcontainer.json", ".devcontainer/*/devcontainer.json",
	} {
		paths, _ := filepath.Glob(filepath.Join(survey.EscapeGlob(dir), filepath.FromSlash(pattern))) // the patterns are good
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				list = append(list, path)
			}
		}
	}
	return list
}

// loadWithoutBases loads the project with a stand-in for each missing base, and returns where their variables are used.
func loadWithoutBases(
	ctx context.Context, s *stack.Stack, found *stack.Found,
) (*stack.Model, map[string]string, error) {
	missing, vars := map[string]string{}, map[string]string{}
	for {
		model, err := s.Load(ctx, found, "", vars)
		lack, ok := errors.AsType[*stack.MissingBaseError](err)
		if !ok || vars[lack.Name] != "" {
			return model, missing, err
		}
		missing[lack.Name] = lack.Where
		// A different number for each, which no file has as a port.
		vars[lack.Name] = strconv.Itoa(len(missing))
	}
}

func (s *Setup) dockerfile(found *stack.Found, set *settings.Settings) error {
	target, err := stack.Exposed(stack.Anywhere, found.Dockerfile)
	if err != nil {
		return err
	}
	b := Base{Variable: stack.PortPrefix + "WEB", Target: target, Protocol: "tcp", Default: target, State: New}
	for name, base := range set.Container.Ports {
		if name == "WEB" || len(set.Container.Ports) == 1 {
			b.Variable, b.Base, b.State = stack.PortPrefix+name, base, Set
		}
	}
	if b.State == New {
		b.Base = cmp.Or(set.WebBase(), target, settings.DefaultBasePort)
	}
	s.Ports = append(s.Ports, b)
	s.unused(set)
	return nil
}

// listPorts lists the ports of a loaded project: those with an ILOOM_PORT_ variable, the others, then unused bases.
func (s *Setup) listPorts(model *stack.Model, missing map[string]string, set *settings.Settings) {
	named := map[string]bool{}
	var others []Base
	all := model.Project.AllServices()
	for _, service := range slices.Sorted(maps.Keys(all)) {
		for _, p := range all[service].Ports {
			if p.Published == "" {
				continue
			}
			b := Base{Service: service, Target: int(p.Target), Protocol: cmp.Or(p.Protocol, "tcp"), State: Fixed}
			// Of a range, the first port.
			first, _, _ := strings.Cut(p.Published, "-")
			b.Default, _ = strconv.Atoi(first) // Compose has checked it
			for _, v := range model.Variables {
				if v.Gives(service, p) && (b.Variable == "" || v.Ours()) {
					b.Variable = v.Name
				}
			}
			b.Base = b.Default
			switch {
			case !strings.HasPrefix(b.Variable, stack.PortPrefix):
				others = append(others, b)
			case !named[b.Variable]:
				named[b.Variable] = true
				s.Ports = append(s.Ports, withBase(b, missing, set))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if !named[name] {
			named[name] = true
			s.Ports = append(s.Ports, withBase(Base{Variable: name, Where: missing[name]}, missing, set))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(model.Uses)) {
		if strings.HasPrefix(name, stack.PortPrefix) {
			named[name] = true
		}
	}
	s.Ports = append(s.Ports, others...)
	for i, b := range s.Ports {
		if b.Base == 0 {
			s.Ports[i].Base = s.propose(b, set)
		}
	}
	s.unused(set, slices.Collect(maps.Keys(named))...)
}

// withBase completes a port that has an ILOOM_PORT_ variable.
func withBase(b Base, missing map[string]string, set *settings.Settings) Base {
	if _, ok := missing[b.Variable]; ok {
		b.Default = 0
	}
	if base, ok := set.Container.Ports[b.Name()]; ok {
		b.Base, b.State = base, Set
		return b
	}
	b.State, b.Base = New, b.Default
	return b
}

// propose returns a base that no other port has: the container port, lifted above the privileged ones.
func (s *Setup) propose(b Base, set *settings.Settings) int {
	base := b.Target
	switch {
	case base == 0:
		base = cmp.Or(set.WebBase(), settings.DefaultBasePort)
	case base < 1024:
		base += 8000
	}
	for slices.ContainsFunc(s.Ports, func(o Base) bool { return o.Base == base }) {
		base++
	}
	return base
}

// unused adds the bases in the settings that no file uses.
func (s *Setup) unused(set *settings.Settings, used ...string) {
	for _, name := range slices.Sorted(maps.Keys(set.Container.Ports)) {
		variable := stack.PortPrefix + name
		hasPort := slices.ContainsFunc(s.Ports, func(b Base) bool { return b.Variable == variable })
		if !slices.Contains(used, variable) && !hasPort {
			s.Ports = append(s.Ports, Base{Variable: variable, Base: set.Container.Ports[name], State: Unused})
		}
	}
}

// Choose replaces the proposed base of a port, or the base in the settings.
func (s *Setup) Choose(name string, base int) error {
	if base < 1 || base > 65535 {
		return fmt.Errorf("%s: %d is not a port (1–65535)", name, base)
	}
	for i, b := range s.Ports {
		if b.Name() != name || !strings.HasPrefix(b.Variable, stack.PortPrefix) || b.State == Unused {
			continue
		}
		if b.Base != base || b.State == New {
			s.Ports[i].Base, s.Ports[i].State = base, New
		}
		return nil
	}
	return fmt.Errorf("no compose file uses %s%s", stack.PortPrefix, name)
}

// Content is the settings file with every new base in it. changed reports whether it differs from the file.
func (s *Setup) Content() (content []byte, changed bool, err error) {
	var changes []settings.Change
	for _, b := range s.Ports {
		if b.State == New {
			changes = append(changes, settings.Change{Path: []string{"container", "ports", b.Name()}, Value: b.Base})
		}
	}
	if len(changes) == 0 {
		return s.content, false, nil
	}
	if content, err = settings.Edit(s.Settings, s.content, changes...); err != nil {
		return nil, false, err
	}
	return content, !bytes.Equal(content, s.content), nil
}

// Write writes the settings file if it changes.
func (s *Setup) Write() error {
	content, changed, err := s.Content()
	if err != nil || !changed {
		return err
	}
	if err := settings.Write(s.Settings, content); err != nil {
		return err
	}
	s.Written, s.content = true, content
	return nil
}
