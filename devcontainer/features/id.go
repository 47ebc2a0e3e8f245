// Package features turns the features of a devcontainer.json into layers on top of an image: it finds out what their
// ids mean, fetches them (folders, archives, OCI artifacts), puts them in order with their dependencies, and writes
// the Dockerfile that installs them. It follows the Dev Container specification's "Features"; where the reference CLI
// differs, docs/decisions says what was chosen.
package features

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// Source says where a feature comes from.
type Source string

// The sources of features.
const (
	SourceOCI     Source = "oci"
	SourceTarball Source = "tgz"
	SourceRelease Source = "release"
	SourceLocal   Source = "local"
)

// ID is what a feature's id means.
type ID struct {
	// Written is the id as the user wrote it.
	Written string
	Source  Source
	// Registry, Repository and Tag or Digest tell an OCI artifact: ghcr.io, devcontainers/features/node, 1. Without either
	// in the id, Tag is latest. Of a release on GitHub the Repository is OWNER/REPOSITORY, the Tag that of the release.
	Registry, Repository, Tag, Digest string
	// URL is that of an archive.
	URL string
	// Path is the folder of a local feature, absolute.
	Path string
}

// IDError says that a text is not the id of a feature.
type IDError struct {
	Written string
	Err     error
}

// Error quotes the id.
func (e *IDError) Error() string { return fmt.Sprintf("feature %q: %v", e.Written, e.Err) }

// NextStep says what the user does next.
func (*IDError) NextStep() string {
	return "correct the feature's name in the devcontainer.json"
}

// Unwrap gives the reason.
func (e *IDError) Unwrap() error { return e.Err }

// Resource names the feature without its version: what two versions of one feature have in common.
func (id ID) Resource() string {
	switch id.Source {
	case SourceOCI:
		return id.Registry + "/" + id.Repository
	case SourceTarball:
		return id.URL
	case SourceRelease:
		return id.Repository + "/" + id.name()
	}
	return id.Path
}

// reference is the OCI reference, with the digest if there is one.
func (id ID) reference() string {
	if id.Digest != "" {
		return id.Resource() + "@" + id.Digest
	}
	return id.Resource() + ":" + id.Tag
}

// name is the last part of the id, as a file name.
func (id ID) name() string {
	switch id.Source {
	case SourceOCI:
		return path.Base(id.Repository)
	case SourceTarball, SourceRelease:
		return strings.TrimSuffix(strings.TrimPrefix(path.Base(id.URL), "devcontainer-feature-"), ".tgz")
	}
	return filepath.Base(id.Path)
}

// Bare ids are from before features had registries. Those that moved to the official collection are known by name; of
// the others it is said what they became.
var (
	legacyMoved = []string{
		"aws-cli", "azure-cli", "desktop-lite", "docker-from-docker", "docker-in-docker", "dotnet",
		"git", "git-lfs", "github-cli",
		"java", "kubectl-helm-minikube", "node", "powershell", "python", "ruby", "rust", "sshd", "terraform",
	}
	legacyRenamed = map[string]string{"golang": "go", "common": "common-utils"}
	legacyOption  = map[string]string{"gradle": "java", "maven": "java", "jupyterlab": "python"}
)

const official = "ghcr.io/devcontainers/features"

var tarball = regexp.MustCompile(`/devcontainer-feature-[^/]+\.tgz$`)

// ParseID reads an id: a folder that counts from the folder of the devcontainer.json and is inside the
// workspace's .devcontainer, the address of an archive, or an OCI artifact. Its error is an *IDError.
func ParseID(written, configDir, workspace string) (ID, error) {
	id, err := readID(written, configDir, workspace)
	if err != nil {
		return ID{}, &IDError{written, err}
	}
	id.Written = written
	return id, nil
}

func readID(written, configDir, workspace string) (ID, error) {
	switch {
	case strings.HasPrefix(written, "./"), strings.HasPrefix(written, "../"):
		return parseLocal(written, configDir, workspace)
	case filepath.IsAbs(written):
		return ID{}, errors.New("an absolute path: a local feature is named by a path that begins with ./ or ../")
	case strings.HasPrefix(written, "https://"), strings.HasPrefix(written, "http://"):
		return parseTarball(written)
	case !strings.Contains(written, "/"):
		return parseLegacy(written)
	case !registryHost.MatchString(written):
		return parseRelease(written)
	}
	ref, err := registry.ParseReference(strings.ToLower(written))
	if err != nil {
		return ID{}, err
	}
	if strings.HasSuffix(written, ":") || strings.HasSuffix(written, "@") {
		return ID{}, errors.New("no version behind its last character")
	}
	id := ID{Source: SourceOCI, Registry: ref.Registry, Repository: ref.Repository}
	switch {
	case ref.Reference == "":
		id.Tag = "latest"
	case strings.Contains(ref.Reference, ":"):
		id.Digest = ref.Reference
	default:
		// A tag's case counts.
		id.Tag = written[len(written)-len(ref.Reference):]
	}
	return id, nil
}

// registryHost is the beginning of an OCI reference: a first part that can be the name of a host, as docker decides it.
var registryHost = regexp.MustCompile(`^(?:[^/]*[.:][^/]*|(?i:localhost))/`)

func parseLocal(written, configDir, workspace string) (ID, error) {
	dir := filepath.Join(configDir, filepath.FromSlash(written))
	inside := filepath.Join(workspace, ".devcontainer")
	rel, err := filepath.Rel(inside, dir)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return ID{}, fmt.Errorf("%s is not inside %s, where local features have to be", dir, inside)
	}
	return ID{Source: SourceLocal, Path: dir}, nil
}

func parseTarball(written string) (ID, error) {
	u, err := url.Parse(written)
	if err != nil {
		return ID{}, err
	}
	if !tarball.MatchString(u.Path) {
		return ID{}, errors.New("an archive's address ends with /devcontainer-feature-NAME.tgz")
	}
	if u.Scheme == "http" && !loopback(u.Host) {
		return ID{}, errors.New("http is only for this machine: use https")
	}
	return ID{Source: SourceTarball, URL: written}, nil
}

func parseLegacy(written string) (ID, error) {
	name, tag, versioned := strings.Cut(written, "@")
	if !versioned {
		if before, after, found := strings.Cut(written, ":"); found {
			name, tag = before, after
		}
	}
	if tag == "" || tag == "latest" {
		tag = "1"
	}
	switch {
	case slices.Contains(legacyMoved, name):
	case legacyRenamed[name] != "":
		name = legacyRenamed[name]
	case legacyOption[name] != "":
		return ID{}, fmt.Errorf("is an option of %s/%s now", official, legacyOption[name])
	default:
		return ID{}, errors.New("an id has a registry, as in " + official + "/node:1, or is a path that begins with ./")
	}
	id, err := readID(official+"/"+name+":"+strings.TrimPrefix(tag, "v"), "", "")
	return id, err
}

// loopback reports whether a host, with or without port, is this machine: its registries speak plain HTTP.
func loopback(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	return name == "localhost" || strings.HasPrefix(name, "127.") || name == "[::1]"
}
