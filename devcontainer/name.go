package devcontainer

import (
	"path/filepath"
	"regexp"
	"strings"
)

// Dotenv reads from a .env what the reference CLI reads, in its way: of each of the two variables the first line that
// sets it, all of the line, quotes and comments too.
func Dotenv(data []byte) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME"} {
		if m := regexp.MustCompile(`(?m)^` + name + `=(.+)$`).FindSubmatch(data); m != nil {
			out[name] = strings.TrimSpace(string(m[1]))
		}
	}
	return out
}

// ComposeFiles are the absolute paths of the Compose files, nil for other kinds: those of the devcontainer.json;
// if it lists none, those of COMPOSE_FILE in env, then in dotenv (the .env of the workspace); otherwise the workspace's
// docker-compose.yml, with docker-compose.override.yml if that is there.
func (c *Config) ComposeFiles(env, dotenv map[string]string) []string {
	if c.Compose == nil {
		return nil
	}
	var out []string
	for _, f := range c.Compose.Files {
		out = append(out, c.resolve(f))
	}
	if len(out) > 0 {
		return out
	}
	for _, vars := range []map[string]string{env, dotenv} {
		if list := vars["COMPOSE_FILE"]; list != "" {
			for _, f := range filepath.SplitList(list) {
				if !filepath.IsAbs(f) {
					f = filepath.Join(c.Workspace, f)
				}
				out = append(out, filepath.Clean(f))
			}
			return out
		}
	}
	out = append(out, filepath.Join(c.Workspace, "docker-compose.yml"))
	if over := filepath.Join(c.Workspace, "docker-compose.override.yml"); isFile(over) {
		out = append(out, over)
	}
	return out
}

// ComposeName is the name that docker compose config gives the project, and whether a compose file sets it.
type ComposeName struct {
	Name   string
	InFile bool
}

// ProjectName is the name of the Compose project under which the reference CLI looks for a dev container of
// KindCompose; "" for other kinds, which have no project there. Dotenv is the .env of the workspace (see Dotenv),
// compose what docker compose config says.
func ProjectName(c *Config, env, dotenv map[string]string, compose ComposeName) string {
	if c.Compose == nil {
		return ""
	}
	for _, vars := range []map[string]string{env, dotenv} {
		if name := sanitiseName(vars["COMPOSE_PROJECT_NAME"]); name != "" {
			return name
		}
	}
	if compose.Name != "" && (compose.Name != "devcontainer" || compose.InFile) {
		return sanitiseName(compose.Name)
	}
	dir := filepath.Dir(c.ComposeFiles(env, dotenv)[0])
	if dir == filepath.Join(c.Workspace, ".devcontainer") {
		return sanitiseName(filepath.Base(c.Workspace) + "_devcontainer")
	}
	return sanitiseName(filepath.Base(dir))
}

var noProjectName = regexp.MustCompile(`[^-_a-z0-9]`)

// sanitiseName makes a name of s as the reference CLI does: unlike Compose it keeps a dash at the beginning.
func sanitiseName(s string) string {
	return noProjectName.ReplaceAllString(strings.ToLower(s), "")
}
