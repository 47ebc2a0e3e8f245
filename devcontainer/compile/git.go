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

// git lets git work inside, on a work tree whose .git is a file: it names a folder in another place, that of a linked
// work tree or of a submodule, so the repository's git folder is bound at the path that the file names. The host's
// files are not touched. git inside cannot make the repository forget its work trees.
func (c *compiler) git() {
	git := c.in.Git
	if git.Common == "" {
		return
	}
	root, seen := c.inside(git.Root)
	if !seen {
		return
	}
	if git.Pointer != "" {
		target := git.CommonTarget(root)
		if at, covered := c.inside(git.Common); !covered || at != target {
			if slices.ContainsFunc(c.Service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == target }) {
				c.find(finding.Warning, "git does not work inside: something else is mounted at "+target+
					", where the work tree's .git points to", "")
				return
			}
			c.add(types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: git.Common, Target: target})
		}
	}
	keeping := git.Keeping(c.Service.Volumes)
	if git.Pointer != "" || len(keeping) > 0 {
		c.gitConfig(root)
	}
	for _, v := range keeping {
		c.add(v)
	}
}

// gitConfig tells git, by the environment, that the work tree may have another owner. It also keeps git gc from what it
// cannot do with the folders of other work trees: remove them, and shorten their reflogs. git gc fails at the latter.
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
	for _, kv := range [][2]string{
		{"gc.worktreePruneExpire", "never"},
		{"safe.directory", root},
		{"gc.reflogExpire", "never"},
		{"gc.reflogExpireUnreachable", "never"},
	} {
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
