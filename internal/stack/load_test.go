package stack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
	is "gotest.tools/v3/assert/cmp"

	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestVariablesOfPublishedPorts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entry, env string
		want       string // name=published of each port, in order
	}{
		{`"3000:80"`, "", ""},
		{`3000`, "", ""},
		{`"80"`, "", ""},
		{`"${P}"`, "P=80", ""},
		{`"${P:-3000}:80"`, "", "P=3000"},
		{`"${P-3000}:80"`, "", "P=3000"},
		{`"${P:?needed}:80"`, "P=1", "P=1"},
		{`"${P}:80"`, "P=3100", "P=3100"},
		{`"$P:80"`, "P=3100", "P=3100"},
		{`"${P:-3000}:80"`, "P=3100", "P=3100"},
		{`"${P:-3000}:80/udp"`, "", "P=3000"},
		{`"127.0.0.1:${P:-3000}:80"`, "", "P=3000"},
		{`"${IP:-127.0.0.1}:${P:-3000}:80"`, "", "P=3000"},
		{`"[::1]:${P:-3000}:80"`, "", "P=3000"},
		{`"${P:-3000}:${T:-80}"`, "", "P=3000"},
		// The first of a chain that has a value gives it; otherwise each can be set.
		{`"${A:-${B:-80}}:80"`, "", "A=80B=80"},
		{`"${A:-${B:-80}}:80"`, "B=81", "B=81"},
		{`"${A:-${B:-80}}:80"`, "A=82\nB=81", "A=82"},
		{`"${A:-${B}}:80"`, "B=81", "B=81"},
		// What is not a single port is left to the override.
		{`"${WHOLE:-8500:85}"`, "", ""},
		{`"${WHOLE:-8500:85}"`, "WHOLE=8501:85", ""},
		{`"${R:-3000-3001}:80-81"`, "", ""},
		{`"${P:-3000}-3001:80-81"`, "", ""},
		{`"3${P:-000}:80"`, "", ""},
		{`{target: 80, published: "${P:-3000}"}`, "", "P=3000"},
		{`{target: "${T:-80}", published: "${P:-3000}", protocol: udp, host_ip: "${IP:-::1}"}`, "", "P=3000"},
		{`{target: 80}`, "", ""},
	} {
		t.Run(test.entry+" "+test.env, func(t *testing.T) {
			t.Parallel()
			m := loadFiles(t, folder(t, map[string]string{
				"compose.yaml": "services:\n  web:\n    image: app\n    ports:\n      - " + test.entry + "\n", ".env": test.env,
			}), nil)
			got := ""
			for _, v := range m.Variables {
				assert.Equal(t, v.Service, "web")
				assert.Assert(t, slices.ContainsFunc(m.Project.Services["web"].Ports, func(p types.ServicePortConfig) bool { return v.Gives("web", p) }),
					"%+v gives none of %+v", v, m.Project.Services["web"].Ports)
				got += v.Name + "=" + v.Published
			}
			assert.Equal(t, got, test.want)
		})
	}
}

func TestAVariableGivesOnlyItsOwnPort(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{"compose.yaml": `
services:
  web:
    image: app
    ports: ["${A:-3000}:80", "3000:80/udp", "127.0.0.1:3001:80", "${B:-3002}:82"]
  api: {image: app, ports: ["3000:80"]}
`}), nil)
	a := m.Variables[0]
	assert.Equal(t, a.Name, "A")
	for service, s := range m.Project.Services {
		for _, p := range s.Ports {
			want := service == "web" && p.Target == 80 && p.Protocol == "tcp" && p.Published == "3000"
			assert.Check(t, a.Gives(service, p) == want, "%s %+v", service, p)
		}
	}
}

