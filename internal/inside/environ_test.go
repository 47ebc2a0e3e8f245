package inside

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

func projectVars(folder string, pairs ...string) projectEnv {
	p := projectEnv{folder: folder, watch: []string{folder + "/compose.yaml", "settings.json"}}
	for i := 0; i < len(pairs); i += 2 {
		p.vars = append(p.vars, overrides.Var{Name: pairs[i], Value: pairs[i+1]})
	}
	return p
}

func lines(vars []overrides.Var) []string {
	var list []string
	for _, v := range vars {
		list = append(list, v.Name+"="+v.Value)
	}
	return list
}

func TestPortsOfOtherProjectsKeepTheirNamesWhereTheseAreFree(t *testing.T) {
	t.Parallel()
	web := projectVars("apps/web", "COMPOSE_PROJECT_NAME", "iloom-shop-web-7", "ILOOM_LOOM", "7", "ILOOM_PORT_WEB", "3007", "ILOOM_PORT_DB", "5439",
		"ILOOM_BASE_WEB", "3000", "ILOOM_BASE_DB", "5432", "CACHE_PORT", "6386", "PORT", "3007")
	api := projectVars("apps/api-v2", "COMPOSE_PROJECT_NAME", "iloom-shop-api-v2-7", "ILOOM_LOOM", "7", "ILOOM_PORT_API", "4007", "ILOOM_PORT_DB", "5440",
		"ILOOM_BASE_API", "4000", "ILOOM_BASE_DB", "5433", "CACHE_PORT", "6387", "API_PORT", "4007", "PORT", "4007")

	// In the folder: all of the project's own, and of the other its ports.
	e := environ{projects: []projectEnv{web, api}, own: true}.env("7")
	assert.DeepEqual(t, lines(e.Vars), append(lines(web.vars),
		"ILOOM_PORT_API=4007", "ILOOM_BASE_API=4000", "ILOOM_PORT_API_V2_DB=5440", "ILOOM_BASE_API_V2_DB=5433"))
	assert.DeepEqual(t, e.Watch, []string{"apps/web/compose.yaml", "settings.json", "apps/api-v2/compose.yaml"})

	// From the root: equal names carry the folder, and nothing names one project.
	e = environ{projects: []projectEnv{web, api}}.env("7")
	assert.DeepEqual(t, lines(e.Vars), []string{
		"ILOOM_LOOM=7", "ILOOM_PORT_WEB=3007", "ILOOM_BASE_WEB=3000", "ILOOM_PORT_API=4007", "ILOOM_BASE_API=4000", "API_PORT=4007",
		"ILOOM_PORT_WEB_DB=5439", "ILOOM_BASE_WEB_DB=5432", "ILOOM_PORT_API_V2_DB=5440", "ILOOM_BASE_API_V2_DB=5433",
	})
}

func TestFoldersThatEndAlikeStandWholeInVariables(t *testing.T) {
	t.Parallel()
	e := environ{projects: []projectEnv{
		projectVars("apps/web", "ILOOM_PORT_DB", "1"), projectVars("tools/web", "ILOOM_PORT_DB", "2"), projectVars("x", "ILOOM_PORT_TOOLS_DB", "3"),
	}}.env("7")
	assert.DeepEqual(t, lines(e.Vars), []string{"ILOOM_PORT_TOOLS_DB=3", "ILOOM_PORT_APPS_WEB_DB=1", "ILOOM_PORT_TOOLS_WEB_DB=2"})
}

func TestOneProjectHasItsVariablesAsTheyAre(t *testing.T) {
	t.Parallel()
	p := projectVars("shop", "COMPOSE_PROJECT_NAME", "iloom-shop-7", "ILOOM_LOOM", "7", "ILOOM_PORT_WEB", "3007", "PORT", "3007")
	assert.DeepEqual(t, environ{projects: []projectEnv{p}, own: true}.env("7").Vars, p.vars)
}
