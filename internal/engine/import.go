package engine

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// ImportProgram makes an image, without a name, with one program in it and
// nothing else, and returns its ID. changes are lines of a Dockerfile.
func (e *Engine) ImportProgram(ctx context.Context, path string, program io.Reader, size int64, changes []string) (string, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeProgram(pw, path, program, size)) }()
	defer pr.Close()
	return e.load(ctx, pr, changes)
}

func writeProgram(w io.Writer, path string, program io.Reader, size int64) error {
	t := tar.NewWriter(w)
	// Others may run it, and nobody write it.
	if err := t.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o555, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.Copy(t, program); err != nil {
		return err
	}
	return t.Close()
}

// load imports an archive as an image without a name.
func (e *Engine) load(ctx context.Context, archive io.Reader, changes []string) (string, error) {
	r, err := e.api.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, "", image.ImportOptions{Message: "docker loom", Changes: changes})
	if err != nil {
		return "", err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line struct{ Status, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return "", err
		}
		if line.Error != "" {
			return "", errors.New(line.Error)
		}
		if strings.HasPrefix(line.Status, "sha256:") {
			return line.Status, nil
		}
	}
	return "", errors.Join(errors.New("the engine gave no ID"), lines.Err())
}

// MadeFrom names the containers of any state and project that were made from an
// image, sorted.
func (e *Engine) MadeFrom(ctx context.Context, id string) ([]string, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("ancestor", id))})
	if err != nil {
		return nil, fmt.Errorf("containers of image %s: %w", id, err)
	}
	var names []string
	for _, s := range list {
		// An image made from this one counts as its ancestor too, and keeps what it needs of it.
		if s.ImageID == id {
			names = append(names, fromSummary(s).Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
