package loom

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
)

func TestTheImageOfTheDevContainerIsThatOfARunningOneFirst(t *testing.T) {
	t.Parallel()
	of := func(image, state string) engine.Container {
		return engine.Container{Image: image, State: state, Labels: map[string]string{devcontainer.LabelLocalFolder: "/x"}}
	}
	assert.Assert(t, DevContainerOf(nil) == nil)
	assert.Assert(t, DevContainerOf([]engine.Container{{Image: "web", State: "running"}}) == nil)
	assert.Equal(t, DevContainerOf([]engine.Container{of("a", "exited"), of("b", "running"), of("c", "exited")}).Image, "b")
	assert.Equal(t, DevContainerOf([]engine.Container{of("a", "created"), of("c", "exited")}).Image, "a")
}
