package apply

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/stack/blame"
)

// ImageError says that the image of services is not on the engine and could not be brought.
type ImageError struct {
	Loom, Image string
	// Services are those that use it, none if no service of the files does.
	Services []string
	// Builds is set if a service builds the image, Dockerfile if it is the one that a service is built from.
	Builds, Dockerfile bool
	Err                error
}

// Error names the services and the image.
func (e *ImageError) Error() string {
	said := strings.TrimPrefix(e.Err.Error(), "Error response from daemon: ")
	switch len(e.Services) {
	case 0:
		return fmt.Sprintf("image %s: %s", e.Image, said)
	case 1:
		return fmt.Sprintf("service %s: image %s: %s", e.Services[0], e.Image, said)
	}
	return fmt.Sprintf("services %s: image %s: %s", strings.Join(e.Services, ", "), e.Image, said)
}

// Unwrap gives the engine's error.
func (e *ImageError) Unwrap() error { return e.Err }

var (
	notHere       = regexp.MustCompile(`(?i)no such image`)
	notAllowed    = regexp.MustCompile(`(?i)denied|unauthorized|authentication|forbidden|no basic auth`)
	notThere      = regexp.MustCompile(`(?i)manifest unknown|not found|no matching manifest|name unknown`)
	notReachable  = regexp.MustCompile(`(?i)dial |lookup |timeout|deadline|refused|TLS|EOF|connection`)
	notAReference = regexp.MustCompile(`(?i)invalid reference`)
)

// NextStep says what the user does next.
func (e *ImageError) NextStep() string {
	said, correct := e.Err.Error(), "correct image: in the compose file"
	if e.Dockerfile {
		correct = "correct FROM in the Dockerfile"
	}
	switch {
	case notHere.MatchString(said) && e.Builds:
		return "docker loom up " + e.Loom + " --build builds it"
	case notHere.MatchString(said):
		return "docker pull " + e.Image + " brings it; or docker loom up " + e.Loom + " --pull missing"
	case notAReference.MatchString(said):
		return correct
	case notAllowed.MatchString(said):
		return correct + "; if the image is private, " + e.login() + " first"
	case notThere.MatchString(said):
		return correct + ": the registry has no such name or tag"
	case notReachable.MatchString(said):
		return "the engine does not reach the registry: docker pull " + e.Image + " tries it alone"
	}
	return "docker pull " + e.Image + " tries it alone"
}

// login is the command that gives the engine an account at the image's registry.
func (e *ImageError) login() string {
	named, err := reference.ParseNormalizedNamed(e.Image)
	if err != nil || reference.Domain(named) == "docker.io" {
		return "docker login"
	}
	return "docker login " + reference.Domain(named)
}

// newImageError is the error for an image that an error is about. One that a Dockerfile names belongs to the services
// that are built: if it is one, that is it.
func newImageError(of Subject, image *blame.ImageError, built bool) error {
	e := &ImageError{Loom: of.Loom, Image: image.Ref, Dockerfile: built, Err: image.Err}
	for name, s := range of.Services {
		if built && s.Build != nil || !built && stack.Image(s, of.Project) == image.Ref {
			e.Services = append(e.Services, name)
			e.Builds = e.Builds || s.Build != nil
		}
	}
	if built && len(e.Services) > 1 {
		e.Services = nil
	}
	slices.Sort(e.Services)
	return e
}

// missingImage finds the image that an error is about which names none: Compose brings all images before it does
// anything else. If the engine has them all, the error is about another thing.
func (a *Applier) missingImage(ctx context.Context, of Subject, cause error) error {
	var missing []string
	for _, s := range of.Services {
		ref := stack.Image(s, of.Project)
		if s.Build != nil || slices.Contains(missing, ref) {
			continue
		}
		if id, err := a.Engine.ImageID(ctx, ref); err == nil && id == "" {
			missing = append(missing, ref)
		}
	}
	slices.Sort(missing)
	for _, ref := range missing {
		if strings.Contains(cause.Error(), ref) {
			return newImageError(of, &blame.ImageError{Ref: ref, Err: cause}, false)
		}
	}
	if len(missing) == 1 {
		return newImageError(of, &blame.ImageError{Ref: missing[0], Err: cause}, false)
	}
	return cause
}
