package variables

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func TestPublishedVariablesAreNoOtherUse(t *testing.T) {
	t.Parallel()
	raw := map[string]any{"services": map[string]any{"web": map[string]any{
		"ports":       []any{"${PORT:-3000}:${PORT:-3000}", map[string]any{"target": "80", "published": "${A:-${B:-8080}}"}},
		"environment": map[string]any{"URL": "http://localhost:${PORT}", "KEY": "$$A", "C": nil},
	}}}
	env := types.Mapping{"B": "9000"}
	vars := TakePublished(raw, env.Resolve)
	assert.DeepEqual(t, vars, []Variable{
		{Name: "PORT", Service: "web", Target: 3000, Protocol: "tcp", Published: "3000"},
		{Name: "B", Service: "web", Target: 80, Protocol: "tcp", Published: "9000"},
	})
	uses := UsesIn(raw)
	uses.AddBareNames("env", "export B\nD=1\n")
	assert.DeepEqual(t, uses, Uses{
		"PORT": {
			{Path: "services.web.environment.URL", IsHostURL: true},
			{Path: "services.web.ports"},
		},
		"B": {{Path: "env"}},
		"C": {{Path: "services.web.environment"}},
	})
	p := &types.Project{Services: types.Services{"web": {Ports: []types.ServicePortConfig{
		{Target: 3000, Protocol: "tcp", Published: "3000"},
	}}}}
	given := Given(vars, uses, p)
	assert.Equal(t, len(given), 1)
	assert.Equal(t, given[0].Name+" "+given[0].Entangled, "PORT services.web.ports")
}
