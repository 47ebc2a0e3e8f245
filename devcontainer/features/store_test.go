package features

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// archive is a gzipped tar of regular files; a name that ends with @ is a link to its content.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if link, ok := strings.CutSuffix(name, "@"); ok {
			h = &tar.Header{Name: link, Mode: 0o777, Linkname: text, Typeflag: tar.TypeSymlink}
			text = ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shop serves one archive, and counts how often it is asked for.
type shop struct {
	*httptest.Server
	asked atomic.Int32
	body  []byte
}

func newShop(t *testing.T, files map[string]string) *shop {
	s := &shop{body: archive(t, files)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		_, _ = w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) id() string { return s.URL + "/devcontainer-feature-x.tgz" }

func asking(id string) *devcontainer.Config {
	return &devcontainer.Config{Path: "/w/.devcontainer/devcontainer.json", Workspace: "/w", Features: []devcontainer.FeatureRef{{ID: id}}}
}

var good = map[string]string{ManifestFile: `{"id": "x", "version": "1.2.3"}`, "./" + InstallFile: "#!/bin/sh\n"}

func TestASecondLoomFetchesNothing(t *testing.T) {
	t.Parallel()
	s, dir := newShop(t, good), t.TempDir()
	for range 2 {
		list, err := (&Store{Dir: dir}).Resolve(t.Context(), asking(s.id()), nil)
		if err != nil || len(list) != 1 || list[0].Version() != "1.2.3" || list[0].Digest != digestOf(s.body) {
			t.Fatalf("%+v, %v", list, err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := (&Store{Dir: dir, Refresh: true}).Resolve(t.Context(), asking(s.id()), nil); err != nil || s.asked.Load() != 2 {
		t.Errorf("refresh: asked %d times, %v", s.asked.Load(), err)
	}
}

func TestWithoutANetworkTheCacheDoes(t *testing.T) {
	t.Parallel()
	s, dir := newShop(t, good), t.TempDir()
	id := s.id()
	if _, err := (&Store{Dir: dir}).Resolve(t.Context(), asking(id), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var notes []string
	store := &Store{Dir: dir, Refresh: true, Note: func(text string) { notes = append(notes, text) }}
	if _, err := store.Resolve(t.Context(), asking(id), nil); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "using what was fetched on "+time.Now().UTC().Format("2006-01-02")) {
		t.Errorf("%q, %v", notes, err)
	}
	_, err := (&Store{Dir: t.TempDir()}).Resolve(t.Context(), asking(id), nil)
	var fetch *FetchError
	if !errors.As(err, &fetch) || !fetch.Offline || fetch.ID.Written != id {
		t.Errorf("an empty cache: %v", err)
	}
}

func TestTheLockfileIsObeyed(t *testing.T) {
	t.Parallel()
	s, dir := newShop(t, good), t.TempDir()
	list, err := (&Store{Dir: dir}).Resolve(t.Context(), asking(s.id()), nil)
	if err != nil {
		t.Fatal(err)
	}
	lock := Lock(list)
	s.body = archive(t, map[string]string{ManifestFile: `{"id": "x", "version": "9"}`, InstallFile: "#!/bin/sh\n"})
	if list, err := (&Store{Dir: dir}).Resolve(t.Context(), asking(s.id()), lock); err != nil || list[0].Version() != "1.2.3" {
		t.Errorf("the cache has what the lockfile says: %v", err)
	}
	_, err = (&Store{Dir: t.TempDir()}).Resolve(t.Context(), asking(s.id()), lock)
	var digest *DigestError
	if !errors.As(err, &digest) || digest.Want != lock.Features[s.id()].Integrity {
		t.Errorf("another content: %v", err)
	}
}

func TestAnArchiveCannotWriteElsewhere(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"dots":        {"../evil": "x"},
		"through":     {"a@": "/tmp", "a/evil": "x"},
		"no manifest": {InstallFile: "x"},
		"no script":   {ManifestFile: `{"id": "x"}`},
	} {
		dir := t.TempDir()
		s := newShop(t, files)
		list, err := (&Store{Dir: filepath.Join(dir, "cache")}).Resolve(t.Context(), asking(s.id()), nil)
		if err == nil {
			t.Errorf("%s: %+v", name, list)
		}
		left, _ := os.ReadDir(dir)
		if len(left) > 1 {
			t.Errorf("%s: %v", name, left)
		}
	}
}

func TestAnswersThatAreNoFeature(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, err := (&Store{Dir: t.TempDir()}).Resolve(t.Context(), asking(s.URL+"/devcontainer-feature-x.tgz"), nil)
	var fetch *FetchError
	if !errors.As(err, &fetch) || fetch.Offline || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}

func TestALocalFeatureStaysInItsFolder(t *testing.T) {
	t.Parallel()
	ws, outside := t.TempDir(), t.TempDir()
	for dir, files := range map[string]map[string]string{
		filepath.Join(ws, ".devcontainer", "x"): {ManifestFile: `{"id": "x"}`, InstallFile: "echo 1"},
		outside:                                 {ManifestFile: `{"id": "x"}`, InstallFile: "echo 1"},
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(outside, filepath.Join(ws, ".devcontainer", "link")); err != nil {
		t.Fatal(err)
	}
	config := func(id string) *devcontainer.Config {
		return &devcontainer.Config{Path: filepath.Join(ws, ".devcontainer", "devcontainer.json"), Workspace: ws, Features: []devcontainer.FeatureRef{{ID: id}}}
	}
	list, err := (&Store{}).Resolve(t.Context(), config("./x"), nil)
	if err != nil || list[0].Metadata().ID != "./x" {
		t.Fatal(err)
	}
	for _, id := range []string{"./link", "./missing"} {
		if _, err := (&Store{}).Resolve(t.Context(), config(id), nil); err == nil {
			t.Errorf("%s is taken", id)
		}
	}
	before := list[0].Digest
	if err := os.WriteFile(filepath.Join(ws, ".devcontainer", "x", InstallFile), []byte("echo 2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if list, err = (&Store{}).Resolve(t.Context(), config("./x"), nil); err != nil || list[0].Digest == before {
		t.Errorf("a change is not seen: %v", err)
	}
	if Lock(list) != nil {
		t.Error("local features make no lockfile")
	}
}

// github answers as github.com does: a release's archive at its address, or by way of the API for who has a token.
type github struct {
	archive []byte
	asked   []string
}

func (g *github) RoundTrip(req *http.Request) (*http.Response, error) {
	g.asked = append(g.asked, req.URL.String()+" "+req.Header.Get("Authorization")+" "+req.Header.Get("Accept"))
	w := httptest.NewRecorder()
	switch req.URL.String() {
	case "https://github.com/o/r/releases/latest/download/x.tgz", "https://api.github.com/repos/o/r/releases/assets/7":
		_, _ = w.Write(g.archive)
	case "https://api.github.com/repos/o/r/releases/tags/v1":
		_, _ = w.WriteString(`{"assets": [{"name": "y.tgz", "url": "https://api.github.com/repos/o/r/releases/assets/6"},
			{"name": "x.tgz", "url": "https://api.github.com/repos/o/r/releases/assets/7"}]}`)
	case "https://api.github.com/repos/o/r/releases/tags/v2":
		_, _ = w.WriteString(`{"assets": [{"name": "x.tgz", "url": "https://example.com/x.tgz"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

func TestAFeatureComesFromAReleaseOnGitHub(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, token, asked, fails string }{
		{id: "o/r/x", asked: "https://github.com/o/r/releases/latest/download/x.tgz  "},
		{id: "o/r/nosuch", asked: "https://github.com/o/r/releases/latest/download/nosuch.tgz  ", fails: "answers 404 Not Found"},
		{
			id: "o/r/x@v1", token: "secret",
			asked: "https://api.github.com/repos/o/r/releases/tags/v1 Bearer secret application/vnd.github+json\n" +
				"https://api.github.com/repos/o/r/releases/assets/7 Bearer secret application/octet-stream",
		},
		{
			id: "o/r/x@v2", token: "secret", fails: "release v2 of github.com/o/r has no x.tgz",
			asked: "https://api.github.com/repos/o/r/releases/tags/v2 Bearer secret application/vnd.github+json",
		},
	} {
		g := &github{archive: archive(t, good)}
		s := &Store{Dir: t.TempDir(), Client: &http.Client{Transport: g}, GitHubToken: c.token}
		list, err := s.Resolve(t.Context(), asking(c.id), nil)
		if asked := strings.Join(g.asked, "\n"); asked != c.asked {
			t.Errorf("%s: asked\n%s", c.id, asked)
		}
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", c.id, err)
			}
			continue
		}
		if err != nil || len(list) != 1 || list[0].Version() != "1.2.3" || list[0].Digest != digestOf(g.archive) {
			t.Errorf("%s: %+v, %v", c.id, list, err)
		}
		locked := Lock(list).Features[c.id]
		if locked.Resolved != list[0].ID.URL || locked.Integrity != digestOf(g.archive) {
			t.Errorf("%s: locked as %+v", c.id, locked)
		}
	}
}
