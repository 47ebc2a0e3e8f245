package plan

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// building decides which images the loom's entry names as built for it.
type building struct{ *maker }

// noteBuilt notes the names that builds give images of the loom, and the IDs of those that are about to lose their
// name: nothing else would find them when the loom goes.
func (b building) noteBuilt() {
	noted, own := slices.Clone(b.Entry.Images), b.facts.Engine.Project(b.Entry.Project)
	for service, name := range b.BuiltNames() {
		noted = append(noted, name)
		if b.Dev != nil && b.Dev.Service == service {
			noted = append(noted, name+"-base")
		}
		if c := b.Changes[service]; c != stack.ChangeKeep && c != stack.ChangeStart {
			noted = append(noted, engine.BuiltFor(own, service, name)...)
		}
		if b.choices.Build || b.Project.Services[service].PullPolicy == types.PullPolicyBuild {
			noted = append(noted, b.imageID(name))
		}
	}
	if noted = registry.ImagesOf(noted); !slices.Equal(noted, b.Entry.Images) {
		b.Entry.Images, b.Leases = noted, true
	}
}

// imageID is the ID of the image that a reference names here, "" if there is none or the answer is not there yet.
func (b building) imageID(ref string) string {
	id, known := b.facts.Engine.Images[ref]
	if !known {
		b.needs.Images = append(b.needs.Images, ref)
	}
	return id
}

// BuiltNames are the names that builds give images of the loom alone, by service. main has none: its images are
// Compose's, and stay.
func (p *Plan) BuiltNames() map[string]string {
	names := map[string]string{}
	for service, s := range p.Project.Services {
		name := stack.BuiltImage(p.Entry.Project, service)
		isBuilt := s.Build != nil || p.Dev != nil && p.Dev.Service == service
		if p.ID != identity.Main && isBuilt && stack.Image(s, p.Entry.Project) == name {
			names[service] = name
		}
	}
	return names
}
