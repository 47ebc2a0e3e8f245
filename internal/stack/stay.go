package stack

import (
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"

	"github.com/docker-loom/docker-loom/internal/stack/references"
)

// followed are the places of a compose file that name files which Compose's loader reads by itself.
var followed = []tree.Path{
	"include.[]", "include.[].path", "include.[].path.[]", "include.[].env_file", "include.[].env_file.[]",
	"include.[].project_directory", "services.*.extends.file",
}

// stay keeps Compose's loader among the files that were read: whatever path it is about to follow leads into the
// snapshot. The walk that read the files may have overlooked a reference; then the loader finds nothing there.
func (c *compilation) stay(o *loader.Options) {
	casts := maps.Clone(o.Interpolate.TypeCastMapping)
	for _, place := range followed {
		casts[place] = c.lead
	}
	options := *o.Interpolate
	options.TypeCastMapping = casts
	o.Interpolate = &options
}

var _ interpolation.Cast = new(compilation).lead

func (c *compilation) lead(reference string) (any, error) {
	isFetched := func(r *references.Fetcher) bool { return r.Accept(reference) }
	switch {
	case slices.ContainsFunc(c.files.Fetchers, isFetched):
		return reference, nil
	case c.snapshot == nil:
		return nil, &NotReadError{Path: reference}
	}
	return c.snapshot.Lead(reference)
}

// bringLabelFiles reads the label files of a model, and names them where Compose's loader is to read them.
func (c *compilation) bringLabelFiles(model map[string]any) error {
	services, _ := model["services"].(map[string]any)
	for _, service := range services {
		fields, _ := service.(map[string]any)
		files, _ := fields["label_file"].([]any)
		for i, file := range files {
			path, ok := file.(string)
			if !ok {
				continue
			}
			at, err := c.bring(path)
			if err != nil {
				return err
			}
			files[i] = at
		}
	}
	return nil
}

// bring reads a file and returns where it is in the snapshot.
func (c *compilation) bring(path string) (string, error) {
	if c.snapshot == nil {
		s, err := c.files.Snapshot()
		if err != nil {
			return "", err
		}
		c.snapshot = s
	}
	path = c.snapshot.Original(path)
	text, err := c.files.ReadMore(path)
	if err != nil {
		return "", err
	}
	if text != nil {
		err = c.snapshot.Put(path, text)
	}
	return c.snapshot.At(path), err
}

// noteSought notes the variables that are looked up.
func (c *compilation) noteSought(lookup template.Mapping) template.Mapping {
	return func(name string) (string, bool) {
		c.sought[name] = true
		return lookup(name)
	}
}
