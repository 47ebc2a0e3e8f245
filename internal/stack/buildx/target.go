// Package buildx says what a build is told beside its Compose file: for which platforms it is, and where the builder's
// caches are, in the words of docker buildx build.
package buildx

import (
	"encoding/csv"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Target is what the user asks of the builds of one command, beside what the files ask.
type Target struct {
	// Platforms are such as linux/arm64; none leaves it to the files.
	Platforms []string
	// CacheFrom and CacheTo are caches: type=local,dest=DIR, or the name of an image alone.
	CacheFrom, CacheTo []string
	// NoCache runs all steps again, Pull asks for newer base images.
	NoCache, Pull bool
}

// Platform is the first of the platforms, "" where the files decide.
func (t Target) Platform() string {
	if len(t.Platforms) == 0 {
		return ""
	}
	return t.Platforms[0]
}

// On returns a build section with what the target asks. Builds of one command that have the same destination would
// write over each other's cache: part, if it is not "", goes behind the name of each cache.
func (t Target) On(b types.BuildConfig, part string) *types.BuildConfig {
	b.NoCache, b.Pull = b.NoCache || t.NoCache, b.Pull || t.Pull
	if len(t.Platforms) > 0 {
		b.Platforms = slices.Clone(t.Platforms)
	}
	b.CacheFrom = slices.Concat(b.CacheFrom, parts(t.CacheFrom, part))
	b.CacheTo = slices.Concat(b.CacheTo, parts(t.CacheTo, part))
	return &b
}

// parts are the caches of one part.
func parts(caches []string, part string) []string {
	if part == "" {
		return caches
	}
	list := make([]string, len(caches))
	for i, cache := range caches {
		list[i] = ofPart(cache, part)
	}
	return list
}

// names has for each type of cache the keys that tell one cache from another.
var names = map[string][]string{
	"registry": {"ref"}, "local": {"src", "dest"}, "gha": {"scope"}, "s3": {"name"}, "azblob": {"name"},
}

// ofPart is a cache with the part behind its name. An inline cache lies in its image, and stays as it is.
func ofPart(cache, part string) string {
	fields, err := csv.NewReader(strings.NewReader(cache)).Read()
	if err != nil {
		// The builder says what is wrong with it.
		return cache
	}
	if len(fields) == 1 && !strings.Contains(cache, "=") {
		return tagOf(cache, part)
	}
	kind := ""
	for _, f := range fields {
		if key, value, _ := strings.Cut(f, "="); key == "type" {
			kind = value
		}
	}
	named := false
	for i, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		if !slices.Contains(names[kind], key) {
			continue
		}
		named = true
		if key == "ref" {
			fields[i] = key + "=" + tagOf(value, part)
		} else {
			fields[i] = f + "-" + part
		}
	}
	if keys := names[kind]; !named && len(keys) > 0 && kind != "registry" && kind != "local" {
		fields = append(fields, keys[0]+"="+part)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	// A strings.Builder takes everything.
	_ = w.Write(fields)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// tagOf puts the part behind the tag of an image. One without a tag has latest.
func tagOf(ref, part string) string {
	if strings.LastIndex(ref, ":") <= strings.LastIndex(ref, "/") {
		ref += ":latest"
	}
	return ref + "-" + part
}
