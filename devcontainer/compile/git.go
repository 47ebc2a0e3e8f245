package compile

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// git lets git work inside on a linked work tree: its .git is a file that names a folder in the common directory of the
// repository, so that folder is bound at the path that the file names. The host's files are not touched.
func (c *compiler) git() {
	if c.in.Git.Common == "" || c.in.Git.Pointer == "" {
		return
	}
	root, seen := c.inside(c.in.Git.Root)
	if !seen {
		return
	}
	target := filepath.ToSlash(c.in.Git.Common)
	if !filepath.IsAbs(c.in.Git.Pointer) {
		// Counted from where the work tree is in the container, and then from worktrees/NAME to the common directory.
		target = path.Join(root, filepath.ToSlash(c.in.Git.Pointer), "../..")
	}
	if at, covered := c.inside(c.in.Git.Common); !covered || at != target {
		if slices.ContainsFunc(c.Service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == target }) {
			c.find(finding.Warning, "git does not work inside: something else is mounted at "+target+
				", where the work tree's .git points to", "")
			return
		}
		c.add(types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: c.in.Git.Common, Target: target})
	}
	c.gitConfig(root)
	if root != filepath.ToSlash(c.in.Git.Root) {
		c.find(finding.Info, "git worktree prune inside the container would take work trees for gone "+
			"that are not there at their own paths", "run it on the host")
	}
}

// gitConfig tells git, by the environment, that the work tree may have another owner, and that work trees whose folders
// are not in the container are not gone: git gc would take their administration away. (git worktree prune still would.)
func (c *compiler) gitConfig(root string) {
	count := 0
	if value := c.environment("GIT_CONFIG_COUNT"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return
		}
		count = n
	}
	env := types.MappingWithEquals{}
	set := func(name, value string) { env[name] = &value }
	for _, kv := range [][2]string{{"gc.worktreePruneExpire", "never"}, {"safe.directory", root}} {
		set(fmt.Sprintf("GIT_CONFIG_KEY_%d", count), kv[0])
		set(fmt.Sprintf("GIT_CONFIG_VALUE_%d", count), kv[1])
		count++
	}
	set("GIT_CONFIG_COUNT", strconv.Itoa(count))
	for name, value := range c.Service.Environment {
		if _, ours := env[name]; !ours {
			env[name] = value
		}
	}
	c.Service.Environment = env
}

// environment is the value of a variable as the container will have it.
func (c *compiler) environment(name string) string {
	if value, ok := c.Service.Environment[name]; ok && value != nil {
		return *value
	}
	for _, kv := range c.in.Image.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// inside returns the path in the container of a path of the host, by the nearest bind; of two, by the first.
func (c *compiler) inside(host string) (string, bool) {
	best, at := -1, ""
	for _, v := range c.Service.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		rel, err := filepath.Rel(v.Source, host)
		if err != nil || !filepath.IsLocal(rel) || len(v.Source) <= best {
			continue
		}
		best, at = len(v.Source), path.Join(v.Target, filepath.ToSlash(rel))
	}
	return at, best >= 0
}
