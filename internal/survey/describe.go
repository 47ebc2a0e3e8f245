package survey

import (
	"fmt"
	"strings"
)

// Describe says what a plan is made from, a line for each thing.
func (f *Facts) Describe() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, path := range f.Settings.Files {
		add("settings: %s", path)
	}
	for _, path := range f.Found.Paths {
		add("compose file: %s", path)
	}
	if f.Found.Dockerfile != "" {
		add("no compose file; %s", f.Found.Dockerfile)
	}
	switch {
	case f.DotEnv == nil:
		add("%s: not there", f.Found.DotEnv())
	case len(f.Block) > 0:
		add("%s: read without its block, which has %d variables", f.Found.DotEnv(), len(f.Block))
	default:
		add("%s: read", f.Found.DotEnv())
	}
	for _, path := range f.Found.EnvFiles {
		add("env file: %s", path)
	}
	if profiles := strings.Join(f.Found.Profiles, ", "); profiles != "" {
		add("profiles: %s", profiles)
	}
	known := "is new"
	if f.Target.Known != nil {
		k := f.Target.Known
		known = fmt.Sprintf("is in the registry: project %s, offset %d, %d leases", k.Project, k.Offset, len(k.Ports))
	}
	add("loom %s %s; the registry has %d looms; lease space %s",
		f.Target.ID, known, len(f.State.Looms), f.Space)
	return lines
}
