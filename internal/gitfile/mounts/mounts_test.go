package mounts

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func bind(source, target string) types.ServiceVolumeConfig {
	return types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: source, Target: target}
}

// TestKeepingLetsAContainerWriteItsOwnRegistrationOnly: the folder is mounted as a whole, so that what the host adds to
// it later is read-only as well.
func TestKeepingLetsAContainerWriteItsOwnRegistrationOnly(t *testing.T) {
	t.Parallel()
	main := Repository{Root: "/src/shop", Common: "/src/shop/.git", Own: "/src/shop/.git"}
	linked := Repository{
		Root: "/src/trees/7", Common: "/src/shop/.git", Own: "/src/shop/.git/worktrees/7",
		Pointer: "/src/shop/.git/worktrees/7", Back: "/src/trees/7/.git",
	}
	relative := linked
	relative.Back = "../../../../trees/7/.git"
	volume := types.ServiceVolumeConfig{Type: types.VolumeTypeVolume, Source: "cache", Target: "/src"}
	readOnly := bind("/src/shop", "/app")
	readOnly.ReadOnly = true
	for _, c := range []struct {
		name    string
		repo    Repository
		volumes []types.ServiceVolumeConfig
		want    []string
	}{
		{"no git", Repository{Root: "/src/shop"}, []types.ServiceVolumeConfig{bind("/src/shop", "/app")}, nil},
		{
			"main", main,
			[]types.ServiceVolumeConfig{bind("/src/shop", "/app")},
			[]string{"/src/shop/.git/worktrees:/app/.git/worktrees:ro"},
		},
		{"main, read-only", main, []types.ServiceVolumeConfig{readOnly}, nil},
		{"main, another folder", main, []types.ServiceVolumeConfig{bind("/src/shop/web", "/app")}, nil},
		{
			"main and all around", main,
			[]types.ServiceVolumeConfig{bind("/src", "/src"), bind("/src/shop/.git", "/src/shop/.git")},
			[]string{"/src/shop/.git/worktrees:/src/shop/.git/worktrees:ro"},
		},
		{
			"linked", linked,
			[]types.ServiceVolumeConfig{bind("/src/trees/7", "/work"), bind("/src/shop/.git", "/src/shop/.git")},
			[]string{
				"/src/shop/.git/worktrees:/src/shop/.git/worktrees:ro",
				"/src/shop/.git/worktrees/7:/src/shop/.git/worktrees/7:rw", "/src/trees/7/.git:/src/trees/7/.git:ro",
			},
		},
		{
			"linked, at its own path", linked,
			[]types.ServiceVolumeConfig{bind("/src", "/src")},
			[]string{
				"/src/shop/.git/worktrees:/src/shop/.git/worktrees:ro", "/src/shop/.git/worktrees/7:/src/shop/.git/worktrees/7:rw",
			},
		},
		{
			"linked by relative paths", relative,
			[]types.ServiceVolumeConfig{bind("/src/shop/.git", "/x/shop/.git")},
			[]string{
				"/src/shop/.git/worktrees:/x/shop/.git/worktrees:ro",
				"/src/shop/.git/worktrees/7:/x/shop/.git/worktrees/7:rw", "/src/trees/7/.git:/x/trees/7/.git:ro",
			},
		},
		{
			"linked, and a volume where .git would be", linked,
			[]types.ServiceVolumeConfig{bind("/src/shop/.git", "/git"), volume},
			[]string{"/src/shop/.git/worktrees:/git/worktrees:ro", "/src/shop/.git/worktrees/7:/git/worktrees/7:rw"},
		},
	} {
		var got []string
		for _, v := range c.repo.Keeping(c.volumes) {
			got = append(got, v.String())
		}
		assert.DeepEqual(t, got, c.want)
		assert.Equal(t, c.repo.Shows(c.volumes), c.want != nil || c.name == "main, read-only", c.name)
	}
}

func TestCommonTargetIsWhereDotGitLeads(t *testing.T) {
	t.Parallel()
	submodule := Repository{Root: "/s/libs/lib", Common: "/s/.git/modules/lib", Own: "/s/.git/modules/lib", Pointer: "../../.git/modules/lib"}
	assert.Equal(t, submodule.CommonTarget("/workspaces/a/lib"), "/workspaces/.git/modules/lib")
	linked := Repository{Common: "/m/.git", Own: "/m/.git/worktrees/x", Pointer: "../m/.git/worktrees/x"}
	assert.Equal(t, linked.CommonTarget("/work"), "/m/.git")
}
