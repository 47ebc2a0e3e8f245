package buildx

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func TestPartsOfOneCommandHaveCachesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ cache, want string }{
		{"type=local,dest=/c", "type=local,dest=/c-web"},
		{"type=local,src=/c,mode=max", "type=local,src=/c-web,mode=max"},
		{`type=local,"dest=/a,b"`, `type=local,"dest=/a,b-web"`},
		{"type=registry,ref=r.io:5000/team/cache", "type=registry,ref=r.io:5000/team/cache:latest-web"},
		{"type=registry,ref=r.io/team/cache:main,mode=max", "type=registry,ref=r.io/team/cache:main-web,mode=max"},
		{"r.io/team/cache:main", "r.io/team/cache:main-web"},
		{"team/cache", "team/cache:latest-web"},
		{"type=gha", "type=gha,scope=web"},
		{"type=gha,scope=ci", "type=gha,scope=ci-web"},
		{"type=s3,bucket=b,region=r", "type=s3,bucket=b,region=r,name=web"},
		{"type=inline", "type=inline"},
		{"type=unheard-of,name=x", "type=unheard-of,name=x"},
		{`"`, `"`},
	} {
		t.Run(tc.cache, func(t *testing.T) {
			t.Parallel()
			target := Target{CacheFrom: []string{tc.cache}, CacheTo: []string{tc.cache}}
			got := target.On(types.BuildConfig{CacheFrom: []string{"files"}}, "web")
			assert.DeepEqual(t, got.CacheFrom, types.StringList{"files", tc.want})
			assert.DeepEqual(t, got.CacheTo, types.StringList{tc.want})
			assert.DeepEqual(t, target.On(types.BuildConfig{}, "").CacheTo, types.StringList{tc.cache})
		})
	}
}

func TestATargetLeavesToTheFilesWhatItDoesNotSay(t *testing.T) {
	t.Parallel()
	files := types.BuildConfig{
		Platforms: []string{"linux/amd64"}, CacheTo: []string{"type=inline"}, NoCache: true, Pull: true, Context: "/c",
	}
	assert.DeepEqual(t, *Target{}.On(files, ""), files)
	got := Target{Platforms: []string{"linux/arm64", "linux/amd64"}}.On(files, "")
	assert.DeepEqual(t, got.Platforms, types.StringList{"linux/arm64", "linux/amd64"})
	assert.DeepEqual(t, files.Platforms, types.StringList{"linux/amd64"})
}
