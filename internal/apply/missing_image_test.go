package apply

import (
	"errors"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack/blame"
)

func TestAMissingImageIsNamedWithItsServicesAndWhatToDo(t *testing.T) {
	t.Parallel()
	of := Subject{Loom: "123", Project: "p", Services: types.Services{
		"web": {Name: "web", Image: "ghcr.io/shop/web:2"}, "worker": {Name: "worker", Image: "ghcr.io/shop/web:2"},
		"db": {Name: "db", Image: "postgres:99"}, "api": {Name: "api", Build: &types.BuildConfig{}},
	}}
	for _, tc := range []struct{ ref, said, want, next string }{
		{
			"ghcr.io/shop/web:2", "Error response from daemon: denied", "services web, worker: image ghcr.io/shop/web:2: denied",
			"correct image: in the compose file; if the image is private, docker login ghcr.io first",
		},
		{
			"postgres:99", "Error response from daemon: pull access denied for postgres, repository does not exist or may require 'docker login'",
			"service db: image postgres:99: pull access denied for postgres, repository does not exist or may require 'docker login'",
			"correct image: in the compose file; if the image is private, docker login first",
		},
		{
			"postgres:99", "manifest for postgres:99 not found: manifest unknown: manifest unknown",
			"service db: image postgres:99: manifest for postgres:99 not found: manifest unknown: manifest unknown",
			"correct image: in the compose file: the registry has no such name or tag",
		},
		{
			"postgres:99", "Error response from daemon: No such image: postgres:99", "service db: image postgres:99: No such image: postgres:99",
			"docker pull postgres:99 brings it; or docker loom up 123 --pull missing",
		},
		{
			"p-api", "No such image: p-api:latest", "service api: image p-api: No such image: p-api:latest",
			"docker loom up 123 --build builds it",
		},
		{
			"postgres:99", `Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host`,
			`service db: image postgres:99: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host`,
			"the engine does not reach the registry: docker pull postgres:99 tries it alone",
		},
	} {
		err := newImageError(of, &blame.ImageError{Ref: tc.ref, Err: errors.New(tc.said)}, false)
		var image *ImageError
		assert.Assert(t, errors.As(err, &image))
		assert.Check(t, err.Error() == tc.want, "%s", err)
		assert.Check(t, image.NextStep() == tc.next, "%s", image.NextStep())
	}
}

func TestTheImageThatADockerfileNamesIsFoundInTheBuildersError(t *testing.T) {
	t.Parallel()
	cause := errors.New("Dockerfile:1\n---\n   1 | >>> FROM nope:2\n---\nfailed to solve: nope:2: failed to resolve source metadata for " +
		"docker.io/library/nope:2: pull access denied, repository does not exist or may require authorization")
	found, built := blame.ImageOf(cause)
	assert.Assert(t, built)
	of := Subject{Loom: "1", Project: "p", Services: types.Services{"api": {Name: "api", Build: &types.BuildConfig{}}, "db": {Name: "db", Image: "db"}}}
	err := newImageError(of, found, built)
	assert.Error(t, err, "service api: image docker.io/library/nope:2: pull access denied, repository does not exist or may require authorization")
	missing, ok := errors.AsType[*ImageError](err)
	assert.Assert(t, ok)
	assert.Equal(t, missing.NextStep(), "correct FROM in the Dockerfile; if the image is private, docker login first")
	found, _ = blame.ImageOf(errors.New("failed to solve: process did not complete: exit code: 1"))
	assert.Assert(t, found == nil)
}
