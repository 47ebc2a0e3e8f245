package plan

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// ImageStep makes an image that the dev container's own is made from. It comes after the lease, because build arguments
// may hold leased ports. What the image says counts in the plan, so the plan is made again after it.
type ImageStep struct {
	// Service builds the image by its build section. It has a name, an image and a platform.
	Service types.ServiceConfig
	// Features are installed on top of the image of Service, which is there; nil for the step that builds that image.
	Features *features.Build
	// Ref is the name of what the step makes.
	Ref string
}

// findNextImage decides which image has to be made before the rest of the plan can be known.
func (m *maker) findNextImage() error {
	d := m.facts.Dev
	if d == nil {
		return nil
	}
	if base := m.devBase(); base.Build != nil {
		rebuild := !d.Base.Provided && (d.Base.Outdated || m.choices.Build)
		if d.Base.Info.ID == "" || rebuild {
			m.NextImage = &ImageStep{Service: base, Ref: base.Image}
			return nil
		}
	}
	rebuild := !d.Installed.Provided && m.choices.Build
	if d.Install != nil && (d.Installed.Info.ID == "" || rebuild) {
		m.NextImage = &ImageStep{Service: onBase(d), Features: d.Install, Ref: d.Installed.Ref}
	}
	return nil
}

// devBase is the service that makes the image which the dev container's own is made from, with the loom's variables.
func (m *maker) devBase() types.ServiceConfig {
	base := m.facts.Dev.Base.Service
	if base.Build != nil && m.devBuild != nil {
		base.Build = m.devBuild
	}
	return base
}

// onBase is the service of a step that goes on top of the dev container's base.
func onBase(d *survey.DevContainer) types.ServiceConfig {
	s := d.Base.Service
	s.Platform = d.Platform
	return s
}

// FeaturesStep makes the dev container's image with its features and metadata under a tag of the user's.
func (p *Plan) FeaturesStep(d *survey.DevContainer, tag string) *ImageStep {
	return &ImageStep{Service: onBase(d), Features: d.Build(p.Dev.Compiled), Ref: tag}
}
