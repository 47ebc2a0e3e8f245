// Package record keeps on this machine what a sandbox was made for, so that the next command can compare.
package record

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Sandbox is what is remembered of a sandbox in its folder.
type Sandbox struct {
	// WantedDigest is the digest of what the sandbox was made for. Another digest means to look closer.
	WantedDigest string `json:"Wanted"`
	// Sandbox and Egress are the containers, each with its start, that the last check found closed.
	Sandbox, SandboxStart, Egress, EgressStart string
	// Image and ImageID are what the sandbox was made from.
	Image, ImageID string
	// User is uid:gid.
	User     string
	WorkTree string `json:"Dir"`
	// GrantedUID is the user of this machine that was given rights to the work tree, 0 if the agent owns it.
	GrantedUID int `json:"Owner"`
	// GitPointers is where git's files of the work tree led.
	GitPointers string `json:"Git"`
	// Access is told before each command.
	Access []string
	// Warnings are repeated before each command, even a quiet one.
	Warnings []string `json:"Loud"`
	// Sources are files and folders of the host whose copies the sandbox has.
	Sources []string
	// GuardedFiles are the host's files that the sandbox guards. GuardedStamp says which they were when it started.
	GuardedFiles []string `json:"Guard"`
	GuardedStamp string   `json:"Stamp"`
}

// GuardedFilesChanged reports whether a guarded file was replaced on this host since the sandbox started. It is the
// agent's to write then ([sandbox.ReadOnlyOverlays]).
func (s Sandbox) GuardedFilesChanged() bool {
	return s.GuardedStamp != sandbox.Fingerprint(s.GuardedFiles)
}

// Store is the folder in which the sandboxes of all looms keep what they are made with.
type Store struct{ root string }

// NewStore returns the store beside the registry at the path.
func NewStore(registry string) Store {
	return Store{filepath.Join(filepath.Dir(registry), "sandbox")}
}

// ProjectDir is the folder in which the sandboxes of a loom keep what they are made with.
func (s Store) ProjectDir(project string) string { return filepath.Join(s.root, project) }

// Dir is the folder of one sandbox, of the default agent if none is named.
func (s Store) Dir(project, agent string) string {
	return filepath.Join(s.ProjectDir(project), cmp.Or(agent, sandbox.DefaultAgent))
}

func (s Store) path(project, agent string) string {
	return filepath.Join(s.Dir(project, agent), fileName)
}

// fileName is the name of the file in a sandbox's folder.
const fileName = "state.json"

// Read reads what is remembered of a sandbox. It is not ok if there is nothing.
func (s Store) Read(project, agent string) (state Sandbox, ok bool) {
	text, err := os.ReadFile(s.path(project, agent))
	return state, err == nil && json.Unmarshal(text, &state) == nil
}

// Write remembers a sandbox.
func (s Store) Write(project, agent string, state Sandbox) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	path := s.path(project, agent)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// GrantedUIDs are the users of this machine that sandboxes of a project gave rights to.
func (s Store) GrantedUIDs(project string) ([]int, error) {
	states, err := filepath.Glob(filepath.Join(s.ProjectDir(project), "*", fileName))
	if err != nil {
		return nil, err
	}
	var users []int
	for _, path := range states {
		state, ok := s.Read(project, filepath.Base(filepath.Dir(path)))
		if ok && state.GrantedUID != 0 && !slices.Contains(users, state.GrantedUID) {
			users = append(users, state.GrantedUID)
		}
	}
	return users, nil
}
