package stack_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

// manyFiles is a project whose compose file refers to others in every way there is. DIR stands for its folder.
var manyFiles = map[string]string{
	"p/compose.yaml": `
name: files
include:
  - path: [../lib/a.yaml, ../lib/a.more.yaml]
    project_directory: ../work
    env_file: [a.env, ../lib/b.env]
  - DIR/abs/compose.yaml
  - inner/compose.yaml
services:
  web:
    extends: {file: "${BASE_FILE:-../lib}/base.yaml", service: base}
    label_file: labels.txt
    env_file: [web.env, {path: none.env, required: false}]
    build: {context: ../../../../../../../../../../../../outside}
    ports: ["${WEB_PORT:-3000}:80"]
    develop: {watch: [{path: ./linked/src, action: sync, target: /src}]}
  same: {extends: {service: web}}
  own: {extends: {file: compose.yaml, service: plain}}
  plain: {image: app, volumes: [".:/w", "../lib:/l"]}
`,
	"lib/a.yaml":      "services: {a: {image: \"a:${A_TAG}\", env_file: rel.env, volumes: [\"./x:/x\"], ports: [\"${A_PORT:-4000}:80\"]}}\n",
	"lib/a.more.yaml": "services: {a: {environment: {B: \"${B}\"}, configs: [c]}}\nconfigs: {c: {file: ./c.txt}}\n",
	"lib/b.env":       "B=${A_TAG}-b\n", "p/a.env": "A_TAG=1\n", "work/rel.env": "R=$A_TAG\n", "work/.env": "A_TAG=unused\n",
	"lib/base.yaml":      "services: {base: {extends: {file: deep/base.yaml, service: deeper}, volumes: [\"./data:/data\"]}}\n",
	"lib/deep/base.yaml": "services: {deeper: {image: base, build: ., environment: [DEEP]}}\n",
	"abs/compose.yaml":   "services: {abs: {image: \"abs:${TAG}\"}}\n", "abs/.env": "TAG=2\n",
	"p/inner/compose.yaml":      "include: [more/compose.yaml]\nservices: {inner: {image: app, build: .}}\n",
	"p/inner/more/compose.yaml": "services: {more: {image: \"more:${TAG:-0}\", volumes: [\"./m:/m\"]}}\n", "p/inner/more/.env": "TAG=3\n",
	"p/labels.txt": "one=1\n", "p/web.env": "W=${WEB_PORT:-none}\n", "p/.env": "DEEP=deep\n", "real/src/": "",
}

func manyFilesProject(t *testing.T) (dir string, found *stack.Found) {
	t.Helper()
	dir = folder(t, manyFiles)
	path := filepath.Join(dir, "p", "compose.yaml")
	text, err := os.ReadFile(path)
	assert.NilError(t, err)
	assert.NilError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "DIR", filepath.ToSlash(dir))), 0o644))
	if err := os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "p", "linked")); err != nil {
		t.Skip(err) // Windows
	}
	found, err = stack.Find(stack.Source{Dir: filepath.Join(dir, "p"), Environ: os.Environ()}, stack.Ours{})
	assert.NilError(t, err)
	return dir, found
}

func asText(t *testing.T, m *stack.Model) string {
	t.Helper()
	p, err := m.Finish(nil, nil)
	assert.NilError(t, err)
	text, err := json.MarshalIndent(map[string]any{
		"loaded": m.Project, "finished": p, "files": p.ComposeFiles, "dir": p.WorkingDir, "environment": p.Environment,
		"variables": m.Variables, "uses": m.Uses, "includes": m.Includes,
	}, "", " ")
	assert.NilError(t, err)
	return string(text)
}

func TestRecompileGivesWhatLoadingAgainWould(t *testing.T) {
	t.Parallel()
	dir, found := manyFilesProject(t)
	m, err := new(stack.Stack).Load(t.Context(), found, "shop", nil)
	assert.NilError(t, err)
	vars := map[string]string{"WEB_PORT": "5000", "A_PORT": "5001"}
	other, err := new(stack.Stack).Load(t.Context(), found, "other", vars)
	assert.NilError(t, err)
	first, second := asText(t, m), asText(t, other)
	assert.Assert(t, first != second)
	assert.Assert(t, strings.Contains(first, filepath.Join(dir, "real", "src")), "links of develop.watch are resolved")

	// What is in the files now does not matter.
	for name := range manyFiles {
		if path := filepath.Join(dir, name); !strings.HasSuffix(name, "/") {
			assert.NilError(t, os.WriteFile(path, []byte("changed: [\n"), 0o644))
		}
	}
	again, err := m.Recompile("other", vars)
	assert.NilError(t, err)
	assert.Equal(t, asText(t, again), second)
	again, err = again.Recompile("shop", nil)
	assert.NilError(t, err)
	assert.Equal(t, asText(t, again), first)
	assert.Equal(t, asText(t, m), first, "the model stays as it was")
}

