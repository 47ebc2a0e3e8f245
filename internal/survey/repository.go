package survey

import (
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
	"github.com/docker-loom/docker-loom/internal/host"
)

// readRepository reads which git folders the work tree has. Most looms mount none of them: only for the others are
// git's files read.
func (f *Facts) readRepository() error {
	if f.Dev != nil && f.Dev.Git.Common != "" {
		f.Git = f.Dev.Git
		f.followGit()
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
		f.followGit()
		return err
	}
	return nil
}

// followGit resolves the links of the paths that mounts of the repository have: otherwise the plan asks for them, and
// is made twice.
func (f *Facts) followGit() {
	for _, path := range []string{f.Git.Common, f.Git.Worktrees(), f.Git.Own, filepath.Join(f.Git.Root, ".git")} {
		f.Host.Real[path] = host.RealPath(path)
	}
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
