package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Image is an image for sandboxes that docker loom made.
type Image struct {
	// Name is what can be given as an image.
	Name string `json:"name"`
	// Image is its reference.
	Image   string    `json:"image"`
	ID      string    `json:"id"`
	From    string    `json:"from"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"`
}

// List lists the images that docker loom made for sandboxes.
func (s *Store) List(ctx context.Context) ([]Image, error) {
	list := []Image{}
	for _, repository := range []string{sandbox.AgentRepository, sandbox.AgentRepository + "/*"} {
		images, err := s.Engine.Images(ctx, repository, nil)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			for _, tag := range i.Tags {
				if name, ok := sandbox.ImageName(tag); ok {
					from := i.Labels[sandbox.LabelFrom]
					list = append(list, Image{Name: name, Image: tag, ID: i.ID, From: from, Created: i.Created.UTC(), Size: i.Size})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// BuildRequest asks for an image for sandboxes.
type BuildRequest struct {
	sandbox.ImageRequest
	Options
}

// PlanNamed says how an image would be built.
func (s *Store) PlanNamed(ctx context.Context, req BuildRequest) (*sandbox.Build, error) {
	r := req.ImageRequest
	if own := candidates(r.From); len(own) > 1 && r.From != sandbox.BaseName {
		id, err := s.Engine.ImageID(ctx, own[0])
		if err != nil {
			return nil, err
		}
		if id != "" {
			r.From = own[0]
		}
	}
	return sandbox.Named(r)
}

// BuildNamed builds an image for sandboxes under a name of the user's, or the built-in one again.
func (s *Store) BuildNamed(ctx context.Context, req BuildRequest) (*Image, error) {
	if err := s.Engine.Check(ctx); err != nil {
		return nil, err
	}
	b, err := s.PlanNamed(ctx, req)
	if err != nil {
		return nil, err
	}
	if b.From == sandbox.Base().Tag {
		if _, _, err := s.base(ctx, false); err != nil {
			return nil, err
		}
	}
	was, err := s.Engine.ImageID(ctx, b.Tag)
	if err != nil {
		return nil, err
	}
	o := req.Options
	o.Rebuild = true
	if _, ours := sandbox.ImageName(b.From); ours {
		// No registry has it.
		o.Pull = false
	}
	id, err := s.Ensure(ctx, recipeOf(b), o)
	if err != nil {
		return nil, err
	}
	if was != "" && was != id {
		// It has no name any more. If a container or another image has it, it stays.
		if err := s.Engine.RemoveImages(ctx, []string{was}); err != nil {
			s.Teller.Debugf("%v", err)
		}
	}
	list, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.Image == b.Tag {
			return &i, nil
		}
	}
	return nil, fmt.Errorf("image %s: it was built and is gone", b.Tag)
}

// UnknownImageError says that docker loom made no image of this name.
type UnknownImageError struct {
	Name  string
	There []string
}

// Error lists what there is.
func (e *UnknownImageError) Error() string {
	s := "docker loom has made no image " + e.Name
	if len(e.There) > 0 {
		s += "; there are: " + strings.Join(e.There, ", ")
	}
	return s
}

// NextStep says what the user does next.
func (*UnknownImageError) NextStep() string {
	return "docker loom image ls lists them; docker image rm removes others"
}

// InUseError says that containers were made from an image.
type InUseError struct {
	Name       string
	Containers []string
}

// Error names the containers.
func (e *InUseError) Error() string {
	return fmt.Sprintf("image %s is used by %s", e.Name, strings.Join(e.Containers, ", "))
}

// NextStep says what the user does next.
func (*InUseError) NextStep() string {
	return "remove the containers first, those of a loom by taking it down"
}

// RemoveRequest names images to be removed.
type RemoveRequest struct {
	Names  []string
	DryRun bool
}

// Remove removes images that docker loom made for sandboxes, and returns them. If one is not there or is used, none is
// removed.
func (s *Store) Remove(ctx context.Context, req RemoveRequest) ([]Image, error) {
	if err := s.Engine.Check(ctx); err != nil {
		return nil, err
	}
	list, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	chosen := []Image{}
	var tags []string
	for _, name := range req.Names {
		at := slices.IndexFunc(list, func(i Image) bool {
			return i.Name == name || i.Image == name || i.Image == name+":latest"
		})
		if at < 0 {
			e := &UnknownImageError{Name: name}
			for _, i := range list {
				e.There = append(e.There, i.Name)
			}
			return nil, e
		}
		users, err := s.Engine.MadeFrom(ctx, list[at].ID)
		if err != nil {
			return nil, err
		}
		if len(users) > 0 {
			return nil, &InUseError{Name: name, Containers: users}
		}
		if !slices.Contains(tags, list[at].Image) {
			chosen, tags = append(chosen, list[at]), append(tags, list[at].Image)
		}
	}
	if req.DryRun {
		return chosen, nil
	}
	return chosen, s.Engine.RemoveImages(ctx, tags)
}
