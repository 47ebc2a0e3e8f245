package stack

import (
	"context"
	"maps"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/docker/api/types/volume"
)

// CreateVolume makes one of the project's volumes as Up would, which then takes it for its own.
func (s *Stack) CreateVolume(ctx context.Context, p *types.Project, key string) error {
	v := p.Volumes[key]
	hash, err := VolumeHash(v)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	maps.Copy(labels, v.Labels)
	labels[api.VolumeLabel] = key
	labels[api.ProjectLabel] = p.Name
	labels[api.VersionLabel] = api.ComposeVersion
	labels[api.ConfigHashLabel] = hash
	_, err = s.docker.Client().VolumeCreate(ctx, volume.CreateOptions{
		Name: v.Name, Driver: v.Driver, DriverOpts: v.DriverOpts, Labels: labels,
	})
	return err
}
