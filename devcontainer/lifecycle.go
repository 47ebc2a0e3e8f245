package devcontainer

import (
	"slices"
	"strings"
)

// Names of the lifecycle hooks that run in the container, in their order.
const (
	OnCreate      = "onCreateCommand"
	UpdateContent = "updateContentCommand"
	PostCreate    = "postCreateCommand"
	PostStart     = "postStartCommand"
	PostAttach    = "postAttachCommand"
)

// Hook is a lifecycle hook that is due.
type Hook struct {
	Name string
	// Commands are those of the image, of each feature and of the file, one after another; none where only the marker is
	// due.
	Commands []Origin
	// Marker is the file in the folder .devcontainer of the user's home that must hold Content, so that no tool runs the
	// hook again; "" for a hook that always runs.
	Marker, Content string
	// Late says that the container counts as usable before this hook (waitFor).
	Late bool
}

// Markers are the contents of the marker files, by name, without line ends at their ends.
type Markers map[string]string

// MarkerFiles are the names of all marker files.
var MarkerFiles = []string{marker(OnCreate), marker(UpdateContent), marker(PostCreate), marker(PostStart)}

func marker(hook string) string { return "." + hook + "Marker" }

// Lifecycle lists the hooks that are due, in order: those of the container's creation once for each container,
// postStart once for each start, postAttach always. created and started are the engine's words for the two times, as
// it writes them (specification, "Lifecycle").
func Lifecycle(m *Merged, markers Markers, created, started string) []Hook {
	waitFor := m.WaitFor
	if waitFor == "" {
		waitFor = UpdateContent
	}
	all := []Hook{
		{Name: OnCreate, Commands: m.OnCreateCommands, Content: created},
		{Name: UpdateContent, Commands: m.UpdateContentCommands, Content: created},
		{Name: PostCreate, Commands: m.PostCreateCommands, Content: created},
		{Name: PostStart, Commands: m.PostStartCommands, Content: started},
		{Name: PostAttach, Commands: m.PostAttachCommands},
	}
	late := false
	var due []Hook
	for _, h := range all {
		h.Late = late
		// initializeCommand has run before the container was there: all of these are late then.
		late = late || h.Name == waitFor || waitFor == "initializeCommand"
		h.Late = h.Late || waitFor == "initializeCommand"
		h.Commands = slices.DeleteFunc(slices.Clone(h.Commands), func(o Origin) bool { return o.empty() })
		if h.Name != PostAttach {
			h.Marker = marker(h.Name)
			if markers[h.Marker] == h.Content {
				continue
			}
		} else if len(h.Commands) == 0 {
			continue
		}
		due = append(due, h)
	}
	return due
}

func (c Command) empty() bool { return c.Shell == "" && len(c.Exec) == 0 && len(c.Parallel) == 0 }

// Argv is the command as a program with its arguments; nil for a Parallel command.
func (c Command) Argv() []string {
	if c.Shell != "" {
		return []string{"/bin/sh", "-c", c.Shell}
	}
	return c.Exec
}

// Text is the command for a reader; for a Parallel command it is the names in it.
func (c Command) Text() string {
	switch {
	case c.Shell != "":
		return c.Shell
	case len(c.Exec) > 0:
		return strings.Join(c.Exec, " ")
	}
	var names []string
	for _, n := range c.Parallel {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}