func TestWhereElseAVariableIsUsed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, service, rest, file string
		entangled                 string
		elsewhere                 bool
	}{
		{name: "nowhere"},
		{name: "localhost", service: `environment: {URL: "http://localhost:${P:-3000}/x"}`, elsewhere: true},
		{name: "127.0.0.1", service: `labels: {l: "127.0.0.1:$P"}`, elsewhere: true},
		{name: "inside the network", service: `environment: {URL: "http://web:${P:-3000}"}`, elsewhere: true, entangled: "services.web.environment.URL"},
		{name: "both", service: `command: ["localhost:${P}", "x${P}"]`, elsewhere: true, entangled: "services.web.command"},
		{name: "container port", service: `expose: ["${P:-3000}"]`, elsewhere: true, entangled: "services.web.expose"},
		{name: "passed through in a list", service: `environment: [P]`, elsewhere: true, entangled: "services.web.environment"},
		{name: "passed through in a map", service: `environment: {P: }`, elsewhere: true, entangled: "services.web.environment"},
		{name: "build argument", service: `build: {context: ., args: [P]}`, elsewhere: true, entangled: "services.web.build.args"},
		{name: "escaped", service: `command: echo $$P`},
		{name: "another that begins with it", service: `command: echo ${PORT:-1}`},
		{name: "inside a default", service: `command: echo ${OTHER:-$P}`, elsewhere: true, entangled: "services.web.command"},
		{name: "extension", rest: `x-a: {b: "${P}"}`},
		{name: "anchored extension", service: "<<: *more", rest: `x-a: &more {hostname: "h${P}"}`, elsewhere: true, entangled: "services.web.hostname"},
		{name: "config", rest: "configs: {c: {environment: P}}", elsewhere: true, entangled: "configs.c.environment"},
		{name: "another service", rest: "  api: {image: app, hostname: \"${P}\"}", elsewhere: true, entangled: "services.api.hostname"},
		{name: "a disabled service", rest: "  api: {image: app, hostname: \"${P}\", profiles: [x]}", elsewhere: true, entangled: "services.api.hostname"},
		{name: "the same port of another protocol", rest: "  api: {image: app, ports: [\"${P:-3000}:53/udp\"]}"},
		{name: "another default", rest: "  api: {image: app, ports: [\"${P:-4000}:80\"]}", entangled: "services.api.ports"},
		{name: "env file", service: "env_file: a.env", file: "A=http://localhost:${P}", elsewhere: true},
		{name: "entangled env file", service: "env_file: a.env", file: "A=db:${P}", elsewhere: true, entangled: "services.web.env_file a.env"},
		{name: "passed through in an env file", service: "env_file: a.env", file: "B=1\nP\n", elsewhere: true, entangled: "services.web.env_file a.env"},
		{name: "raw env file", service: "env_file: [{path: a.env, format: raw}]", file: "A=db:${P}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := "services:\n  web:\n    image: app\n    ports: [\"${P:-3000}:80\"]\n    " + test.service + "\n" + test.rest + "\n"
			if test.name == "anchored extension" {
				text = test.rest + "\nservices:\n  web:\n    image: app\n    ports: [\"${P:-3000}:80\"]\n    " + test.service + "\n"
			}
			m := loadFiles(t, folder(t, map[string]string{"compose.yaml": text, "a.env": test.file}), nil)
			assert.Assert(t, len(m.Variables) > 0)
			for _, v := range m.Variables {
				if v.Service != "web" {
					continue
				}
				assert.Equal(t, v.Entangled, test.entangled)
				assert.Equal(t, v.Elsewhere, test.elsewhere)
			}
			assert.Equal(t, m.Uses["P"], test.elsewhere)
		})
	}
}

func TestIncludedPortsHaveVariablesToo(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{
		"compose.yaml":     "include: [sub/compose.yaml]\nservices: {web: {image: app}}\n",
		"sub/compose.yaml": "services: {sub: {image: app, ports: [\"${SUB_PORT:-4000}:80\"]}}\n",
	}), nil)
	assert.Assert(t, m.Includes)
	assert.Assert(t, is.Len(m.Variables, 1))
	assert.Equal(t, m.Variables[0].Name, "SUB_PORT")
	assert.Assert(t, m.Variables[0].Gives("sub", m.Project.Services["sub"].Ports[0]))
}

