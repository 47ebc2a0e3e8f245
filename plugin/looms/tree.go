package looms

import (
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// treeOptions are the flags for a work tree of the loom's own.
type treeOptions struct {
	worktree, branch, from, path string
}

func (o *treeOptions) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.worktree, "worktree", "",
		`Give the loom a work tree of its own ("true"); "auto": only if another loom works in this folder`)
	flags.Lookup("worktree").NoOptDefVal = string(tree.Always)
	flags.StringVar(&o.branch, "branch", "", "Branch of the new work tree (default feat/issue-ID)")
	flags.StringVar(&o.from, "from", "", "Where a new branch begins (default: the main branch)")
	flags.StringVar(&o.path, "path", "",
		"Folder of the new work tree (default: beside the repository, in REPOSITORY-looms)")
}

// request checks the flags. Any of them asks for a work tree.
func (o *treeOptions) request(cmd *cobra.Command, args []string) (tree.Options, error) {
	t := tree.Options{Mode: tree.Mode(o.worktree), Branch: o.branch, From: o.from}
	more := ""
	for _, name := range []string{"branch", "from", "path"} {
		f := cmd.Flags().Lookup(name)
		if f.Changed && f.Value.String() == "" {
			return t, command.Usagef(cmd, "--%s: nothing is given", name)
		}
		if f.Changed {
			more = "--" + name
		}
	}
	switch t.Mode {
	case tree.FromSettings, tree.Always, tree.Auto:
	case tree.Never:
		if more != "" {
			return t, command.Usagef(cmd, "%s is for a new work tree, and --worktree=false wants none", more)
		}
	default:
		return t, command.Usagef(cmd, "--worktree must be true, auto or false, not %q", o.worktree)
	}
	if len(args) == 0 && (more != "" || t.Mode == tree.Always || t.Mode == tree.Auto) {
		return t, command.Usagef(cmd, "a work tree is made for an ID: give one")
	}
	if o.path != "" {
		var err error
		if t.Path, err = filepath.Abs(o.path); err != nil {
			return t, err
		}
	}
	return t, nil
}
