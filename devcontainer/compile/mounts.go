package compile

import (
	"encoding/csv"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/opts"
	mounttypes "github.com/docker/docker/api/types/mount"
)

// parseMount reads a mount as docker run --mount does, and as it is said in Compose. A volume is added to the project.
func (c *compiler) parseMount(text string) (types.ServiceVolumeConfig, error) {
	r := csv.NewReader(strings.NewReader(text))
	fields, err := r.Read()
	if err != nil {
		return types.ServiceVolumeConfig{}, fmt.Errorf("mount %q: %w", text, err)
	}
	external := false
	var rest []string
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "external":
			external = value != "false" && value != "0"
			continue
		case "source", "src":
			if strings.HasPrefix(value, ".") {
				field = key + "=" + filepath.Join(c.in.Config.Workspace, filepath.FromSlash(value))
			}
		}
		rest = append(rest, field)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(rest); err != nil {
		return types.ServiceVolumeConfig{}, err
	}
	w.Flush()
	var parsed opts.MountOpt
	if err := parsed.Set(strings.TrimSuffix(b.String(), "\n")); err != nil {
		return types.ServiceVolumeConfig{}, fmt.Errorf("mount %q: %w", text, err)
	}
	return c.convertMount(parsed.Value()[0], external)
}

// convertMount says a mount of the engine in Compose's words.
func (c *compiler) convertMount(m mounttypes.Mount, external bool) (types.ServiceVolumeConfig, error) {
	v := types.ServiceVolumeConfig{
		Type: string(m.Type), Source: m.Source, Target: path.Clean(m.Target),
		ReadOnly: m.ReadOnly, Consistency: string(m.Consistency),
	}
	if b := m.BindOptions; m.Type == mounttypes.TypeBind && (b == nil || !b.CreateMountpoint) {
		c.MustExist = append(c.MustExist, m.Source)
	}
	if b := m.BindOptions; b != nil {
		v.Bind = &types.ServiceVolumeBind{Propagation: string(b.Propagation), CreateHostPath: b.CreateMountpoint}
		switch {
		case b.NonRecursive:
			v.Bind.Recursive = "disabled"
		case b.ReadOnlyNonRecursive:
			v.Bind.Recursive = "writable"
		case b.ReadOnlyForceRecursive:
			v.Bind.Recursive = "readonly"
		}
	}
	if t := m.TmpfsOptions; t != nil {
		v.Tmpfs = &types.ServiceVolumeTmpfs{Size: types.UnitBytes(t.SizeBytes), Mode: uint32(t.Mode)}
	}
	if i := m.ImageOptions; i != nil {
		v.Image = &types.ServiceVolumeImage{SubPath: i.Subpath}
	}
	volume := types.VolumeConfig{External: types.External(external)}
	if o := m.VolumeOptions; o != nil {
		v.Volume = &types.ServiceVolumeVolume{NoCopy: o.NoCopy, Subpath: o.Subpath}
		if d := o.DriverConfig; d != nil {
			volume.Driver, volume.DriverOpts = d.Name, types.Options(d.Options)
		}
		if len(o.Labels) > 0 {
			volume.Labels = types.Labels(o.Labels)
		}
	}
	if m.Type != mounttypes.TypeVolume || m.Source == "" {
		return v, nil
	}
	return v, c.volume(m.Source, volume)
}

// volume adds a named volume to the project, unless the project has it.
func (c *compiler) volume(name string, v types.VolumeConfig) error {
	if c.in.Config.Kind == devcontainer.KindCompose {
		if _, has := c.in.Project.Volumes[name]; has && !bool(v.External) {
			return nil
		}
		v.Name = c.in.Project.Name + "_" + name
	} else {
		v.Name = name
	}
	if v.External {
		v.Name = name
	}
	if have, has := c.Volumes[name]; has && have.Driver != v.Driver {
		return fmt.Errorf("volume %s is mounted with two drivers, %q and %q", name, have.Driver, v.Driver)
	}
	c.Volumes[name] = v
	return nil
}

// add mounts a volume; the last at a target wins.
func (c *compiler) add(v types.ServiceVolumeConfig) {
	volumes := slices.DeleteFunc(slices.Clone(c.Service.Volumes), func(have types.ServiceVolumeConfig) bool {
		return have.Target == v.Target
	})
	volumes = append(volumes, v)
	c.Service.Volumes = volumes
}
