package survey

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
)

// readRepository reads which git folders the work tree has. Most looms mount none of them: only for the others are
// git's files read.
func (f *Facts) readRepository() error {
	if f.Dev != nil && f.Dev.Git.Common != "" {
		f.Git = f.Dev.Git
		return nil
	}
	repo := f.Target.Git
	if repo == nil || repo.WorkTree == "" {
		return nil
	}
	f.Git = mounts.Repository{Root: repo.WorkTree, Common: repo.CommonDir, Own: repo.GitDir}
	for _, s := range f.Base.Project.AllServices() {
		if !f.Git.Shows(f.Followed(s.Volumes)) {
			continue
		}
		var err error
		f.Git, err = mounts.Read(repo.WorkTree, repo.CommonDir, repo.GitDir)
		return err
	}
	return nil
}

// Followed returns the volumes with the links of their sources followed, as far as these were read.
func (f *Facts) Followed(volumes []types.ServiceVolumeConfig) []types.ServiceVolumeConfig {
	volumes = slices.Clone(volumes)
	for i, v := range volumes {
		if to, known := f.Host.Real[v.Source]; known && v.Type == types.VolumeTypeBind {
			volumes[i].Source = to
		}
	}
	return volumes
}
