package engine

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// ImportProgram makes an image, without a name, with one program in it and
// nothing else, and returns its ID. changes are lines of a Dockerfile.
func (s imageStore) ImportProgram(
	ctx context.Context, path string, program io.Reader, size int64, changes []string,
) (string, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeProgram(pw, path, program, size)) }()
	defer pr.Close()
	return s.load(ctx, pr, changes)
}

func writeProgram(w io.Writer, path string, program io.Reader, size int64) error {
	t := tar.NewWriter(w)
	// Others may run it, and nobody write it.
	header := &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o555, Size: size, Typeflag: tar.TypeReg}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(t, program); err != nil {
		return err
	}
	return t.Close()
}

// load imports an archive as an image without a name.
func (s imageStore) load(ctx context.Context, archive io.Reader, changes []string) (string, error) {
	r, err := s.api.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, "",
		image.ImportOptions{Message: "docker loom", Changes: changes})
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

// ImportEmpty makes an image without a name and without a file in it, for
// containers that are never started, and returns its ID. A copy of data needs no
// program: the engine itself reads and writes volumes that are mounted in one.
func (s imageStore) ImportEmpty(ctx context.Context) (string, error) {
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		return "", err
	}
	id, err := s.load(ctx, &empty, nil)
	if err != nil {
		return "", fmt.Errorf("empty image: %w", err)
	}
	return id, nil
}
