package command

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/report"
)

func TestNextStepsNameTheProjectThatTheUserNamed(t *testing.T) {
	t.Parallel()
	named, noted, told := &Environment{Project: "apps/web"}, &Environment{StepProject: "my apps/web"}, &Environment{}
	for _, tc := range []struct {
		env        *Environment
		step, want string
	}{
		{named, "docker loom up 7 starts it", "docker loom --project apps/web up 7 starts it"},
		{noted, "docker loom logs 7 web shows what it is doing", "docker loom --project 'my apps/web' logs 7 web shows what it is doing"},
		{
			named, "docker loom up 7 continues, docker loom down 7 removes them",
			"docker loom --project apps/web up 7 continues, docker loom --project apps/web down 7 removes them",
		},
		{named, "docker loom ls lists the looms, docker loom ps 7 the services", "docker loom ls lists the looms, docker loom --project apps/web ps 7 the services"},
		{named, "docker loom rm ends it with the loom", "docker loom rm ends it with the loom"},
		{named, "choose one: --project apps/api; docker loom up 7 makes it", "choose one: --project apps/api; docker loom up 7 makes it"},
		{told, "docker loom up 7 starts it", "docker loom up 7 starts it"},
	} {
		assert.Equal(t, tc.env.WithProject(tc.step), tc.want)
	}
}

func TestTheNearestFolderTellsTheProject(t *testing.T) {
	t.Parallel()
	root, web, api := report.ProjectName{Folder: ".", Project: "a"}, report.ProjectName{Folder: "apps/web", Project: "b"}, report.ProjectName{Folder: "apps/api", Project: "c"}
	outside := report.ProjectName{Folder: filepath.ToSlash(filepath.Clean(filepath.FromSlash("/else/x"))), Project: "d"}
	all := []report.ProjectName{web, api, outside}
	top := filepath.FromSlash("/shop")
	for _, tc := range []struct {
		dir      string
		projects []report.ProjectName
		of       report.ProjectName
		told     bool
	}{
		{"/shop", []report.ProjectName{web}, web, true},
		{"/shop", all, web, false},
		{"/shop/apps/web/src", all, web, true},
		{"/shop/apps/api", all, web, false},
		{"/shop/apps/web2", all, web, false},
		{"/else/x", all, outside, true},
		{"/shop", append(all, root), root, true},
		{"/shop/apps/web", append(all, root), root, false},
		{"/shop/apps/web", append(all, root), web, true},
	} {
		assert.Check(t, IsTold(filepath.FromSlash(tc.dir), top, tc.projects, tc.of) == tc.told, "%s: %v", tc.dir, tc.of)
	}
}
