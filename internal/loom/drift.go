package loom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// labelBuild carries the hash of what a dev container's image is built from. Compose hashes it as it does all labels of
// a service, so that another Dockerfile is another container.
const labelBuild = "ai.iloom.build"

// buildHash is over a build as the files say it and the text of its Dockerfile; what the context holds is not looked at,
// as in docker compose.
func buildHash(b *types.BuildConfig) (string, error) {
	said, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	var text []byte
	if b.DockerfileInline == "" {
		file := cmp.Or(b.Dockerfile, "Dockerfile")
		if !filepath.IsAbs(file) {
			file = filepath.Join(b.Context, file)
		}
		// A context that is elsewhere has its Dockerfile there.
		if text, err = os.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return digest(said, text), nil
}

// ownDev is the loom's container of the dev container, nil where there is none.
func (l *Looms) ownDev(ctx context.Context, p *Plan, d *dev) (*engine.Container, error) {
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: p.base.Project.Name})
	if err != nil {
		return nil, err
	}
	for _, c := range own {
		if c.Service == d.service && !c.OneOff {
			return &c, nil
		}
	}
	return nil, nil
}

// drift says why the dev container will be made anew, "" where it stays: what its files say has changed since.
func (d *dev) drift(project *types.Project, have engine.Container) string {
	service, ok := project.Services[d.service]
	if !ok {
		return ""
	}
	hash, err := stack.ServiceHash(service)
	if err != nil || have.Labels[stack.LabelConfigHash] == hash && !d.stale {
		return ""
	}
	var was devbox.Label
	if text := have.Labels[engine.LabelDevContainer]; text == "" || json.Unmarshal([]byte(text), &was) != nil {
		return "its files have changed"
	}
	now := d.told().KeyHashes
	var changed []string
	keys := maps.Clone(was.KeyHashes)
	maps.Copy(keys, now)
	dockerfile := false
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch {
		case was.KeyHashes[key] == now[key]:
		case key == "Dockerfile":
			dockerfile = true
		default:
			changed = append(changed, key)
		}
	}
	var why []string
	if len(changed) > 0 {
		why = append(why, fmt.Sprintf("%s changed (%s)", filepath.Base(d.place.Path), strings.Join(changed, ", ")))
	}
	if dockerfile && !slices.Contains(changed, "build") {
		why = append(why, "the Dockerfile changed")
	}
	if len(why) == 0 {
		why = append(why, "the compose files, the image or the ports changed")
	}
	return strings.Join(why, " and ")
}

// tellDrift says why the dev container is made anew, before it is.
func (l *Looms) tellDrift(ctx context.Context, p *Plan) error {
	if p.dev == nil {
		return nil
	}
	have, err := l.ownDev(ctx, p, p.dev)
	if err != nil || have == nil {
		return err
	}
	if why := p.dev.drift(p.Project, *have); why != "" {
		l.Teller.Sayf("service %s: %s: recreated", p.dev.service, why)
	}
	return nil
}
