package devcontainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

func TestContainerFolderIsWhereTheReferenceMountsIt(t *testing.T) {
	t.Parallel()
	verbatim, none := "type=bind,source=x,target=/y", ""
	for _, tc := range []struct {
		name    string
		c       Config
		gitRoot string
		folder  string
		mount   string // "-" for nil
	}{
		{"no git", Config{Kind: KindImage}, "", "/workspaces/app", "type=bind,source=/src/mono/app,target=/workspaces/app"},
		{"the top of a work tree", Config{Kind: KindImage}, "/src/mono/app", "/workspaces/app", "type=bind,source=/src/mono/app,target=/workspaces/app"},
		{"within a work tree", Config{Kind: KindDockerfile}, "/src/mono/", "/workspaces/mono/app", "type=bind,source=/src/mono,target=/workspaces/mono"},
		{"a folder of its own", Config{Kind: KindImage, WorkspaceFolder: "/w"}, "/src/mono", "/w", "type=bind,source=/src/mono,target=/workspaces/mono"},
		{"a mount of its own", Config{Kind: KindImage, WorkspaceMount: &verbatim}, "/src/mono", "/workspaces/mono/app", verbatim},
		{"no mount", Config{Kind: KindImage, WorkspaceMount: &none, WorkspaceFolder: "/w"}, "/src/mono", "/w", ""},
		{"Compose", Config{Kind: KindCompose}, "/src/mono", "/", "-"},
		{"Compose with a folder", Config{Kind: KindCompose, WorkspaceFolder: "/w"}, "/src/mono", "/w", "-"},
		{"a comma", Config{Kind: KindImage, Workspace: "/src/a,b"}, "", "/workspaces/a,b", `type=bind,"source=/src/a,b","target=/workspaces/a,b"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.c.Workspace == "" {
				tc.c.Workspace = "/src/mono/app"
			}
			w := tc.c.ContainerFolder(tc.gitRoot)
			mount := "-"
			if w.Mount != nil {
				mount = *w.Mount
			}
			assert.Equal(t, w.Folder, tc.folder)
			assert.Equal(t, mount, tc.mount)
			if mount != "-" && mount != "" {
				_, err := ParseMount(mount)
				assert.NilError(t, err)
			}
		})
	}
}

// TestEveryProjectOfTheCorpusReadsAsInTheReference compares with files that were seen to be equal to what the reference
// CLI 0.89 prints; labels and, as an image is needed for it there, merged configurations are ours.
func TestEveryProjectOfTheCorpusReadsAsInTheReference(t *testing.T) {
	t.Parallel()
	for _, dir := range corpus(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.Abs(dir)
			assert.NilError(t, err)
			p, err := Find(Search{Dir: dir})
			assert.NilError(t, err)
			assert.Assert(t, p != nil)
			c, err := Read(*p)
			assert.NilError(t, err)

			label := Label([]Metadata{c.picked()})
			c, err = c.Substitute(Vars{
				Env:             env(map[string]string{"HOME": "/home/me"}),
				LocalFolder:     c.Workspace,
				ContainerFolder: c.ContainerFolder("").Folder,
				ID:              "the-id",
			})
			assert.NilError(t, err)
			read, err := json.Marshal(ReadConfiguration(c, c.ContainerFolder(""), Merge(nil, nil, c)))
			assert.NilError(t, err)

			var text bytes.Buffer
			assert.NilError(t, json.Indent(&text, read, "", "  "))
			fmt.Fprintf(&text, "\n\nlabel: %s\nproject: %q\n", label, ProjectName(c, nil, nil, ComposeName{}))
			golden.Assert(t, strings.ReplaceAll(text.String(), filepath.ToSlash(dir), "/src/"+name), filepath.Join("configuration", name+".golden"))
		})
	}
}

func TestAConfigMadeByHandIsOneToo(t *testing.T) {
	t.Parallel()
	c := &Config{Path: "/w/.devcontainer.json", Workspace: "/w", Kind: KindImage, Image: "x", Metadata: Metadata{RemoteUser: "me"}}
	s, err := c.Substitute(Vars{ID: "id"})
	assert.NilError(t, err)
	assert.Equal(t, Label([]Metadata{s.picked()}), `[{"remoteUser":"me"}]`)
	m := Merge(nil, nil, s)
	assert.Equal(t, m.RemoteUser, "me")
	_, err = json.Marshal(ReadConfiguration(s, s.ContainerFolder(""), m))
	assert.NilError(t, err)
}

// TestReadConfigurationIsTheReferences compares with what the reference CLI 0.89 printed (read-configuration
// --include-merged-configuration) for a folder /src/<case> with HOME=/root and EVIL as below. Images that are not of
// loom-test carried the label in label.json.
func TestReadConfigurationIsTheReferences(t *testing.T) {
	t.Parallel()
	label, err := os.ReadFile(filepath.Join("testdata", "reference", "label.json"))
	assert.NilError(t, err)
	cases, err := filepath.Glob(filepath.Join("testdata", "reference", "*", "devcontainer.json"))
	assert.NilError(t, err)
	assert.Assert(t, len(cases) >= 18, "%d cases", len(cases))
	for _, path := range cases {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			assert.NilError(t, err)
			n, err := jsonc.Parse(path, text)
			assert.NilError(t, err)
			c, err := fromDocument(Place{Path: "/src/" + name + "/.devcontainer/devcontainer.json", Workspace: "/src/" + name}, n)
			assert.NilError(t, err)
			vars := Vars{
				Env:             env(map[string]string{"HOME": "/root", "EVIL": "${devcontainerId} ${localEnv:HOME}"}),
				LocalFolder:     c.Workspace,
				ContainerFolder: c.ContainerFolder("").Folder,
			}
			var image []Metadata
			if !strings.HasPrefix(c.Image, "loom-test/") {
				entries, err := ParseMetadata(string(label))
				assert.NilError(t, err)
				for _, e := range entries {
					e, err := e.Substitute(vars)
					assert.NilError(t, err)
					image = append(image, e)
				}
			}
			c, err = c.Substitute(vars)
			assert.NilError(t, err)
			got, err := json.Marshal(ReadConfiguration(c, c.ContainerFolder(""), Merge(image, nil, c)))
			assert.NilError(t, err)

			want, err := os.ReadFile(filepath.Join(filepath.Dir(path), "want.json"))
			assert.NilError(t, err)
			assert.DeepEqual(t, decoded(t, string(got)), decoded(t, string(want)))
		})
	}
}
