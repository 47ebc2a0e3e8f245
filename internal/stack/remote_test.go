package stack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack/references"
)

// farAway is a loader of remote files that has them in a folder.
type farAway struct {
	folder  string
	fetched int
}

func (l *farAway) Accept(path string) bool { return strings.HasPrefix(path, "far://") }

func (l *farAway) Load(_ context.Context, path string) (string, error) {
	l.fetched++
	return filepath.Join(l.folder, strings.TrimPrefix(path, "far://"), "compose.yaml"), nil
}

// Dir is as that of Compose's own loaders, which know the reference but not the path.
func (l *farAway) Dir(path string) string {
	if !l.Accept(path) {
		return ""
	}
	return l.folder
}

func TestWhatWasFetchedIsNotFetchedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write("p/compose.yaml", `
include: ["far://one"]
services:
  web: {extends: {file: "far://two", service: base}, ports: ["${P:-1}:1"]}
  other: {extends: {file: "far://${THREE:-two}", service: base}}
`)
	write("cache/one/compose.yaml", "services: {one: {image: \"one:${P:-1}-${TAG}\", build: .}}\n")
	write("cache/one/.env", "TAG=1\n")
	write("cache/two/compose.yaml", "services: {base: {image: \"two:${P:-1}\", volumes: [\"./x:/x\"]}}\n")

	found, err := Find(Source{Dir: filepath.Join(dir, "p")}, Ours{})
	assert.NilError(t, err)
	var asked []string
	found.Fetch.MayHave = func(reference string) error { asked = append(asked, reference); return nil }
	far := &farAway{folder: filepath.Join(dir, "cache")}
	fetcher := references.NewFetcher(far).Asking(found.Fetch)
	m, err := loadFiles(t.Context(), found, "shop", nil, []*references.Fetcher{fetcher})
	assert.NilError(t, err)
	vars := map[string]string{"P": "2"}
	want, err := loadFiles(t.Context(), found, "shop", vars, []*references.Fetcher{fetcher})
	assert.NilError(t, err)
	assert.Assert(t, len(asked) >= 6)
	assert.Equal(t, far.fetched, 2)

	far.fetched, asked = 0, nil
	assert.NilError(t, os.RemoveAll(dir))
	again, err := m.Recompile("shop", vars)
	assert.NilError(t, err)
	assert.DeepEqual(t, again.Project.Services, want.Project.Services)
	assert.Equal(t, again.Project.Services["one"].Image, "one:2-1")
	assert.DeepEqual(t, again.Variables, want.Variables)
	_, err = m.Recompile("shop", map[string]string{"THREE": "three"})
	unread, ok := errors.AsType[*NotReadError](err)
	assert.Assert(t, ok, "%v", err)
	assert.Equal(t, unread.Path, "far://three")
	assert.Equal(t, far.fetched+len(asked), 0)
}
