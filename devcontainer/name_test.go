package devcontainer

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestProjectNameIsTheReferences(t *testing.T) {
	t.Parallel()
	compose := func(files ...string) *Compose { return &Compose{Files: files, Service: "app"} }
	for _, tc := range []struct {
		name        string
		workspace   string
		compose     *Compose
		env, dotenv string // of COMPOSE_PROJECT_NAME
		composeName string
		nameSet     bool
		want        string
	}{
		{"beside devcontainer.json", "/src/My App", compose("c.yml"), "", "", "devcontainer", false, "myapp_devcontainer"},
		{"in the workspace", "/src/My_App", compose("../c.yml", "c.yml"), "", "", "", false, "my_app"},
		{"elsewhere", "/src/app", compose("../docker/c.yml"), "", "", "", false, "docker"},
		{"a name of Compose's own making", "/src/app", compose("../docker/c.yml"), "", "", "docker", false, "docker"},
		{"a name in a file", "/src/app", compose("c.yml"), "", "", "Shop.1", true, "shop1"},
		{"devcontainer in a file", "/src/app", compose("c.yml"), "", "", "devcontainer", true, "devcontainer"},
		{".env", "/src/app", compose("c.yml"), "", "from-ENV_1", "shop", true, "from-env_1"},
		{"environment before .env", "/src/app", compose("c.yml"), "-Mine", "theirs", "shop", true, "-mine"},
		{"an environment that leaves nothing", "/src/app", compose("c.yml"), "!", "theirs", "shop", true, "theirs"},
		{"no files", "/src/app", compose(), "", "", "", false, "app"},
		{"not Compose", "/src/app", nil, "x", "", "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := &Config{Path: tc.workspace + "/.devcontainer/devcontainer.json", Workspace: tc.workspace, Compose: tc.compose}
			got := ProjectName(c, map[string]string{"COMPOSE_PROJECT_NAME": tc.env}, map[string]string{"COMPOSE_PROJECT_NAME": tc.dotenv}, ComposeName{tc.composeName, tc.nameSet})
			assert.Equal(t, got, tc.want)
		})
	}
}

func TestDotenvReadsAsTheReferenceDoes(t *testing.T) {
	t.Parallel()
	got := Dotenv([]byte("#COMPOSE_PROJECT_NAME=no\r\nCOMPOSE_PROJECT_NAME= \"a b\" # c \r\nCOMPOSE_PROJECT_NAME=later\n COMPOSE_FILE=indented\nCOMPOSE_FILE=\nOTHER=x\n"))
	assert.DeepEqual(t, got, map[string]string{"COMPOSE_PROJECT_NAME": `"a b" # c`})
}

func TestComposeFilesFallBackAsTheReferenceDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &Config{Path: filepath.Join(dir, ".devcontainer", "devcontainer.json"), Workspace: dir, Compose: &Compose{}}
	in := func(name string) string { return filepath.Join(dir, name) }
	list := func(s string) map[string]string { return map[string]string{"COMPOSE_FILE": s} }
	sep := string(filepath.ListSeparator)

	assert.DeepEqual(t, c.ComposeFiles(nil, nil), []string{in("docker-compose.yml")})
	assert.NilError(t, os.WriteFile(in("docker-compose.override.yml"), nil, 0o600))
	assert.DeepEqual(t, c.ComposeFiles(nil, nil), []string{in("docker-compose.yml"), in("docker-compose.override.yml")})
	assert.DeepEqual(t, c.ComposeFiles(nil, list("a.yml"+sep+in("b.yml"))), []string{in("a.yml"), in("b.yml")})
	assert.DeepEqual(t, c.ComposeFiles(list("e.yml"), list("a.yml")), []string{in("e.yml")})

	c.Compose.Files = []string{"../c.yml", in("d.yml")}
	assert.DeepEqual(t, c.ComposeFiles(list("e.yml"), nil), []string{in("c.yml"), in("d.yml")})
	assert.Assert(t, (&Config{}).ComposeFiles(list("e.yml"), nil) == nil)
}
