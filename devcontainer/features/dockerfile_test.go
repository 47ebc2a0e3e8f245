package features

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheDockerfileHasALayerForEachFeature(t *testing.T) {
	t.Parallel()
	b := &Build{
		BaseID: "sha256:1", BaseUser: "dev", ContainerUser: "dev", RemoteUser: "dev",
		ContainerEnv: map[string]string{"PLAIN": "x", "DOLLAR": "$HOME \\ \"q\"", "LINES": "a\nb"},
		Label:        `[{"id":"./go","mounts":["source=$x,target=/y"]}]`,
		Features: []*Feature{
			{ID: ID{Source: SourceLocal, Path: "/w/.devcontainer/go lang,x", Written: "./go lang,x"}, Manifest: &Manifest{ContainerEnv: []EnvVariable{{"VOLTA_HOME", "/opt/volta"}, {"PATH", "${VOLTA_HOME}/bin:${PATH}"}}}, Digest: "sha256:2"},
			{ID: ID{Source: SourceOCI, Repository: "f/node", Written: "r.io/f/node:1"}, Manifest: &Manifest{}, Digest: "sha256:3", Options: map[string]string{"version": "18"}},
		},
	}
	golden := filepath.Join("testdata", "two.Dockerfile")
	if *update {
		if err := os.WriteFile(golden, []byte(b.Dockerfile()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Dockerfile(); got != string(want) {
		t.Errorf("%s has changed (-update writes it):\n%s", golden, got)
	}
}

func TestTheHashChangesWithWhatIsBuilt(t *testing.T) {
	t.Parallel()
	make := func() *Build {
		return &Build{BaseID: "sha256:1", Label: "[]", Features: []*Feature{
			{ID: ID{Source: SourceOCI, Repository: "f/node", Written: "r.io/f/node:1"}, Manifest: &Manifest{}, Digest: "sha256:3", Options: map[string]string{"version": "18"}},
		}}
	}
	seen := map[string]string{make().Hash(): "nothing"}
	if seen[make().Hash()] == "" {
		t.Fatal("the same build has two hashes")
	}
	for name, change := range map[string]func(*Build){
		"base image":   func(b *Build) { b.BaseID = "sha256:9" },
		"option":       func(b *Build) { b.Features[0].Options["version"] = "20" },
		"content":      func(b *Build) { b.Features[0].Digest = "sha256:9" },
		"remote user":  func(b *Build) { b.RemoteUser = "dev" },
		"label":        func(b *Build) { b.Label = "[{}]" },
		"containerEnv": func(b *Build) { b.ContainerEnv = map[string]string{"A": "1"} },
	} {
		b := make()
		change(b)
		if other := seen[b.Hash()]; other != "" {
			t.Errorf("a change of %s is not seen (as %s)", name, other)
		}
		seen[b.Hash()] = name
	}
}

func TestTheContextHasFoldersAndOptions(t *testing.T) {
	t.Parallel()
	from, to, outside := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(filepath.Join(from, InstallFile), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "/etc/passwd", optionsFile: outside, scriptFile: outside} {
		if err := os.Symlink(target, filepath.Join(from, link)); err != nil {
			t.Fatal(err)
		}
	}
	b := &Build{Features: []*Feature{{ID: ID{Source: SourceLocal, Path: "/x/go", Written: "./go"}, Dir: from, Manifest: &Manifest{}, Options: map[string]string{"version": "it's"}}}}
	if err := b.WriteContext(to); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "00-go", optionsFile))
	if err != nil || string(text) != "VERSION='it'\\''s'\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("a link of the feature leads what is written out of the context")
	}
	if info, err := os.Stat(filepath.Join(to, "00-go", InstallFile)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if target, err := os.Readlink(filepath.Join(to, "00-go", "link")); err != nil || target != "/etc/passwd" {
		t.Errorf("a link's target is not a part of the context: %q, %v", target, err)
	}
	if !strings.Contains(b.Dockerfile(), "source=00-go,") {
		t.Error(b.Dockerfile())
	}
}
