package stack

import (
	"context"
	"io"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/docker-loom/docker-loom/internal/stack/blame"
)

// LabelOwnHash carries Compose's configuration hash of a loom's networks and volumes in place of Compose's own label.
//
// The reference CLI of dev containers, and so VS Code, starts a stopped project from the plain files, without our
// override. Compose then replaces a network whose hash label says something else, and asks about such a volume, which
// without a user waits for ever. What has no hash label it takes as it is.
const LabelOwnHash = "ai.iloom.config-hash"

// unhashed is a docker client under which Compose makes the networks and volumes of looms without its own hash label.
type unhashed struct {
	command.Cli
	own string // label of what belongs to a loom
}

func (u unhashed) Client() client.APIClient { return unhashedClient{u.Cli.Client(), u.own} }

type unhashedClient struct {
	client.APIClient
	own string
}

func (c unhashedClient) NetworkCreate(
	ctx context.Context, name string, o network.CreateOptions,
) (network.CreateResponse, error) {
	o.Labels = c.moved(o.Labels)
	return c.APIClient.NetworkCreate(ctx, name, o)
}

func (c unhashedClient) VolumeCreate(ctx context.Context, o volume.CreateOptions) (volume.Volume, error) {
	o.Labels = c.moved(o.Labels)
	return c.APIClient.VolumeCreate(ctx, o)
}

func (c unhashedClient) moved(labels map[string]string) map[string]string {
	hash, hashed := labels[api.ConfigHashLabel]
	if _, own := labels[c.own]; !own || !hashed {
		return labels
	}
	labels = maps.Clone(labels)
	delete(labels, api.ConfigHashLabel)
	labels[LabelOwnHash] = hash
	return labels
}

// madeFrom is the configuration hash that a network or volume was made from, "" where its labels do not tell.
func madeFrom(labels map[string]string) string {
	if hash := labels[api.ConfigHashLabel]; hash != "" {
		return hash
	}
	return labels[LabelOwnHash]
}

// ImagePull pulls an image for Compose.
func (c unhashedClient) ImagePull(ctx context.Context, ref string, o image.PullOptions) (io.ReadCloser, error) {
	r, err := c.APIClient.ImagePull(ctx, ref, o)
	if err != nil {
		err = &blame.ImageError{Ref: ref, Err: err}
	}
	return r, err
}

// ContainerKill kills a container for Compose. That it has ended meanwhile, or is gone, is what was wanted.
func (c unhashedClient) ContainerKill(ctx context.Context, id, signal string) error {
	err := c.APIClient.ContainerKill(ctx, id, signal)
	if signal == "" && (cerrdefs.IsConflict(err) || cerrdefs.IsNotFound(err)) {
		return nil
	}
	return err
}
