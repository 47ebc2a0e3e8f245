package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Choice has the images that are set for a sandbox, "" for none.
type Choice struct {
	// Flag is --image's, Agent the agent's own, Project the project's.
	Flag, Agent, Project string
	// LookOnly builds nothing. An image that is not there yet has no ID then.
	LookOnly bool
}

// IsSet reports whether the user names an image, by whatever means.
func (s *Store) IsSet(c Choice) bool {
	_, source := c.choose(s.Process.Getenv, "")
	return source != ""
}

// agentVariables name the user's image for sandboxes; the first that is set counts.
var agentVariables = []string{"ILOOM_AGENT_IMAGE", "AGENT_DEFAULT_IMAGE"}

// choose returns the first image that is set, and what set it. dev is the image of the loom's dev container, ""
// without one. Both results are empty if the built-in base is meant.
func (c Choice) choose(env func(string) string, dev string) (ref, source string) {
	set := [][2]string{{c.Flag, "--image"}, {c.Agent, "container.agents"}, {c.Project, "container.agent.image"}}
	for _, name := range agentVariables {
		set = append(set, [2]string{env(name), name})
	}
	set = append(set, [2]string{dev, devContainerSource})
	for _, s := range set {
		if s[0] != "" {
			return s[0], s[1]
		}
	}
	return "", ""
}

const devContainerSource = "the dev container"

// NoImageError says that the image which is set for a sandbox is not on the engine.
type NoImageError struct {
	Ref string
	// Source is what names it.
	Source string
	// There are the images that could be used instead.
	There []string
}

// Error lists what there is.
func (e *NoImageError) Error() string {
	s := fmt.Sprintf("there is no image %s", e.Ref)
	if e.Source != "" {
		s += ", which " + e.Source + " names"
	}
	return s + "; there are: " + strings.Join(e.There, ", ")
}

// NextStep says what the user does next.
func (e *NoImageError) NextStep() string {
	if sandbox.IsImageName(e.Ref) {
		return "docker loom image build " + e.Ref + " makes one of that name"
	}
	return "docker pull " + e.Ref + " brings it"
}

// ForAgent returns the image of a sandbox, which the engine has then. dev is the image of the loom's dev container, ""
// without one. A missing built-in base is built; no image is pulled.
func (s *Store) ForAgent(ctx context.Context, c Choice, dev string) (ref, id string, err error) {
	name, source := c.choose(s.Process.Getenv, dev)
	if name == "" || name == sandbox.BaseName {
		return s.base(ctx, c.LookOnly)
	}
	for _, ref := range candidates(name) {
		if id, err := s.Engine.ImageID(ctx, ref); err != nil || id != "" {
			return ref, id, err
		}
	}
	there, err := s.names(ctx, dev)
	if err != nil {
		return "", "", err
	}
	return "", "", &NoImageError{Ref: name, Source: source, There: there}
}

// candidates are the references that a name can mean, in order: one of the user's own images, or any.
func candidates(name string) []string {
	if sandbox.IsImageName(name) {
		return []string{sandbox.NamedTag(name), name}
	}
	return []string{name}
}

// names lists what can be given as an image: the built-in one, the user's own, that of the loom's dev container.
func (s *Store) names(ctx context.Context, dev string) ([]string, error) {
	list, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{sandbox.BaseName}
	for _, i := range list {
		if !slices.Contains(names, i.Name) && sandbox.IsImageName(i.Name) {
			names = append(names, i.Name)
		}
	}
	if dev != "" {
		names = append(names, dev)
	}
	return names, nil
}

// base returns the built-in image, which is built on its first use.
func (s *Store) base(ctx context.Context, lookOnly bool) (ref, id string, err error) {
	b := sandbox.Base()
	id, err = s.Engine.ImageID(ctx, b.Tag)
	if err != nil || id != "" || lookOnly {
		return b.Tag, id, err
	}
	s.Teller.Sayf("building the built-in image %s, once", b.Tag)
	id, err = s.Ensure(ctx, recipeOf(b), Options{})
	return b.Tag, id, err
}

// recipeOf is what it takes to build an image for agents.
func recipeOf(b *sandbox.Build) Recipe {
	return Recipe{
		Tag: b.Tag, Project: sandbox.AgentRepository, Service: "image",
		Dockerfile: b.Dockerfile, Args: b.Args, Labels: b.Labels, Environment: types.Mapping{},
		WriteContext: func(dir string) error {
			for _, name := range b.FileNames() {
				if err := os.WriteFile(filepath.Join(dir, name), b.Files[name], 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Explain: func(err error) error {
			if step, ok := b.FailedStep(err.Error()); ok {
				return &BuildStepError{Image: b.Name(), Step: step, Err: err}
			}
			return fmt.Errorf("image %s: %w", b.Name(), err)
		},
	}
}
