package stack_test

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

// Compose clears the replicas through a pointer while it hashes: the project then has one container.
func TestHashingLeavesTheProjectAlone(t *testing.T) {
	t.Parallel()
	replicas := 3
	s := types.ServiceConfig{Name: "web", Image: "app", Deploy: &types.DeployConfig{Replicas: &replicas}}
	with, err := stack.ServiceHash(s)
	assert.NilError(t, err)
	assert.Assert(t, s.Deploy.Replicas != nil)
	assert.Equal(t, s.GetScale(), 3)
	s.Deploy.Replicas = nil
	without, err := stack.ServiceHash(s)
	assert.NilError(t, err)
	assert.Equal(t, with, without)
}

func TestConvergedOnlyWhereUpWouldChangeNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": `
services:
  web: {image: app, deploy: {replicas: 2}}
  db: {image: postgres}
`})
	type state struct {
		project  *types.Project
		seen     []stack.Seen
		networks []map[string]string
		images   map[string]string
	}
	// The container has the hash of what the service has become, so that something else must tell.
	change := func(f func(*types.ServiceConfig)) func(*state) {
		return func(s *state) {
			db := s.project.Services["db"]
			f(&db)
			s.project.Services["db"] = db
			s.seen[2].Labels[stack.LabelConfigHash], _ = stack.ServiceHash(db)
		}
	}
	policy := func(policy string) func(*state) {
		return change(func(s *types.ServiceConfig) { s.PullPolicy = policy })
	}
	for _, test := range []struct {
		name  string
		spoil func(*state)
		want  bool
	}{
		{"as it is", func(*state) {}, true},
		{"a foreign network", func(s *state) {
			s.networks = append(s.networks, map[string]string{"com.docker.compose.network": "other"})
		}, true},
		{"a container too few", func(s *state) { s.seen = s.seen[1:] }, false},
		{"a container too many", func(s *state) { s.seen = append(s.seen, s.seen[0]) }, false},
		{"one that is down", func(s *state) { s.seen[1].Up = false }, false},
		{"an orphan", func(s *state) { s.seen[2].Service = "gone" }, false},
		{"another hash", func(s *state) { s.seen[0].Labels[stack.LabelConfigHash] = "x" }, false},
		{"no hash", func(s *state) { delete(s.seen[0].Labels, stack.LabelConfigHash) }, false},
		{"a rebuilt image", func(s *state) { s.images["app"] = "sha256:new" }, false},
		{"an image that is gone", func(s *state) { delete(s.images, "postgres") }, false},
		{"another network", func(s *state) { s.networks[0][stack.LabelConfigHash] = "x" }, false},
		{"always pulled", policy(types.PullPolicyAlways), false},
		{"always built", policy(types.PullPolicyBuild), false},
		{"pulled daily", policy("daily"), false},
		{"pulled every hour", policy("every_1h"), false},
		{"pulled when missing", policy(types.PullPolicyMissing), true},
		{"joins another's network", change(func(s *types.ServiceConfig) { s.NetworkMode = "service:web" }), false},
		{"takes another's volumes", change(func(s *types.ServiceConfig) { s.VolumesFrom = []string{"web"} }), false},
		{"a provider", change(func(s *types.ServiceConfig) { s.Provider = &types.ServiceProviderConfig{Type: "x"} }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := loadFiles(t, dir, nil).Finish(nil, nil)
			assert.NilError(t, err)
			s := &state{project: p, images: map[string]string{"app": "sha256:1", "postgres": "sha256:2"}}
			for _, name := range []string{"web", "web", "db"} {
				hash, err := stack.ServiceHash(p.Services[name])
				assert.NilError(t, err)
				s.seen = append(s.seen, stack.Seen{Service: name, Up: true, Labels: map[string]string{
					stack.LabelConfigHash: hash, stack.LabelImageDigest: s.images[p.Services[name].Image],
				}})
			}
			hash, err := stack.NetworkHash(p.Networks["default"])
			assert.NilError(t, err)
			s.networks = []map[string]string{{"com.docker.compose.network": "default", stack.LabelConfigHash: hash}}
			test.spoil(s)
			changes := stack.Compare(s.project, s.seen, func(ref string) string { return s.images[ref] })
			got := stack.Converged(s.project, s.seen, s.networks, changes)
			assert.Equal(t, got, test.want)
		})
	}
}
