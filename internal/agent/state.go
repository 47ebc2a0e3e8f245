package agent

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// sandboxState is what is remembered of a sandbox in its folder.
type sandboxState struct {
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

// guardedFilesChanged reports whether a guarded file was replaced on this host since the sandbox started. It is the
// agent's to write then ([sandbox.ReadOnlyOverlays]).
func (s sandboxState) guardedFilesChanged() bool {
	return s.GuardedStamp != sandbox.Fingerprint(s.GuardedFiles)
}

// projectDir is the folder in which the sandboxes of a loom keep what they are made with.
func (a *Agents) projectDir(project string) string {
	return filepath.Join(filepath.Dir(a.looms.Registry.Path()), "sandbox", project)
}

func (a *Agents) statePath(project, agent string) string {
	return filepath.Join(a.projectDir(project), cmp.Or(agent, DefaultName), "state.json")
}

func (a *Agents) readState(project, agent string) (s sandboxState, ok bool) {
	text, err := os.ReadFile(a.statePath(project, agent))
	return s, err == nil && json.Unmarshal(text, &s) == nil
}

func (a *Agents) writeState(project, agent string, s sandboxState) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := a.statePath(project, agent)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// vaults is the folder of the user's vaults.
func (a *Agents) vaults() string { return filepath.Join(filepath.Dir(a.looms.UserSettings), "vaults") }