// Compose lets an included file's .env give a variable another value than the project has.
func TestAVariableWithTwoValuesIsEntangled(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{
		"compose.yaml":   "include: [a/compose.yaml]\nservices: {web: {image: app, ports: [\"${P:-3000}:80\"]}}\n",
		"a/compose.yaml": "services: {a: {image: app, ports: [\"${P:-3000}:80\"]}}\n", "a/.env": "P=3001\n",
	}), nil)
	assert.Equal(t, m.Project.Services["a"].Ports[0].Published, "3001")
	assert.Assert(t, is.Len(m.Variables, 1))
	assert.Equal(t, m.Variables[0].Service, "web")
	assert.Equal(t, m.Variables[0].Entangled, "services.a.ports")
}

func TestAPortVariableOfOursNeedsABase(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entry string
		ok    bool
	}{
		{`"${ILOOM_PORT_WEB}:80"`, false},
		{`"$ILOOM_PORT_WEB:80"`, false},
		{`"${ILOOM_PORT_WEB:?set it}:80"`, false},
		{`"${ILOOM_PORT_WEB:-3000}:80"`, true},
		{`"${ILOOM_PORT_WEB-3000}:80"`, true},
		{`"${WEB_PORT:-${ILOOM_PORT_WEB:-3000}}:80"`, true},
		{`"$$ILOOM_PORT_WEB"`, true},
	} {
		t.Run(test.entry, func(t *testing.T) {
			t.Parallel()
			key := "ports"
			if test.entry == `"$$ILOOM_PORT_WEB"` {
				key = "command"
			}
			dir := folder(t, map[string]string{"compose.yaml": fmt.Sprintf("services: {web: {image: app, %s: [%s]}}\n", key, test.entry)})
			f, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
			assert.NilError(t, err)
			_, err = new(stack.Stack).Load(t.Context(), f, "shop", nil)
			var missing *stack.MissingBaseError
			assert.Equal(t, errors.As(err, &missing), !test.ok, "%v", err)
			if test.ok {
				assert.NilError(t, err)
				return
			}
			assert.Equal(t, missing.Name, "ILOOM_PORT_WEB")
			assert.Equal(t, missing.Where, "services.web.ports")
			assert.Error(t, missing, "ILOOM_PORT_WEB (services.web.ports) has no base port: neither container.ports.WEB in the settings nor a default in the compose file")
			m, err := new(stack.Stack).Load(t.Context(), f, "shop", map[string]string{"ILOOM_PORT_WEB": "3000"})
			assert.NilError(t, err)
			assert.Equal(t, m.Project.Services["web"].Ports[0].Published, "3000")
		})
	}
}

func TestProfilesThatAreOffAreLoadedToo(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{"compose.yaml": "services: {web: {image: app}, debug: {image: app, profiles: [debug]}}\n"}), nil)
	assert.DeepEqual(t, m.Project.ServiceNames(), []string{"web"})
	assert.DeepEqual(t, m.Project.DisabledServiceNames(), []string{"debug"})
}

func TestFinishPutsComposesLabelsOnServices(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small + "volumes: {unused: }\nnetworks: {unused: }\n", "x.env": "A=1"})
	f, err := stack.Find(stack.Source{Dir: dir, EnvFiles: []string{"x.env"}}, stack.Ours{})
	assert.NilError(t, err)
	m, err := new(stack.Stack).Load(t.Context(), f, "shop", nil)
	assert.NilError(t, err)
	p, err := m.Finish([]string{"a", "b"}, map[string]string{"ours": "1"})
	assert.NilError(t, err)
	labels := p.Services["web"].CustomLabels
	for name, want := range map[string]string{
		"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "com.docker.compose.oneoff": "False",
		"com.docker.compose.project.working_dir": dir, "com.docker.compose.project.config_files": "a,b",
		"com.docker.compose.project.environment_file": filepath.Join(dir, "x.env"), "ours": "1",
	} {
		assert.Check(t, labels[name] == want, "%s: %s", name, labels[name])
	}
	assert.Equal(t, len(p.Volumes), 0)
	assert.Assert(t, is.Len(p.Networks, 1))
	assert.Equal(t, len(m.Project.Services["web"].CustomLabels), 0, "the model stays as it was")
	assert.Assert(t, is.Len(m.Project.Volumes, 1))
}

