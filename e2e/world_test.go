//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/rogpeppe/go-internal/testscript"
)

// state is one script's.
type state struct {
	repo, work, home string
	ids              map[string][]string // container ids that ids has noted
	processes        map[string]*process
	listeners        map[string]func()
	began            time.Time // set by stopwatch
}

type key struct{}

var stateKey key

func of(ts *testscript.TestScript) *state { return ts.Value(stateKey).(*state) }

var portToken = regexp.MustCompile(`\bPORT_[A-D](_\d+)?\b`)

// populate moves the script's files into $WORK/$REPO, with its port numbers in place of PORT_A, and commits them. A file
// named .nogit makes it a folder that git knows nothing of.
func (s *state) populate(env *testscript.Env, ports map[string]int) error {
	repo := filepath.Join(s.work, s.repo)
	if err := os.Mkdir(repo, 0o755); err != nil {
		return err
	}
	env.Cd = repo
	entries, err := os.ReadDir(s.work)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == ".tmp" || e.Name() == "home" || e.Name() == s.repo {
			continue
		}
		if err := os.Rename(filepath.Join(s.work, e.Name()), filepath.Join(repo, e.Name())); err != nil {
			return err
		}
	}
	err = filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		with := portToken.ReplaceAllFunc(text, func(name []byte) []byte { return []byte(strconv.Itoa(ports[string(name)])) })
		if bytes.Equal(text, with) {
			return nil
		}
		return os.WriteFile(path, with, 0o644)
	})
	if err != nil {
		return err
	}
	if exists(filepath.Join(repo, ".nogit")) {
		return os.Remove(filepath.Join(repo, ".nogit"))
	}
	cmd := exec.Command("sh", "-ec", "git init -q; git add -A; git commit -q --allow-empty -m first")
	cmd.Dir, cmd.Env = repo, env.Vars
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git: %w\n%s", err, out)
	}
	return nil
}

// end removes what the script made: on the engine by labels and names, on the host by its folder. A failed script leaves
// its folder and its containers' logs in artefacts/.
func (s *state) end(env *testscript.Env) {
	if *keep {
		return
	}
	for _, p := range s.processes {
		p.kill()
	}
	for _, stop := range s.listeners {
		stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if t, ok := env.T().(interface{ Failed() bool }); ok && t.Failed() {
		if err := s.artefacts(ctx); err != nil {
			env.T().Log("artefacts:", err)
		}
	}
	if err := s.clean(ctx); err != nil {
		env.T().Log("cleaning up:", err)
	}
}

// mine reports whether something on the engine is this script's: by its labels, otherwise by its name.
func (s *state) mine(labels map[string]string, names ...string) bool {
	if strings.HasPrefix(labels["ai.iloom.repo"], s.work+"/") || strings.Contains(labels["com.docker.compose.project"], s.repo) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, s.repo) })
}

// clean removes all that the script made on the engine.
func (s *state) clean(ctx context.Context) error {
	list, err := suite.docker.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range list {
		if s.mine(c.Labels, append(c.Names, c.Image)...) {
			if err := suite.docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				return err
			}
		}
	}
	networks, err := suite.docker.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if s.mine(n.Labels, n.Name) {
			if err := suite.docker.NetworkRemove(ctx, n.ID); err != nil {
				return err
			}
		}
	}
	volumes, err := suite.docker.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return err
	}
	for _, v := range volumes.Volumes {
		if s.mine(v.Labels, v.Name) {
			if err := suite.docker.VolumeRemove(ctx, v.Name, true); err != nil {
				return err
			}
		}
	}
	images, err := suite.docker.ImageList(ctx, dockerimage.ListOptions{})
	if err != nil {
		return err
	}
	for _, i := range images {
		for _, tag := range i.RepoTags {
			if s.mine(nil, tag) {
				if _, err := suite.docker.ImageRemove(ctx, tag, dockerimage.RemoveOptions{Force: true}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// artefacts keeps the script's folder, what it has on the engine, and its containers' logs.
func (s *state) artefacts(ctx context.Context) error {
	dir := filepath.Join("artefacts", s.repo)
	old, err := filepath.Glob(filepath.Join("artefacts", s.repo[:len(s.repo)-4]+"????"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-r", "-P", s.work, filepath.Join(dir, "work")).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	list, err := suite.docker.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, c := range list {
		if !s.mine(c.Labels, append(c.Names, c.Image)...) {
			continue
		}
		fmt.Fprintln(&all, c.ID, c.Names, c.Image, c.State, c.Status, c.Ports, c.Labels)
		logs, err := suite.docker.ContainerLogs(ctx, c.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true})
		if err != nil {
			return err
		}
		var text bytes.Buffer
		_, err = stdcopy.StdCopy(&text, &text, logs)
		_ = logs.Close()
		if err != nil && err != io.EOF { //nolint:errorlint // StdCopy returns it as it is
			fmt.Fprintln(&text, err)
		}
		name := strings.TrimPrefix(c.Names[0], "/") + ".log"
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "containers.txt"), all.Bytes(), 0o644)
}

// inProject is the filter for what belongs to a Compose project.
func inProject(project string) filters.Args {
	return filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+project))
}
