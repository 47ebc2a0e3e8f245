package stack

import (
	"context"
	"testing"

	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"gotest.tools/v3/assert"
)

// made notes with which labels networks and volumes are made.
type made struct {
	client.APIClient
	labels []map[string]string
}

func (m *made) NetworkCreate(_ context.Context, _ string, o network.CreateOptions) (network.CreateResponse, error) {
	m.labels = append(m.labels, o.Labels)
	return network.CreateResponse{}, nil
}

func (m *made) VolumeCreate(_ context.Context, o volume.CreateOptions) (volume.Volume, error) {
	m.labels = append(m.labels, o.Labels)
	return volume.Volume{}, nil
}

// What bears Compose's hash is replaced, or asked about, when the reference CLI starts the project from the plain
// files.
func TestWhatALoomOwnsBearsNoHashOfCompose(t *testing.T) {
	t.Parallel()
	m := &made{}
	c := unhashedClient{m, "ai.iloom.loom"}
	own := map[string]string{"ai.iloom.loom": "5", api.ConfigHashLabel: "h"}
	plain := map[string]string{api.ConfigHashLabel: "h"}
	for _, labels := range []map[string]string{own, plain} {
		_, err := c.NetworkCreate(t.Context(), "n", network.CreateOptions{Labels: labels})
		assert.NilError(t, err)
		_, err = c.VolumeCreate(t.Context(), volume.CreateOptions{Labels: labels})
		assert.NilError(t, err)
	}
	moved := map[string]string{"ai.iloom.loom": "5", LabelOwnHash: "h"}
	assert.DeepEqual(t, m.labels, []map[string]string{moved, moved, plain, plain})
	assert.Equal(t, madeFrom(moved), "h")
	assert.Equal(t, madeFrom(plain), "h")
}
