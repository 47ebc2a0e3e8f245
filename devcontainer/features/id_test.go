package features

import (
	"errors"
	"testing"
)

func TestIDsMeanWhatTheSpecificationSays(t *testing.T) {
	t.Parallel()
	const dir, ws = "/w/.devcontainer", "/w"
	for written, want := range map[string]ID{
		"ghcr.io/devcontainers/features/node":     {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/node", Tag: "latest"},
		"ghcr.io/devcontainers/features/node:1.2": {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/node", Tag: "1.2"},
		"GHCR.io/Devcontainers/features/node:RC":  {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/node", Tag: "RC"},
		"localhost:5000/x/y:1":                    {Source: SourceOCI, Registry: "localhost:5000", Repository: "x/y", Tag: "1"},
		"ghcr.io/x/y@sha256:0123456789012345678901234567890123456789012345678901234567890123": {
			Source: SourceOCI, Registry: "ghcr.io", Repository: "x/y", Digest: "sha256:0123456789012345678901234567890123456789012345678901234567890123",
		},
		"https://example.com/a/devcontainer-feature-go.tgz": {Source: SourceTarball, URL: "https://example.com/a/devcontainer-feature-go.tgz"},
		"http://127.0.0.1:9/devcontainer-feature-go.tgz":    {Source: SourceTarball, URL: "http://127.0.0.1:9/devcontainer-feature-go.tgz"},
		"devcontainers/feature-starter/color":               {Source: SourceRelease, Repository: "devcontainers/feature-starter", Tag: "latest", URL: "https://github.com/devcontainers/feature-starter/releases/latest/download/color.tgz"},
		"Microsoft/app_x.y/tool_a@v1.0-rc.1":                {Source: SourceRelease, Repository: "Microsoft/app_x.y", Tag: "v1.0-rc.1", URL: "https://github.com/Microsoft/app_x.y/releases/download/v1.0-rc.1/tool_a.tgz"},
		"localhost/x/y:1":                                   {Source: SourceOCI, Registry: "localhost", Repository: "x/y", Tag: "1"},
		"./go":                                              {Source: SourceLocal, Path: "/w/.devcontainer/go"},
		"./a/../b":                                          {Source: SourceLocal, Path: "/w/.devcontainer/b"},
		"node":                                              {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/node", Tag: "1"},
		"node@2":                                            {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/node", Tag: "2"},
		"golang:latest":                                     {Source: SourceOCI, Registry: "ghcr.io", Repository: "devcontainers/features/go", Tag: "1"},
	} {
		got, err := ParseID(written, dir, ws)
		want.Written = written
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", written, got, err)
		}
	}
	for _, written := range []string{
		"", "nodejs", "gradle", "/w/.devcontainer/go", "../go", "./..", "./.", "./../../etc", "ghcr.io/x/y:", "ghcr.io/x/y@sha256:1", "ghcr.io/x y/z",
		"http://example.com/devcontainer-feature-go.tgz", "https://example.com/go.tgz", "ghcr.io/",
		"a/b", "a/b/c/d", "a/b/c:1", "a/b/c@", "a/b/c@../../x", "a/../c", "a//c",
	} {
		id, err := ParseID(written, dir, ws)
		var idErr *IDError
		if !errors.As(err, &idErr) {
			t.Errorf("%q: %+v, %v", written, id, err)
		}
	}
}

// One devcontainer.json of several reaches the features that they share.
func TestALocalFeatureIsInsideTheWorkspacesFolder(t *testing.T) {
	t.Parallel()
	if id, err := ParseID("../shared/go", "/w/.devcontainer/python", "/w"); err != nil || id.Path != "/w/.devcontainer/shared/go" {
		t.Errorf("%+v, %v", id, err)
	}
	if id, err := ParseID("./.devcontainer/go", "/w", "/w"); err != nil || id.Path != "/w/.devcontainer/go" {
		t.Errorf("%+v, %v", id, err)
	}
}
