package sandbox

import (
	"encoding/json"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	services := []ServiceAccess{{Name: "web", Open: true, Ways: []string{"writes /srv/uploads"}}, {Name: "db"}}
	for name, s := range map[string]Spec{"linked": linkedSpec(), "main": mainSpec()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := Access(s, services, []string{"GH_TOKEN"})
			assert.NilError(t, err)
			golden.Assert(t, a.Text()+"\n"+strings.Join(a.Lines(), "\n")+"\n", name+"-access.txt")
			text, err := json.MarshalIndent(a, "", "  ")
			assert.NilError(t, err)
			golden.Assert(t, string(text)+"\n", name+"-access.json")
		})
	}
}

func TestServicesOfSeveralProjectsAreNamedWithTheirFolders(t *testing.T) {
	t.Parallel()
	a, err := Access(mainSpec(), []ServiceAccess{
		{Name: "app", Folder: "apps/web", Names: []string{"app", "app.web"}},
		{Name: "app", Folder: "apps/api", Names: []string{"app.api"}, Open: true},
	}, nil)
	assert.NilError(t, err)
	text := a.Text()
	assert.Assert(t, strings.Contains(text, "  service app, app.web (apps/web)\n"), text)
	assert.Assert(t, strings.Contains(text, "  service app.api (apps/api): reaches every host without the proxy\n"), text)
	assert.Assert(t, strings.HasSuffix(a.Lines()[1],
		"; services app (apps/web), app.api (apps/api); by way of app.api: reaches every host without the proxy"), a.Lines()[1])
}
