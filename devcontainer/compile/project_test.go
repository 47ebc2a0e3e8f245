package compile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
)

// imageMetadata is what the images of the templates say, and dind what the feature docker-in-docker does.
const (
	imageMetadata = `[{"id":"ghcr.io/devcontainers/features/common-utils:2"},{"remoteUser":"vscode","customizations":{"vscode":{"extensions":["a.b"]}}}]`
	dind          = `[{"id":"ghcr.io/devcontainers/features/docker-in-docker:2","privileged":true,"entrypoint":"/usr/local/share/docker-init.sh",` +
		`"mounts":[{"source":"dind-var-lib-docker-${devcontainerId}","target":"/var/lib/docker","type":"volume"}]}]`
)

// Each project of the corpus becomes a Compose project, from a linked work tree of a user who is not root.
func TestEveryDevContainerOfTheCorpusBecomesAComposeProject(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(filepath.Join("..", "testdata", "corpus", "*"))
	assert.NilError(t, err)
	assert.Assert(t, len(folders) >= 20, "%d projects", len(folders))
	for _, folder := range folders {
		name := filepath.Base(folder)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.Abs(folder)
			assert.NilError(t, err)
			place, err := devcontainer.Find(devcontainer.Search{Dir: dir})
			assert.NilError(t, err)
			c, err := devcontainer.Read(*place)
			assert.NilError(t, err)
			vars := devcontainer.Vars{Env: func(string) (string, bool) { return "", false }, LocalFolder: dir, ContainerFolder: c.ContainerFolder(dir).Folder, ID: "ID"}
			c, err = c.Substitute(vars)
			assert.NilError(t, err)
			entries, err := devcontainer.ParseMetadata(imageMetadata)
			assert.NilError(t, err)
			if strings.Contains(string(c.Raw), "docker-in-docker") {
				features, err := devcontainer.ParseMetadata(dind)
				assert.NilError(t, err)
				entries = append(entries, features...)
			}
			label := devcontainer.Label(append(slices.Clone(entries), c.Entries()...))
			for i := range entries {
				entries[i], err = entries[i].Substitute(vars)
				assert.NilError(t, err)
			}
			in := Input{
				Config: c, Merged: devcontainer.Merge(entries, nil, c), Label: label, BaseTag: name + "-base",
				Image: devcontainer.ImageInfo{ID: "sha256:1", Entrypoint: []string{"/entry"}, Cmd: []string{"serve"}},
				Git: mounts.Repository{
					Root: dir, Common: "/repo/.git", Own: "/repo/.git/worktrees/x", Pointer: "/repo/.git/worktrees/x", Back: dir + "/.git",
				},
				Host: Host{OS: "linux", UID: 1234, GID: 1234},
			}
			out := ""
			p := &types.Project{Name: name, Services: types.Services{}, Volumes: types.Volumes{}}
			if c.Kind == devcontainer.KindCompose {
				if p, err = compose(t, c, name); err != nil {
					out = fmt.Sprintf("# %v\n", err)
				}
				in.Project = p
			}
			if p != nil {
				done, findings, err := Compile(in)
				assert.NilError(t, err)
				p.Services[done.Service.Name] = done.Service
				maps.Copy(p.Services, done.Others)
				if p.Volumes == nil {
					p.Volumes = types.Volumes{}
				}
				maps.Copy(p.Volumes, done.Volumes)
				text, err := p.MarshalYAML()
				assert.NilError(t, err)
				for _, f := range findings {
					out += "# " + f.String() + "\n"
				}
				out += fmt.Sprintf("# %s in %s\n%s", done.RemoteUser, done.WorkspaceFolder, text)
			}
			home, _ := os.UserHomeDir()
			out = strings.ReplaceAll(out, dir, "/src/"+name)
			out = strings.ReplaceAll(out, filepath.Dir(dir), "/src")
			out = strings.ReplaceAll(out, filepath.Dir(filepath.Dir(dir)), "/")
			// The step's text is in every project with a user.
			out = strings.ReplaceAll(out, indented(uidDockerfile), "        (uidDockerfile)\n")
			golden.Assert(t, strings.ReplaceAll(out, home+"/", "/home/"), filepath.Join("projects", name+".yaml"))
		})
	}
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("        " + line)
	}
	return b.String()
}

// compose loads the compose files that the devcontainer.json names.
func compose(t *testing.T, c *devcontainer.Config, name string) (*types.Project, error) {
	t.Helper()
	details := types.ConfigDetails{Environment: types.Mapping{}}
	for _, file := range c.Compose.Files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: filepath.Join(filepath.Dir(c.Path), filepath.FromSlash(file))})
	}
	details.WorkingDir = filepath.Dir(details.ConfigFiles[0].Filename)
	for _, file := range details.ConfigFiles {
		if _, err := os.Stat(file.Filename); err != nil {
			return nil, err
		}
	}
	return loader.LoadWithContext(t.Context(), details, func(o *loader.Options) {
		o.SetProjectName(name, true)
		o.SkipResolveEnvironment = true
	})
}
