package features

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Versions are versions of a feature: the one in use, and the newest that its registry has.
type Versions struct {
	// Current is the version that the lockfile has; without a lockfile it is Wanted.
	Current string `json:"current"`
	// Wanted is the newest version that the id allows as it is written, Latest the newest of all. Both are "" for a
	// feature that is not from a registry, or whose registry has no versions such as 1.2.3.
	Wanted string `json:"wanted"`
	Latest string `json:"latest"`
}

// Versions asks the feature's registry what it has. The error is a *FetchError.
func (s *Store) Versions(ctx context.Context, id ID, current string) (Versions, error) {
	v := Versions{Current: current}
	if id.Source != SourceOCI {
		return v, nil
	}
	repo, err := s.repository(id)
	if err != nil {
		return v, err
	}
	var all []*semver.Version
	err = repo.Tags(ctx, "", func(tags []string) error {
		for _, tag := range tags {
			// Tags such as 1 and 1.2 move; these alone say a version.
			if version, err := semver.StrictNewVersion(tag); err == nil && version.Prerelease() == "" {
				all = append(all, version)
			}
		}
		return nil
	})
	if err != nil {
		return v, &FetchError{ID: id, Offline: unreachable(err), Err: refused(id, err)}
	}
	if len(all) == 0 {
		return v, nil
	}
	slices.SortFunc(all, func(a, b *semver.Version) int { return b.Compare(a) })
	v.Latest = all[0].String()
	for _, version := range all {
		if id.allows(version) {
			v.Wanted = version.String()
			break
		}
	}
	v.Current = cmp.Or(v.Current, v.Wanted)
	return v, nil
}

// allows reports whether the id as it is written may mean a version. A digest means one content for ever.
func (id ID) allows(v *semver.Version) bool {
	if id.Digest != "" {
		return false
	}
	return id.Tag == "latest" || v.String() == id.Tag || strings.HasPrefix(v.String(), id.Tag+".")
}

// repository is the feature's in its registry.
func (s *Store) repository(id ID) (*remote.Repository, error) {
	repo, err := remote.NewRepository(id.Resource())
	if err != nil {
		return nil, err
	}
	repo.PlainHTTP = loopback(id.Registry)
	repo.Client = &auth.Client{Client: s.Client, Cache: auth.NewCache(), Credential: s.Credential}
	return repo, nil
}

// WithVersion is the id as it is written for another version: r.io/f/node:1 with 2 is r.io/f/node:2.
func (id ID) WithVersion(version string) string {
	end := len(id.Written)
	for _, mark := range []string{"@", ":" + id.Tag} {
		if i := strings.LastIndex(id.Written, mark); i > 0 && i > strings.LastIndex(id.Written, "/") {
			end = min(end, i)
		}
	}
	return id.Written[:end] + ":" + version
}
