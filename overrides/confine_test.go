package overrides_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

// confinement is one as the package loom makes it, of a work tree in dir.
func confinement(k *loom, dir string) overrides.Confinement {
	config := `{"mode":"restricted","price":"5$"}`
	label := "20000/tcp=web:80"
	no := false
	return overrides.Confinement{
		Sidecar: types.ServiceConfig{
			Name: "loom-egress", Image: "docker-loom-egress:1", PullPolicy: types.PullPolicyNever, User: "65532:65532", ReadOnly: true,
			CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"}, Command: types.ShellCommand{"egress", "serve"},
			Environment: types.MappingWithEquals{"LOOM_EGRESS": &config}, Labels: types.Labels{"ai.iloom.forwards": label},
			Tmpfs: types.StringList{"/run:mode=0700,size=1m"}, MemLimit: 64 << 20, MemSwapLimit: 64 << 20, PidsLimit: 128,
			Restart: types.RestartPolicyOnFailure, Ipc: "private", HealthCheck: &types.HealthCheckConfig{Disable: true},
			Logging: &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m"}},
		},
		Port: 3128, Outer: "loom-egress-out", Subnets: []netip.Prefix{netip.MustParsePrefix("10.191.0.0/24")},
		Labels: map[string]string{"ai.iloom.loom": k.id, "ai.iloom.repo": "/src/$repo"},
		Isolate: func(n *types.NetworkConfig) {
			n.Internal, n.EnableIPv6 = true, &no
			delete(n.DriverOpts, "com.docker.network.bridge.gateway_mode_ipv6")
			if n.DriverOpts == nil {
				n.DriverOpts = types.Options{}
			}
			n.DriverOpts["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
		},
		Share: k.share, Tree: dir, Guarded: []string{filepath.Join(dir, ".git"), filepath.Join(dir, ".iloom")},
		Real: func(path string) string { return path },
	}
}

// What is confined must be so for plain docker compose too, for every project, and nothing of it may be left open without
// being named.
func TestEveryProjectIsConfinedInMemoryAsOnDisk(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"corpus", "traps"} {
		dir := copied(t, filepath.Join("testdata", from))
		var list []string
		if from == "traps" {
			for _, name := range traps(t, dir) {
				list = append(list, filepath.Join(dir, name))
			}
		} else {
			list = projects(t, dir)
		}
		for _, p := range list {
			vs := trapVariants(t, p)
			v := vs[len(vs)-1]
			v.confined = true
			t.Run(from+strings.TrimPrefix(v.dir, dir), func(t *testing.T) {
				t.Parallel()
				k, err := plan(t.Context(), v, "101", &host{}, mutation{}, nil)
				if err != nil {
					t.Skip(err)
				}
				for _, problem := range append(k.sameOnDisk(t.Context(), v), k.confines()...) {
					t.Error(problem)
				}
			})
		}
	}
}

// sameOnDisk is the part of survivesTheDisk that confinement can spoil.
func (k *loom) sameOnDisk(ctx context.Context, v variant) (problems []string) {
	if _, err := overrides.Write(k.files()); err != nil {
		return []string{err.Error()}
	}
	src := v.source()
	src.Files = nil
	if len(src.EnvFiles) > 0 {
		src.EnvFiles = append(src.EnvFiles, k.found.DotEnv())
	}
	disk, err := composes(ctx, src)
	if err != nil {
		return []string{"docker compose does not take it: " + err.Error()}
	}
	problems = sameHashes(k.project, disk)
	memory, onDisk := tree(k.project), tree(disk)
	for _, kind := range []string{"services", "networks", "volumes"} {
		for _, d := range differences(kind, memory[kind], onDisk[kind]) {
			problems = append(problems, "differs on disk: "+d.String())
		}
	}
	return problems
}

// confines tells which service of a confined project could leave, or publish, past the sidecar.
func (k *loom) confines() (problems []string) {
	p := k.project
	for name, s := range p.Services {
		named := slices.ContainsFunc(k.open, func(path overrides.Path) bool { return path.Service == name })
		if name == "loom-egress" {
			continue
		}
		switch {
		case s.NetworkMode == "none", strings.HasPrefix(s.NetworkMode, types.ServicePrefix):
			continue
		case s.NetworkMode != "":
			if !named {
				problems = append(problems, "service "+name+" is on "+s.NetworkMode+", which no path names")
			}
			continue
		}
		for key := range s.Networks {
			n := p.Networks[key]
			if !(n.Internal && n.DriverOpts["com.docker.network.bridge.gateway_mode_ipv4"] == "isolated") && !named {
				problems = append(problems, "service "+name+" is on network "+key+", which is open and not named")
			}
		}
		if len(s.Ports) > 0 && !named {
			problems = append(problems, "service "+name+" publishes ports itself")
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly && v.Source == k.dir &&
				!slices.ContainsFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool {
					return o.Target == strings.TrimSuffix(v.Target, "/")+"/.git" && o.ReadOnly
				}) {
				problems = append(problems, "service "+name+" can write .git below "+v.Target)
			}
		}
	}
	var was, is int
	for _, e := range k.edits {
		if u, ok := e.(overrides.Unpublish); ok && p.Services[u.Service].Name != "" {
			was += len(u.Was)
		}
	}
	is = len(p.Services["loom-egress"].Ports)
	if is < was {
		problems = append(problems, "the sidecar publishes fewer ports than the services did")
	}
	return problems
}

func confined(t *testing.T, compose string, change func(*overrides.Confinement)) (*loom, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	assert.NilError(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(compose), 0o644))
	v := variant{dir: dir, confined: true, confinement: change}
	k, err := plan(context.WithoutCancel(t.Context()), v, "7", &host{}, mutation{}, nil)
	if err == nil {
		problems := append(k.survivesTheDisk(t.Context(), v, mutation{}), k.confines()...)
		assert.Assert(t, len(problems) == 0, "%v\n%s", problems, k.override.Content)
	}
	return k, err
}