func TestAMissingEnvFileIsNamedByFinish(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": "services: {web: {image: app, env_file: gone.env}}\n"})
	_, err := loadFiles(t, dir, nil).Finish(nil, nil)
	assert.ErrorContains(t, err, filepath.Join(dir, "gone.env"))
	// Also where another of them is .env as it is going to be.
	dir = folder(t, map[string]string{"compose.yaml": "services: {web: {image: app, env_file: [.env, gone.env]}}\n"})
	m := loadFiles(t, dir, nil)
	m.UseBlock(nil, []byte("A=1"))
	_, err = m.Finish(nil, nil)
	assert.ErrorContains(t, err, filepath.Join(dir, "gone.env"))
}

func TestRawEnvFilesAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{
		"compose.yaml": "services: {web: {image: app, env_file: [{path: raw.env, format: raw}]}}\n",
		"raw.env":      "A=\"$HOME\"\nB='x' # y\nFROM_ENV\n",
		".env":         "FROM_ENV=1\n",
	}), nil)
	p, err := m.Finish(nil, nil)
	assert.NilError(t, err)
	env := p.Services["web"].Environment
	assert.Equal(t, *env["A"], `"$HOME"`)
	assert.Equal(t, *env["B"], `'x' # y`)
	assert.Equal(t, *env["FROM_ENV"], "1")
}

// What is read through env_file is what the file will hold, not what it holds.
func TestUseBlockStandsForTheFileOnDisk(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"compose.yaml": `
services:
  web:
    image: app
    env_file: [first.env, .env, last.env]
    environment: {EXPLICIT: mine}
  other: {image: app, environment: [ILOOM_LOOM], env_file: [first.env]}
`,
		"first.env": "A=first\nB=first\nURL=http://localhost:${ILOOM_PORT_WEB:-3000}\n", "last.env": "C=last\n",
		".env": "A=old\nB=old\nC=old\nEXPLICIT=dotenv\nREF=${ILOOM_LOOM}-${B}\nILOOM_LOOM=9\nILOOM_PORT_GONE=1\n",
	}
	dir := folder(t, files)
	m := loadFiles(t, dir, map[string]string{"ILOOM_LOOM": "123"})
	after := "A=old\nB=old\nC=old\nEXPLICIT=dotenv\nREF=${ILOOM_LOOM}-${B}\nILOOM_LOOM=123\n"
	m.UseBlock(map[string]string{"ILOOM_LOOM": "123", "ILOOM_PORT_WEB": "3123"}, []byte(after))
	p, err := m.Finish(nil, nil)
	assert.NilError(t, err)

	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte(after), 0o644))
	disk, err := loadFiles(t, dir, map[string]string{"ILOOM_LOOM": "123", "ILOOM_PORT_WEB": "3123"}).Finish(nil, nil)
	assert.NilError(t, err)
	for name := range p.Services {
		assert.DeepEqual(t, p.Services[name].Environment, disk.Services[name].Environment)
	}
	assert.Equal(t, *p.Services["web"].Environment["EXPLICIT"], "mine")
	assert.Equal(t, *p.Services["other"].Environment["URL"], "http://localhost:3123")
}

func TestReadsDotEnv(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"compose.yaml": `
services:
  a: {image: app, env_file: .env}
  b: {image: app, env_file: [x.env, {path: ./sub/../.env}]}
  c: {image: app, env_file: x.env}
  d: {image: app}
  e: {image: app, env_file: .env, profiles: [off]}
`, ".env": "", "x.env": "", "sub/": "",
	})
	m := loadFiles(t, dir, nil)
	assert.DeepEqual(t, m.ReadsDotEnv(), []string{"a", "b", "e"})
}

func TestWhatComposesLoaderCannotDecodeIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "services: {web: {build: {context: ., ulimits: {nofile: {soft: 1, hard: \"1\"}}}}}\n"
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600))
	found, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
	assert.NilError(t, err)
	_, err = new(stack.Stack).Load(t.Context(), found, "p", nil)
	assert.ErrorContains(t, err, "compose cannot read this")
}
