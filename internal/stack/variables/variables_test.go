package variables

import (
	"strings"
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
		{Name: "PORT", Service: "web", Target: 3000, Protocol: "tcp", Published: "3000", Default: "3000"},
		{Name: "B", Service: "web", Target: 80, Protocol: "tcp", Published: "9000", Default: "8080"},
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

func TestEachVariableOfANestedDefaultGivesThePort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		published string
		env       types.Mapping
		want      string
	}{
		"one":                       {"${A}", types.Mapping{"A": "80"}, "A"},
		"one with a default":        {"${A:-80}", nil, "A"},
		"nested":                    {"${A:-${B:-${C:-80}}}", nil, "A B C"},
		"nested, without braces":    {"${A:-$B}", types.Mapping{"B": "80"}, "B"},
		"the second has a value":    {"${A:-${B:-${C:-80}}}", types.Mapping{"B": "90"}, "B"},
		"the first has a value":     {"${A:-${B:-80}}", types.Mapping{"A": "90", "B": "91"}, "A"},
		"the first is empty":        {"${A:-${B:-80}}", types.Mapping{"A": ""}, "A B"},
		"the first may be empty":    {"${A-${B:-80}}", types.Mapping{"A": ""}, ""},
		"the last has no value":     {"${A:-${B}}", nil, ""},
		"the last must have one":    {"${A:-${B:?}}", nil, ""},
		"the default is a range":    {"${A:-${B:-80-81}}", nil, ""},
		"a value that is no port":   {"${A:-${B:-80}}", types.Mapping{"A": "80:81"}, ""},
		"text beside the variables": {"8${A:-${B:-0}}", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, strings.Join(portVariables(tt.published, tt.env.Resolve), " "), tt.want)
		})
	}
}

func TestAVariableInADefaultOfAHostURLsPortIsAHostURL(t *testing.T) {
	t.Parallel()
	uses := Uses{}
	uses.AddText("x", "http://localhost:${A:-${B-${C:-80}}}/ http://web:${D:-${E:-80}} localhost:$F ${G:-localhost:${H:-80}}")
	var urls []string
	for _, name := range sortedKeys(uses) {
		if uses[name][0].IsHostURL {
			urls = append(urls, name)
		}
	}
	assert.DeepEqual(t, urls, []string{"A", "B", "C", "F", "H"})
}
