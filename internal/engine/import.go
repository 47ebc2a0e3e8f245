package engine

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/jsonmessage"
)

// Program is one program that an image is made of.
type Program struct {
	// Path is where it is in the image.
	Path    string
	Content *io.SectionReader
	// Entrypoint and User, UID:GID, are those of the image. Its working directory is the root.
	Entrypoint []string
	User       string
	// OS and Arch are those of the image's platform.
	OS, Arch string
}

// LoadProgram makes an image with one program in it and nothing else. Its ID depends on the program alone: of several
// users that load the same one at once, each gets the same image, and none leaves one without a name.
func (s imageStore) LoadProgram(ctx context.Context, ref string, p Program) error {
	pr, pw := io.Pipe()
	defer pr.Close()
	go func() { pw.CloseWithError(p.writeArchive(pw, ref)) }()
	r, err := s.api.ImageLoad(ctx, pr)
	if err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	defer r.Body.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(r.Body, io.Discard, 0, false, nil); err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	// To load an image does not tell the engine when that was.
	return s.Tag(ctx, ref, ref)
}

// writeArchive writes what docker save writes for an image of one layer. It has no time in it.
func (p *Program) writeArchive(w io.Writer, ref string) error {
	const layer, config, block = "layer.tar", "config.json", 512
	out := tar.NewWriter(w)
	// A tar file of one file is its header, its content in blocks, and two blocks at the end.
	size := block + (p.Content.Size()+block-1)/block*block + 2*block
	if err := out.WriteHeader(&tar.Header{Name: layer, Mode: 0o444, Size: size, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	hash := sha256.New()
	if err := p.writeLayer(io.MultiWriter(out, hash)); err != nil {
		return err
	}
	files := []struct {
		name  string
		value any
	}{
		{config, map[string]any{
			"os": p.OS, "architecture": p.Arch,
			"config":  map[string]any{"Entrypoint": p.Entrypoint, "User": p.User, "WorkingDir": "/"},
			"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(hash.Sum(nil))}},
			"history": []any{map[string]string{"comment": "docker loom"}},
		}},
		{"manifest.json", []any{map[string]any{"Config": config, "RepoTags": []string{ref}, "Layers": []string{layer}}}},
	}
	for _, f := range files {
		text, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Name: f.name, Mode: 0o444, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return out.Close()
}

func (p *Program) writeLayer(w io.Writer) error {
	t := tar.NewWriter(w)
	// Others may run it, and nobody write it.
	header := &tar.Header{
		Name: strings.TrimPrefix(p.Path, "/"), Mode: 0o555, Size: p.Content.Size(),
		Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
	}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(t, p.Content); err != nil {
		return err
	}
	return t.Close()
}

// ImportEmpty makes an image without a name and without a file in it, for
// containers that are never started, and returns its ID. A copy of data needs no
// program: the engine itself reads and writes volumes that are mounted in one.
func (s imageStore) ImportEmpty(ctx context.Context) (string, error) {
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		return "", err
	}
	id, err := s.importArchive(ctx, &empty)
	if err != nil {
		return "", fmt.Errorf("empty image: %w", err)
	}
	return id, nil
}

// importArchive imports an archive as an image without a name.
func (s imageStore) importArchive(ctx context.Context, archive io.Reader) (string, error) {
	r, err := s.api.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, "",
		image.ImportOptions{Message: "docker loom"})
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
