package features

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// layerType is the media type of a feature's archive.
const layerType = "application/vnd.devcontainers.layer.v1+tar"

// pull fetches a feature from a registry. Manifest and archive are checked against their digests.
func (s *Store) pull(ctx context.Context, id ID) (pointer, []byte, error) {
	repo, err := s.repository(id)
	if err != nil {
		return pointer{}, nil, err
	}
	ref := id.Tag
	if id.Digest != "" {
		ref = id.Digest
	}
	desc, body, err := repo.FetchReference(ctx, ref)
	if err != nil {
		return pointer{}, nil, refused(id, err)
	}
	defer body.Close()
	data, err := content.ReadAll(body, desc)
	if err != nil {
		return pointer{}, nil, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		return pointer{}, nil, fmt.Errorf("manifest: %w", err)
	}
	if len(manifest.Layers) == 0 {
		return pointer{}, nil, errors.New("is not a feature: its manifest has no layer")
	}
	layer := manifest.Layers[0]
	if layer.MediaType != layerType {
		return pointer{}, nil, fmt.Errorf("is not a feature: its layer is %s", layer.MediaType)
	}
	if layer.Size > maxArchive {
		return pointer{}, nil, fmt.Errorf("has more than %d MB", maxArchive>>20)
	}
	archive, err := content.FetchAll(ctx, repo.Blobs(), layer)
	if err != nil {
		return pointer{}, nil, refused(id, err)
	}
	return pointer{Digest: desc.Digest.String(), Layer: layer.Digest.String()}, archive, nil
}

// refused says in the user's words why a registry gives no answer.
func refused(id ID, err error) error {
	var response *errcode.ErrorResponse
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		if id.Digest != "" {
			return fmt.Errorf("%s has no %s", id.Registry, id.Repository+"@"+id.Digest)
		}
		return fmt.Errorf("%s has no %s with version %s", id.Registry, id.Repository, id.Tag)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%s refuses %s: docker login %s is needed", id.Registry, id.Repository, id.Registry)
	case errors.As(err, &response) &&
		(response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s refuses %s (%s): not there, or docker login %s is needed",
			id.Registry, id.Repository, http.StatusText(response.StatusCode), id.Registry)
	}
	return err
}

// unreachable reports whether nobody answered, so that what was fetched earlier will do.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var response *errcode.ErrorResponse
	switch {
	case errors.As(err, &dns), errors.As(err, &op):
		return true
	case errors.As(err, &response):
		return response.StatusCode >= 500
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, io.ErrUnexpectedEOF)
}

// digestOf is the digest of bytes as registries write it.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