func TestRecompileNamesAFileThatWasNotRead(t *testing.T) {
	t.Parallel()
	dir, found := manyFilesProject(t)
	m, err := new(stack.Stack).Load(t.Context(), found, "shop", nil)
	assert.NilError(t, err)
	_, err = m.Recompile("shop", map[string]string{"BASE_FILE": "../elsewhere"})
	assert.Assert(t, isNotRead(err, filepath.Join(dir, "elsewhere", "base.yaml")), "%v", err)

	found, err = stack.Find(stack.Source{Dir: folder(t, map[string]string{
		"compose.yaml": "services: {web: {image: app, env_file: \"${E:-a}.env\"}}\n", "a.env": "", "b.env": "",
	})}, stack.Ours{})
	assert.NilError(t, err)
	m, err = new(stack.Stack).Load(t.Context(), found, "shop", nil)
	assert.NilError(t, err)
	again, err := m.Recompile("shop", map[string]string{"E": "b"})
	assert.NilError(t, err)
	_, err = again.Finish(nil, nil)
	assert.Assert(t, isNotRead(err, filepath.Join(found.Dir, "b.env")), "%v", err)
}

func isNotRead(err error, path string) bool {
	var unread *stack.NotReadError
	return errors.As(err, &unread) && unread.Path == path
}

func TestErrorsOfRecompileNameTheRealFiles(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"compose.yaml": "include: [a/compose.yaml]\n", "a/compose.yaml": "services: {web: {image: app, ports: [\"${P:-80}\"]}}\n",
	})
	m := loadFiles(t, dir, nil)
	_, err := m.Recompile("shop", map[string]string{"P": "x"})
	_, loaded := new(stack.Stack).Load(t.Context(), m.Found, "shop", map[string]string{"P": "x"})
	assert.Assert(t, loaded != nil)
	assert.Error(t, err, loaded.Error())
}

func TestProjectsWithoutAComposeFileAreRecompiled(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	found, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
	assert.NilError(t, err)
	m, err := stack.LoadDockerfile(t.Context(), found, "shop", 3000, 80)
	assert.NilError(t, err)
	again, err := m.Recompile("other", nil)
	assert.NilError(t, err)
	assert.Equal(t, again.Project.Name, "other")
	assert.DeepEqual(t, again.Project.Services["app"].Ports, m.Project.Services["app"].Ports)

	found, err = stack.Find(stack.Source{Dir: folder(t, nil), Alone: true}, stack.Ours{})
	assert.NilError(t, err)
	again, err = stack.Empty(found, "shop").Recompile("other", nil)
	assert.NilError(t, err)
	assert.Equal(t, again.Project.Name, "other")
}

// Without interpolation, by which the uses of variables are seen, Compose's loader does not find such files.
func TestReferencesMayHaveVariables(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{
		"compose.yaml":   "include: [\"${DIR:-a}/compose.yaml\"]\nservices: {web: {image: app, ports: [\"${P:-3000}:80\"]}}\n",
		"a/compose.yaml": "include: [\"${NEXT:-b.yaml}\"]\nservices: {a: {image: app, command: \"${X:-}\"}}\n",
		"a/b.yaml":       "services: {b: {image: app, ports: [\"${DIR:-4000}:80\"], command: \"${Y:-}\"}}\n",
	}), map[string]string{"DIR": ""})
	assert.Equal(t, len(m.Variables), 2)
	assert.Assert(t, m.Uses["X"] && m.Uses["Y"] && m.Uses["NEXT"] && m.Uses["DIR"])
	for _, v := range m.Variables {
		assert.Equal(t, v.Entangled != "", v.Name == "DIR")
	}
}
