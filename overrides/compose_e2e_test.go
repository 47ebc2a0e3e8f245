//go:build e2e

package overrides_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// The gate loads files as docker compose does; this is docker compose.
func TestDockerComposePutsTheSameHashesOnContainers(t *testing.T) {
	h := &host{}
	for _, corpus := range []string{"traps", "corpus"} {
		dir := copied(t, filepath.Join("testdata", corpus))
		for _, name := range traps(t, dir) {
			// The first has images of another platform, the second drivers that this engine need not have.
			if slices.Contains([]string{"wasmedge-kafka-mysql", "host-resources", "README.md"}, name) {
				continue
			}
			t.Run(corpus+"/"+name, func(t *testing.T) {
				list := trapVariants(t, filepath.Join(dir, name))
				// The last variant has the most profiles.
				v := list[len(list)-1]
				k, err := plan(t.Context(), v, "101", h, mutation{}, nil)
				assert.NilError(t, err)
				_, err = overrides.Write(k.files())
				assert.NilError(t, err)
				k.created(t, v)
			})
		}
	}
}

// created lets docker compose create the loom's containers and compares what it put on them and on the networks and
// volumes.
func (k *loom) created(t *testing.T, v variant) {
	t.Helper()
	p := k.project
	var undo [][]string
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = docker(ctx, variant{dir: os.TempDir()}, "compose", "--project-name", p.Name, "down", "--volumes", "--timeout", "0", "--remove-orphans")
		for _, args := range undo {
			_, _ = docker(ctx, v, args...)
		}
	})
	for _, secret := range p.Secrets {
		if _, err := os.Stat(secret.File); secret.File != "" && err != nil {
			assert.NilError(t, os.MkdirAll(filepath.Dir(secret.File), 0o755))
			assert.NilError(t, os.WriteFile(secret.File, nil, 0o644))
		}
	}
	for _, s := range p.Services {
		image := stack.Image(s, p.Name)
		if _, err := docker(t.Context(), v, "image", "inspect", image); err != nil {
			must(t, v, "tag", "loom-test/busybox:latest", image)
			undo = append(undo, []string{"rmi", "--force", image})
		}
	}
	for _, n := range p.Networks {
		if n.External {
			must(t, v, "network", "create", n.Name)
			undo = append(undo, []string{"network", "rm", n.Name})
		}
	}
	for _, x := range p.Volumes {
		if x.External {
			must(t, v, "volume", "create", x.Name)
			undo = append(undo, []string{"volume", "rm", x.Name})
		}
	}
	args := []string{"compose"}
	for _, file := range v.envFiles {
		args = append(args, "--env-file", filepath.Join(v.dir, file))
	}
	if len(v.envFiles) > 0 {
		args = append(args, "--env-file", k.found.DotEnv())
	}
	for _, profile := range v.profiles {
		args = append(args, "--profile", profile)
	}
	must(t, v, append(args, "create", "--no-build", "--pull", "never")...)

	seen := map[string]bool{}
	for _, labels := range labelled(t, v, p.Name, "ps", "--all", "--quiet", "--no-trunc") {
		name := labels[stack.LabelService]
		s := p.Services[name]
		seen[name] = true
		// Compose puts the IDs of containers into these before it hashes them.
		if slices.ContainsFunc(append([]string{s.NetworkMode, s.Ipc, s.Pid}, s.VolumesFrom...), func(ref string) bool {
			return strings.HasPrefix(ref, types.ServicePrefix)
		}) || len(s.VolumesFrom) > 0 {
			continue
		}
		hash, err := stack.ServiceHash(s)
		assert.NilError(t, err)
		assert.Check(t, labels[stack.LabelConfigHash] == hash, "service %s has another hash", name)
	}
	for name := range p.Services {
		assert.Check(t, seen[name], "service %s has no container", name)
	}
	for _, labels := range labelled(t, v, p.Name, "network", "ls", "--quiet", "--no-trunc") {
		n := p.Networks[labels["com.docker.compose.network"]]
		hash, err := stack.NetworkHash(n)
		assert.NilError(t, err)
		assert.Check(t, labels[stack.LabelConfigHash] == hash, "network %s has another hash", n.Name)
	}
	for _, labels := range labelled(t, v, p.Name, "volume", "ls", "--quiet") {
		x, ok := p.Volumes[labels["com.docker.compose.volume"]]
		if !ok {
			continue // an anonymous one
		}
		hash, err := stack.VolumeHash(x)
		assert.NilError(t, err)
		assert.Check(t, labels[stack.LabelConfigHash] == hash, "volume %s has another hash", x.Name)
	}
}

// labelled gives the labels of what a listing has of the project.
func labelled(t *testing.T, v variant, project string, list ...string) []map[string]string {
	t.Helper()
	ids := strings.Fields(must(t, v, append(list, "--filter", "label="+stack.LabelProject+"="+project)...))
	if len(ids) == 0 {
		return nil
	}
	kind := "container"
	if list[0] != "ps" {
		kind = list[0]
	}
	var all []struct {
		Labels map[string]string
		Config struct{ Labels map[string]string }
	}
	assert.NilError(t, json.Unmarshal([]byte(must(t, v, append([]string{kind, "inspect"}, ids...)...)), &all))
	var labels []map[string]string
	for _, one := range all {
		if one.Labels == nil {
			one.Labels = one.Config.Labels
		}
		labels = append(labels, one.Labels)
	}
	return labels
}

func must(t *testing.T, v variant, args ...string) string {
	t.Helper()
	out, err := docker(t.Context(), v, args...)
	assert.NilError(t, err)
	return out
}

func docker(ctx context.Context, v variant, args ...string) (string, error) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, "docker", args...)
	c.Dir, c.Stdout, c.Stderr = filepath.Join(v.dir, v.sub), &out, &errs
	c.Env = append(os.Environ(), "PWD="+c.Dir)
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// A project counts as refused in the corpus only if docker compose refuses it too.
func TestDockerComposeRefusesWhatIsRefused(t *testing.T) {
	dir := copied(t, filepath.Join("testdata", "corpus"))
	text, err := os.ReadFile(filepath.Join("testdata", "corpus.golden"))
	assert.NilError(t, err)
	for line := range strings.Lines(string(text)) {
		name, outcome, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name, profile, _ := strings.Cut(name, " --profile ")
		args := []string{"compose"}
		if profile != "" {
			args = append(args, "--profile", profile)
		}
		_, err := docker(t.Context(), variant{dir: filepath.Join(dir, name)}, append(args, "config", "--quiet")...)
		assert.Check(t, (err == nil) == (outcome == accepted), "%s: %s, but %v", name, outcome, err)
	}
}
