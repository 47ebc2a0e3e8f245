package inside

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

func TestComposeRunsWithTheVariablesOfItsLoomOnly(t *testing.T) {
	t.Parallel()
	process := []string{"=C:=C:\\", "PATH=/bin", "ILOOM_LOOM=123", "ILOOM_PORT_WEB=3123", "DB_PORT=5555", "COMPOSE_FILE=x.yaml", "COMPOSE_PROJECT_NAME=x"}
	// What the base project was loaded with: without a loom's own variables, with the base of a shifted one.
	base := types.Mapping{"PATH": "/bin", "DB_PORT": "5432", "COMPOSE_FILE": "x.yaml", "COMPOSE_PROJECT_NAME": "x", "ONLY_IN_DOT_ENV": "1"}
	vars := []overrides.Var{{Name: "COMPOSE_PROJECT_NAME", Value: "iloom-shop-124"}, {Name: "ILOOM_LOOM", Value: "124"}, {Name: "ILOOM_PORT_WEB", Value: "3124"}}
	assert.DeepEqual(t, environment(process, base, vars), []string{"=C:=C:\\", "PATH=/bin", "DB_PORT=5432", "ILOOM_LOOM=124", "ILOOM_PORT_WEB=3124"})
	assert.DeepEqual(t, environment(process, base, nil), []string{"=C:=C:\\", "PATH=/bin", "DB_PORT=5432"})
}
