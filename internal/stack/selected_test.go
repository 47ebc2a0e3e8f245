package stack

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func TestSelectTakesWhatServicesDependOn(t *testing.T) {
	t.Parallel()
	p := &types.Project{
		Services: types.Services{
			"web":  {Name: "web", DependsOn: types.DependsOnConfig{"db": {Condition: "service_started", Required: true}}},
			"db":   {Name: "db"},
			"mail": {Name: "mail"},
		},
		DisabledServices: types.Services{"debug": {Name: "debug", Profiles: []string{"debug"}}},
	}
	for names, want := range map[string]string{"web": "db web", "mail": "mail", "debug": "debug", "web debug": "db debug web"} {
		got, err := Select(p, strings.Fields(names))
		assert.NilError(t, err, names)
		services := got.ServiceNames()
		slices.Sort(services)
		assert.Equal(t, strings.Join(services, " "), want, names)
		assert.Assert(t, HasService(got, "mail") && HasService(got, "debug") && !HasService(got, "nosuch"), names)
	}
	assert.Equal(t, len(p.Services), 3)
}
