package overrides

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// images gives built images the loom's own tags. Services that run such an image, and Dockerfiles that are FROM it, use
// the new tag.
func (b *planner) images() {
	builders := map[string]string{} // image → service that builds it
	for _, name := range b.services {
		s := b.all[name]
		if s.Build == nil {
			continue
		}
		for _, tag := range append(slices.Clone(s.Build.Tags), cmp.Or(s.Image, b.in.Base+"-"+name)) {
			builders[tagged(tag)] = name
		}
	}
	kept := b.bases(builders)
	for _, name := range b.services {
		s := b.all[name]
		if s.Build == nil || s.Image == "" && len(s.Build.Tags) == 0 || kept[name] {
			continue
		}
		b.edit(Built{Service: name, Old: s.Image, New: b.p.Name + "-" + name, Tags: len(s.Build.Tags) > 0})
		if s.Image != "" && s.PullPolicy == "" {
			b.find(finding.Info, "service "+name, "builds its image itself: docker compose would first try to pull "+s.Image, "")
		}
	}
	for _, name := range b.services {
		s := b.all[name]
		if from, ok := builders[tagged(s.Image)]; ok && s.Build == nil && s.Image != "" && !kept[from] {
			b.edit(Follows{Service: name, Old: s.Image, New: b.p.Name + "-" + from})
		}
	}
}

// bases makes Dockerfiles that are FROM another service's image build on the loom's own image of that service. This
// needs named contexts; if the engine's BuildKit has none, bases returns the services whose tags have to stay.
func (b *planner) bases(builders map[string]string) (kept map[string]bool) {
	kept = map[string]bool{}
	for _, name := range b.services {
		e := Contexts{Service: name, Images: map[string]string{}}
		for _, image := range b.in.From[name] {
			from, ok := builders[tagged(image)]
			if !ok || from == name {
				continue
			}
			if _, theirs := b.all[name].Build.AdditionalContexts[image]; theirs {
				continue
			}
			if b.in.NamedContexts {
				e.Images[image] = from
				continue
			}
			kept[from] = true
			b.find(finding.Warning, "service "+from,
				fmt.Sprintf("keeps the image tag %s, which all looms share: "+
					"the Dockerfile of %s is FROM it, and this engine cannot replace that", image, name),
				"use Docker Engine 23 or later")
		}
		if len(e.Images) > 0 {
			b.edit(e)
		}
	}
	return kept
}

// tagged returns the reference with its tag, so that app and app:latest are the same.
func tagged(image string) string {
	image = strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
	if strings.ContainsAny(image[strings.LastIndex(image, "/")+1:], ":@") {
		return image
	}
	return image + ":latest"
}

// Built gives a service with a build section the image tag that Compose uses by default, which has the project's name.
// Extra tags are removed.
type Built struct {
	Service, Old, New string
	Tags              bool // build.tags are reset too
}

// Apply resets the image name and the extra tags.
func (e Built) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Image = ""
		if e.Tags {
			build := *s.Build
			build.Tags = nil
			s.Build = &build
		}
	})
}

// Render resets the image name and the extra tags.
func (e Built) Render(d *Document) {
	if e.Old != "" {
		d.Reset("services", e.Service, "image")
	}
	if e.Tags {
		d.Reset("services", e.Service, "build", "tags")
	}
}

func (e Built) String() string {
	return fmt.Sprintf("service %s: built image %s → %s", e.Service, e.Old, e.New)
}

// Follows makes a service run the loom's own build of an image that another service of the project builds.
type Follows struct {
	Service, Old, New string
}

// Apply changes the image; it is never pulled, because no registry has it.
func (e Follows) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.Image, s.PullPolicy = e.New, types.PullPolicyNever })
}

// Render changes the image.
func (e Follows) Render(d *Document) {
	d.Set(e.New, "", "services", e.Service, "image")
	d.Set(types.PullPolicyNever, "", "services", e.Service, "pull_policy")
}

func (e Follows) String() string {
	return fmt.Sprintf("service %s: image %s → %s", e.Service, e.Old, e.New)
}

// Contexts makes a Dockerfile that is FROM another service's image build on the loom's own image of that service.
type Contexts struct {
	Service string
	// Images maps the images, as the Dockerfile names them, to the services that build them.
	Images map[string]string
}

// Apply adds the named contexts. Compose does not hash the build section.
func (e Contexts) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		build := *s.Build
		build.AdditionalContexts = maps.Clone(build.AdditionalContexts)
		if build.AdditionalContexts == nil {
			build.AdditionalContexts = types.Mapping{}
		}
		for image, from := range e.Images {
			build.AdditionalContexts[image] = types.ServicePrefix + from
		}
		s.Build = &build
	})
}

// Render adds the named contexts.
func (e Contexts) Render(d *Document) {
	for _, image := range slices.Sorted(maps.Keys(e.Images)) {
		d.Set(types.ServicePrefix+e.Images[image], "", "services", e.Service, "build", "additional_contexts", image)
	}
}

func (e Contexts) String() string {
	from := strings.Join(slices.Sorted(maps.Values(e.Images)), ", ")
	return fmt.Sprintf("service %s: builds on the loom's own image of %s", e.Service, from)
}
