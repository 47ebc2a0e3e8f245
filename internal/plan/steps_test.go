package plan

import (
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// TestStepsSayWhatIsDoneInOrder prints whole plans.
func TestStepsSayWhatIsDoneInOrder(t *testing.T) {
	t.Parallel()
	const built = `services:
  web: {build: ., ports: ["80:80"]}
  db: {image: postgres}
`
	running := worldtest.Container{Name: "iloom-shop-5-db-1", Project: "iloom-shop-5", Service: "db"}
	orphan := worldtest.Container{Name: "iloom-shop-5-old-1", Project: "iloom-shop-5", Service: "old"}
	with := func(change func(*Choices)) Choices {
		c := Choices{Version: "test", Compare: true}
		change(&c)
		return c
	}
	none := func(*Choices) {}
	files := map[string]string{"compose.yaml": built, "Dockerfile": "FROM scratch\n"}
	dev := map[string]string{
		"compose.yaml":                    built,
		"Dockerfile":                      "FROM scratch\n",
		".devcontainer/devcontainer.json": `{"dockerComposeFile": "../compose.yaml", "service": "web", "postStartCommand": "true"}`,
	}
	tests := map[string]struct {
		situation
		want string
	}{
		"cold": {situation{id: "5", files: files, choices: with(none)}, `
lease    port 8085/tcp (80 in the files)
write    DIR/compose.override.yaml
write    DIR/.env
build    image iloom-shop-5-web (unless it is here)
create   service db
create   service web
`},
		"files only": {situation{id: "5", files: files, choices: with(func(c *Choices) { c.Stop = AfterFiles })}, `
lease    port 8085/tcp (80 in the files)
write    DIR/compose.override.yaml
write    DIR/.env
`},
		"built again, without what the files no longer have": {
			situation{
				id: "5", files: files, running: []worldtest.Container{running, orphan},
				choices: with(func(c *Choices) { c.Build, c.RemoveOrphans = true, true }),
			}, `
lease    port 8085/tcp (80 in the files)
write    DIR/compose.override.yaml
write    DIR/.env
build    image iloom-shop-5-web
remove   container iloom-shop-5-old-1 (its service is not in the files)
recreate service db
create   service web
`,
		},
		"main": {situation{id: "main", files: files, choices: with(none)}, `
build    image shop-web (unless it is here)
create   service db
create   service web
`},
		"the image of a dev container comes before the files": {situation{id: "5", files: dev, choices: with(none)}, `
lease    port 8085/tcp (80 in the files)
build    image iloom-shop-5-web (what it says counts in the plan)
write    DIR/compose.override.yaml
write    DIR/.env
create   service db
create   service web
run      postStartCommand (in service web)
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p := tt.planned(t)
			var b strings.Builder
			b.WriteString("\n")
			for _, s := range p.Steps() {
				fmt.Fprintln(&b, s)
			}
			got := strings.ReplaceAll(b.String(), p.WorkTree, "DIR")
			assert.Equal(t, got, tt.want)
		})
	}
}

// TestTheImageOfADevContainerIsBuiltWithTheLoomsPorts: its build arguments follow the leases.
func TestTheImageOfADevContainerIsBuiltWithTheLoomsPorts(t *testing.T) {
	t.Parallel()
	s := situation{id: "5", choices: Choices{Version: "test"}, files: map[string]string{
		"compose.yaml": `services:
  web:
    build: {context: ., args: {URL: "http://localhost:${WEB_PORT:-3000}/"}}
    ports: ["${WEB_PORT:-3000}:80"]
`,
		"Dockerfile":                      "FROM scratch\n",
		".devcontainer/devcontainer.json": `{"dockerComposeFile": "../compose.yaml", "service": "web"}`,
	}}
	_, p := s.planned(t)
	assert.Assert(t, p.NextImage != nil)
	assert.Equal(t, *p.NextImage.Service.Build.Args["URL"], "http://localhost:3005/")
}
