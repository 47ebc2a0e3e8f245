package compile

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/opts"
	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// build is the build of a Dockerfile dev container.
func (c *compiler) build() error {
	b, file := c.in.Config.Build, c.in.Config.DockerfilePath()
	build := &types.BuildConfig{
		Context: c.in.Config.BuildContext(), Dockerfile: file, Target: b.Target, CacheFrom: b.CacheFrom,
	}
	if rel, err := filepath.Rel(build.Context, file); err == nil && filepath.IsLocal(rel) {
		build.Dockerfile = filepath.ToSlash(rel)
	}
	for name, value := range b.Args {
		if build.Args == nil {
			build.Args = types.MappingWithEquals{}
		}
		build.Args[name] = &value
	}
	c.Service.Build = build
	return c.buildOptions(b.Options)
}

func absolute(dir, file string) string {
	file = filepath.FromSlash(file)
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	return filepath.Join(dir, file)
}

// buildFlag puts the values of a flag of docker build into the build; nil is for what Compose cannot say.
type buildFlag func(b *types.BuildConfig, values []string) error

// buildFlags are the flags of docker build that have a value. docker exports no parser for them: those of the classic
// builder are another set, and those of buildx come with all of buildx.
var buildFlags = map[string]buildFlag{
	"add-host": func(b *types.BuildConfig, v []string) error {
		hosts, err := types.NewHostsList(v)
		b.ExtraHosts = hosts
		return err
	},
	"allow": func(b *types.BuildConfig, v []string) error {
		b.Entitlements = append(b.Entitlements, v...)
		return nil
	},
	"build-arg": func(b *types.BuildConfig, v []string) error {
		b.Args = types.NewMappingWithEquals(v).OverrideBy(b.Args)
		return nil
	},
	"build-context": func(b *types.BuildConfig, v []string) error {
		b.AdditionalContexts = types.NewMapping(v)
		return nil
	},
	"cache-from": func(b *types.BuildConfig, v []string) error {
		b.CacheFrom = append(slices.Clone(b.CacheFrom), v...)
		return nil
	},
	"cache-to":  func(b *types.BuildConfig, v []string) error { b.CacheTo = v; return nil },
	"isolation": func(b *types.BuildConfig, v []string) error { b.Isolation = end(v); return nil },
	"label": func(b *types.BuildConfig, v []string) error {
		b.Labels = types.Labels(opts.ConvertKVStringsToMap(v))
		return nil
	},
	"network":    func(b *types.BuildConfig, v []string) error { b.Network = end(v); return nil },
	"platform":   func(b *types.BuildConfig, v []string) error { b.Platforms = strings.Split(end(v), ","); return nil },
	"provenance": func(b *types.BuildConfig, v []string) error { b.Provenance = end(v); return nil },
	"sbom":       func(b *types.BuildConfig, v []string) error { b.SBOM = end(v); return nil },
	"shm-size": func(b *types.BuildConfig, v []string) error {
		size, err := units.RAMInBytes(end(v))
		b.ShmSize = types.UnitBytes(size)
		return err
	},
	"ssh": func(b *types.BuildConfig, v []string) error {
		for _, key := range v {
			id, path, _ := strings.Cut(key, "=")
			b.SSH = append(b.SSH, types.SSHKey{ID: id, Path: path})
		}
		return nil
	},
	"target": func(b *types.BuildConfig, v []string) error { b.Target = end(v); return nil },
	"ulimit": func(b *types.BuildConfig, v []string) error {
		ulimits := opts.NewUlimitOpt(nil)
		for _, u := range v {
			if err := ulimits.Set(u); err != nil {
				return err
			}
		}
		b.Ulimits = map[string]*types.UlimitsConfig{}
		for _, u := range ulimits.GetList() {
			b.Ulimits[u.Name] = &types.UlimitsConfig{Soft: int(u.Soft), Hard: int(u.Hard)}
		}
		return nil
	},
	"annotation": nil, "attest": nil, "builder": nil, "call": nil, "cgroup-parent": nil, "cpu-period": nil,
	"cpu-quota": nil, "cpu-shares": nil, "cpuset-cpus": nil, "cpuset-mems": nil, "file": nil, "iidfile": nil,
	"memory": nil, "memory-swap": nil,
	"metadata-file": nil, "no-cache-filter": nil, "output": nil, "policy": nil, "progress": nil, "secret": nil,
	"security-opt": nil, "tag": nil,
}

// buildSwitches are the flags of docker build that are true or false.
var buildSwitches = map[string]func(b *types.BuildConfig, value bool){
	"no-cache": func(b *types.BuildConfig, value bool) { b.NoCache = value },
	"pull":     func(b *types.BuildConfig, value bool) { b.Pull = value },
	"check":    nil, "compress": nil, "debug": nil, "disable-content-trust": nil, "force-rm": nil, "load": nil,
	"push": nil, "quiet": nil, "rm": nil, "squash": nil,
}

// quietly are the flags without which the same image comes out.
var quietly = []string{
	"builder", "compress", "debug", "disable-content-trust", "force-rm", "load", "progress", "quiet", "rm",
}

func end(values []string) string { return values[len(values)-1] }

// buildOptions says in Compose's words what build.options asks of docker build.
func (c *compiler) buildOptions(options []string) error {
	flags := pflag.NewFlagSet("docker build", pflag.ContinueOnError)
	short := map[string]string{
		"cpu-shares": "c", "debug": "D", "file": "f", "memory": "m", "output": "o", "quiet": "q", "tag": "t",
	}
	for name := range buildFlags {
		flags.StringArrayP(name, short[name], nil, "")
	}
	for name := range buildSwitches {
		flags.BoolP(name, short[name], false, "")
	}
	flags.Usage = func() {}
	if err := flags.Parse(options); err != nil {
		return fmt.Errorf("build.options: %w", err)
	}
	if rest := flags.Args(); len(rest) > 0 {
		return fmt.Errorf("build.options: %q is neither a flag nor the value of one", rest[0])
	}
	given := map[string]*pflag.Flag{}
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = f })
	for _, name := range slices.Sorted(maps.Keys(given)) {
		set, change := buildFlags[name], buildSwitches[name]
		switch {
		case set != nil:
			values, err := flags.GetStringArray(name)
			if err != nil {
				return err
			}
			if err := set(c.Service.Build, values); err != nil {
				return fmt.Errorf("build.options: --%s: %w", name, err)
			}
		case change != nil:
			value, err := flags.GetBool(name)
			if err != nil {
				return err
			}
			change(c.Service.Build, value)
		case slices.Contains(quietly, name):
			c.find(finding.Info, fmt.Sprintf("build.options: --%s has no effect here", name), "")
		default:
			c.find(finding.Warning, "build.options: --"+name+
				" is not taken over: a dev container's image is built by Compose", "")
		}
	}
	return nil
}
