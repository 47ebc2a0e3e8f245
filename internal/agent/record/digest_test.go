package record

import (
	"reflect"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// differentInputs are two inputs that differ in every field.
func differentInputs() (one, other Inputs) {
	one = Inputs{
		HostAccess: []string{"a"}, Others: []OtherProject{{Project: "a"}}, Policy: sandbox.Policy{Agent: "a"}, Images: image.Choice{Flag: "a"}, Services: egress.Open,
		Mounts: []settings.AgentMount{{Source: "a"}}, SidecarImage: "a", Version: "a", Project: "a", WorkTree: "a",
		Confined: &registry.Confined{Mode: "none"}, GitPointers: "a", DevImageID: "a", SourcesDigest: "a", UID: 1, GID: 1,
	}
	other = Inputs{
		HostAccess: []string{"b"}, Others: []OtherProject{{Project: "b"}}, Policy: sandbox.Policy{Agent: "b"}, Images: image.Choice{Flag: "b"}, Services: egress.None,
		Mounts: []settings.AgentMount{{Source: "b"}}, SidecarImage: "b", Version: "b", Project: "b", WorkTree: "b",
		Confined: &registry.Confined{Mode: "restricted"}, GitPointers: "b", DevImageID: "b", SourcesDigest: "b", UID: 2, GID: 2,
	}
	return one, other
}

func digestFor(t *testing.T, in Inputs) string {
	t.Helper()
	digest, err := in.Digest()
	assert.NilError(t, err)
	return digest
}

func TestEachInputChangesTheWantedDigest(t *testing.T) {
	t.Parallel()
	one, other := differentInputs()
	seen := map[string]string{digestFor(t, one): "nothing"}
	for i := range reflect.TypeFor[Inputs]().NumField() {
		name := reflect.TypeFor[Inputs]().Field(i).Name
		in := one
		field := reflect.ValueOf(&in).Elem().Field(i)
		field.Set(reflect.ValueOf(other).Field(i))
		assert.Assert(t, !reflect.DeepEqual(in, one), "the two inputs have the same %s", name)
		digest := digestFor(t, in)
		assert.Equal(t, seen[digest], "", "%s changes the digest as %s does", name, seen[digest])
		seen[digest] = name
	}
}

// Each field of a policy reaches the digest: a policy with a field that JSON does not see would be the old sandbox's.
func TestEachFieldOfThePolicyChangesTheWantedDigest(t *testing.T) {
	t.Parallel()
	policy := reflect.TypeFor[sandbox.Policy]()
	none := digestFor(t, Inputs{})
	for i := range policy.NumField() {
		var in Inputs
		field := reflect.ValueOf(&in.Policy).Elem().Field(i)
		fill(field)
		assert.Assert(t, !field.IsZero(), policy.Field(i).Name)
		assert.Assert(t, digestFor(t, in) != none, policy.Field(i).Name)
	}
}

// fill gives a value that is not zero to a field.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		fill(v.Field(0))
	}
}

// A project that is added, even one that asks for nothing, and what it asks for, lead to a closer look.
func TestOtherProjectsOfTheLoomChangeTheWantedDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, others := range [][]OtherProject{
		nil,
		{{Project: "api"}},
		{{Project: "api", HostAccess: []string{"a"}}},
		{{Project: "api", Confined: &registry.Confined{Mode: "none"}}},
		{{Project: "api"}, {Project: "web"}},
	} {
		digest := digestFor(t, Inputs{Others: others})
		assert.Assert(t, !seen[digest], others)
		seen[digest] = true
	}
}

func TestEqualInputsHaveEqualWantedDigests(t *testing.T) {
	t.Parallel()
	one, _ := differentInputs()
	again, _ := differentInputs()
	assert.Equal(t, digestFor(t, one), digestFor(t, again))
}
