package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

// Right is what an agent that owns nothing is to be allowed in a folder or on a file, with all below it.
type Right struct {
	Path  string
	Write bool // else only reading
	// Except are paths below that other rights are about.
	Except []string
}

// Rights are what an agent needs of a work tree and its repository: what [Compile] mounts read-only is only to be read, so
// that a mount that went wrong gives nothing away.
func Rights(workTree string, g *Git, readOnly bool) []Right {
	settings := filepath.Join(workTree, ".iloom")
	tree := Right{Path: workTree, Write: !readOnly, Except: []string{settings}}
	all := []Right{{Path: settings}}
	if g == nil {
		return append([]Right{tree}, all...)
	}
	tree.Except = append(tree.Except, filepath.Join(workTree, ".git"))
	if g.File {
		all = append(all, Right{Path: filepath.Join(workTree, ".git")})
	}
	for _, dir := range g.Submodules {
		tree.Except = append(tree.Except, filepath.Join(dir, ".git"))
		all = append(all, Right{Path: filepath.Join(dir, ".git")})
	}
	for _, dir := range g.Trees {
		tree.Except = append(tree.Except, dir)
		all = append(all, Right{Path: dir})
	}
	if readOnly {
		return append([]Right{tree, {Path: g.Common}}, all...)
	}
	if g.Main {
		common := Right{Path: g.Common, Write: true, Except: g.guardedPaths()}
		for _, name := range g.Others {
			common.Except = append(common.Except, filepath.Join(g.Common, name))
		}
		for _, p := range common.Except {
			all = append(all, Right{Path: p})
		}
		return append([]Right{tree, common}, all...)
	}
	common := Right{Path: g.Common, Except: g.Writable()}
	for _, p := range g.Writable() {
		r := Right{Path: p, Write: true}
		if p == g.Dir {
			r.Except = g.guardedPaths()
		}
		all = append(all, r)
	}
	for _, p := range g.guardedPaths() {
		all = append(all, Right{Path: p})
	}
	return append([]Right{tree, common}, all...)
}

// NoACLError says that a file system keeps no access control lists, by which a fixed user could be let in.
type NoACLError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *NoACLError) Error() string {
	return fmt.Sprintf("%s: its file system keeps no access control lists: %v", e.Path, e.Err)
}

// NextStep says what the user does next.
func (*NoACLError) NextStep() string {
	return "mount the file system with access control lists, or put the work tree on another"
}

// Unwrap gives the system's error.
func (e *NoACLError) Unwrap() error { return e.Err }

// NeedsGrant reports whether an agent of the given uid and gid is to be let in by [Grant]: where the work tree is not its own.
func NeedsGrant(info os.FileInfo, uid int) bool {
	owner, ok := ownerOf(info)
	return ok && owner != uid
}
