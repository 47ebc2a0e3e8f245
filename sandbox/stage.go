package sandbox

import "github.com/docker-loom/docker-loom/finding"

// Staging is what [Stage] is given.
type Staging struct {
	// State is the sandbox's state folder, which is made.
	State string
	// Home is the user's home folder, Vaults the folder of vaults in their configuration, and Vault the one chosen or "".
	Home, Vaults, Vault string
	// Credentials are presets: claude, git, gh, npm.
	Credentials []string
	UID, GID    int
	// Passwd, Group and GitConfig are the image's own files, nil where it has none.
	Passwd, Group, GitConfig []byte
	// UserName and UserEmail are git's; GitHosts are those that git@ addresses are reached at by https.
	UserName, UserEmail string
	GitHosts            []string
}

// Stock is what [Stage] made of it.
type Stock struct {
	// Files are bound into the sandbox.
	Files []Staged
	// Env is of the container: no secrets. Variables are the vault's, which each command is given.
	Env, Variables map[string]string
	Findings       []finding.Finding
}

// Stage writes what a sandbox brings from the host into its state folder, with the agent as owner.
func Stage(Staging) (Stock, error) { return Stock{}, nil }
