package overrides_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// host stands in for the registry and the engine: what looms were promised so far.
type host struct {
	ports   ports.Index
	subnets []netip.Prefix
}

var pools = []netip.Prefix{
	netip.MustParsePrefix("10.176.0.0/12"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("fd69:6c6f:6f6d::/48"),
}

// variant is a project and the way in which it is asked for.
type variant struct {
	dir, sub string
	profiles []string
	envFiles []string
	files    []string
	settings map[string]int // container.ports
	share    []string
	isolate  []string
	rewrite  bool // container.rewriteLocalhost

	confined    bool
	confinement func(*overrides.Confinement) // changes it, if it is not nil
}

// loom is one loom of a variant as the package loom plans it, before anything is written.
type loom struct {
	id       string
	share    []string
	rewrite  bool
	found    *stack.Found
	base     *stack.Model // as the files say it
	moved    *stack.Model // with the variables of the block set, before the edits
	edits    []overrides.Edit
	findings []finding.Finding
	leases   []ports.Lease
	bases    map[string]string // of the variables that follow, as the registry keeps them
	subnets  map[string][]netip.Prefix
	env      []overrides.Var
	dotEnv   []byte // .env as it must be
	override overrides.File
	model    *stack.Model   // with the edits applied
	project  *types.Project // finished
	open     []overrides.OpenPath
	forwards []overrides.Forward
	held     []string
	dir      string
}

func (v variant) source() stack.Source {
	abs := func(list []string) []string {
		var out []string
		for _, p := range list {
			out = append(out, filepath.Join(v.dir, p))
		}
		return out
	}
	return stack.Source{Dir: filepath.Join(v.dir, v.sub), Top: v.dir, Profiles: v.profiles, EnvFiles: abs(v.envFiles), Files: abs(v.files), Environ: os.Environ()}
}

var ours = stack.Ours{
	Cut:      overrides.Cut,
	Override: overrides.Generated,
	Variable: func(name, value string, process bool) (string, bool) {
		return value, process && (strings.HasPrefix(name, overrides.PortPrefix) || name == "ILOOM_LOOM")
	},
}

// plan does what the package loom does between finding a project and writing its files. known is the loom as it was
// planned before, whose leases it keeps; a mutation spoils it.
func plan(ctx context.Context, v variant, id string, h *host, m mutation, known *loom) (*loom, error) {
	k := &loom{id: id, share: v.share, rewrite: v.rewrite, dir: v.dir}
	var err error
	if k.found, err = stack.Find(v.source(), ours); err != nil {
		return nil, err
	}
	env, _ := os.ReadFile(k.found.DotEnv())
	name := "iloom-" + stack.DefaultName(k.found.Dir) + "-" + id
	settings := map[string]string{"ILOOM_LOOM": id}
	for n, base := range v.settings {
		settings[overrides.PortPrefix+n] = fmt.Sprint(base)
	}
	if k.base, err = new(stack.Stack).Load(ctx, k.found, name, settings); err != nil {
		return nil, err
	}
	if known != nil && k.base.Includes {
		// An included file of the same folder reads the block from the disk: only the environment is stronger.
		for variable, base := range known.bases {
			if _, set := k.found.Env[variable]; !set && settings[variable] == "" {
				settings[variable] = base
			}
		}
		if k.base, err = new(stack.Stack).Load(ctx, k.found, name, settings); err != nil {
			return nil, err
		}
	}
	in := overrides.Input{
		Labels: map[string]string{"ai.iloom.loom": id, "ai.iloom.repo": "/src/$repo"},
		Base:   k.found.BaseName(), Share: v.share, Isolate: v.isolate, Dir: v.dir, RewriteLocalhost: v.rewrite,
		Ports: map[string][]types.ServicePortConfig{}, Subnets: map[string][]netip.Prefix{},
		From: map[string][]string{}, NamedContexts: true,
	}
	for service, s := range k.base.Project.AllServices() {
		in.Ports[service] = s.Ports
		in.From[service] = stack.From(stack.Anywhere, s)
	}
	if known != nil {
		k.leases, in.Subnets = known.leases, known.subnets
	} else if err := k.lease(h, &in); err != nil {
		return nil, err
	}
	k.subnets, in.Leases = in.Subnets, k.leases

	follow := k.follows(m)
	named := overrides.PortVars(k.base.Project, k.leases, func(service string, p types.ServicePortConfig) (names []string) {
		for _, x := range k.base.Variables {
			if follow[x.Name] && x.Gives(service, p) {
				names = append(names, x.Name)
			}
		}
		return names
	})
	k.bases = map[string]string{}
	for _, x := range k.base.Variables {
		if follow[x.Name] {
			k.bases[x.Name] = x.Published
		}
	}
	vars := map[string]string{"ILOOM_LOOM": id}
	for _, x := range named {
		vars[x.Name] = x.Value
	}
	// The package loom edits what it loaded; here the base is kept to compare with.
	k.moved = k.base
	if len(k.base.Uses) > 0 || len(k.base.Variables) > 0 {
		if k.moved, err = new(stack.Stack).Load(ctx, k.found, name, vars); err != nil {
			return nil, err
		}
	}
	// Where nothing but ports would change the package loom spares the second load.
	from := k.base
	if !m.loadOnce && slices.ContainsFunc(named, func(x overrides.Var) bool { return k.base.Uses[x.Name] }) {
		from = k.moved
	}
	model := *from
	if model.Project, err = from.Project.WithServicesEnabled(); err != nil {
		return nil, err
	}
	model.Project.Environment = maps.Clone(from.Project.Environment)
	k.model = &model
	if m.input != nil {
		m.input(&in)
	}
	k.edits, k.findings = overrides.Plan(k.model.Project, in)
	if m.edits != nil {
		k.edits = m.edits(k.edits)
	}
	overrides.Apply(k.model.Project, k.edits)
	if v.confined {
		in := confinement(k, v.dir)
		if v.confinement != nil {
			v.confinement(&in)
		}
		k.forwards, k.held = in.Forwards(k.model.Project), overrides.MountedPaths(k.model.Project, in.Tree, in.ResolveLinks)
		edits, findings, open := overrides.Confine(k.model.Project, in)
		overrides.Apply(k.model.Project, edits)
		k.edits, k.findings, k.open = append(k.edits, edits...), append(k.findings, findings...), open
	}

	k.env = append([]overrides.Var{{Name: "COMPOSE_PROJECT_NAME", Value: name}, {Name: "ILOOM_LOOM", Value: id}}, named...)
	if err := k.decideFiles(env, m); err != nil {
		return nil, err
	}
	block := map[string]string{}
	for _, x := range k.env {
		block[x.Name] = x.Value
	}
	if !m.ignoreBlock {
		k.model.UseBlock(block, k.dotEnv)
	}
	k.project, err = k.model.Finish(append(slices.Clone(k.found.Paths), k.override.Path), nil)
	return k, err
}

func (k *loom) lease(h *host, in *overrides.Input) error {
	offset, err := ports.Offset(k.id)
	if err != nil {
		return err
	}
	result, err := ports.Allocate(ports.Request{Ports: overrides.Ports(k.base.Project), Offset: offset, Taken: h.ports.Taken})
	if err != nil {
		return err
	}
	k.leases = result.Leases
	for _, l := range k.leases {
		h.ports.Add(k.id, l)
	}
	for _, n := range overrides.Networks(k.base.Project, *in) {
		for _, pool := range n.Pools {
			var family []netip.Prefix
			for _, p := range pools {
				if p.Addr().Is6() == pool.IPv6 {
					family = append(family, p)
				}
			}
			prefix, err := registry.Subnet(family, pool.Bits, h.subnets)
			if err != nil {
				return err
			}
			h.subnets = append(h.subnets, prefix)
			in.Subnets[n.Key] = append(in.Subnets[n.Key], prefix)
		}
	}
	return nil
}

func (k *loom) follows(m mutation) map[string]bool {
	reads := k.base.ReadsDotEnv()
	follow := map[string]bool{}
	for _, v := range k.base.Variables {
		follow[v.Name] = m.followAll || v.Ours() || v.Entangled == "" && len(reads) == 0
	}
	return follow
}

func (k *loom) decideFiles(env []byte, m mutation) error {
	name := overrides.OverrideFile
	if k.found.Chosen || len(stack.OverrideNames(k.found.Dir, ours)) > 0 {
		name = overrides.NamedFile
		var listed []string
		for _, path := range append(slices.Clone(k.found.Paths), filepath.Join(k.found.Dir, name)) {
			if rel, err := filepath.Rel(filepath.Dir(k.found.DotEnv()), path); err == nil && filepath.IsLocal(rel) {
				path = filepath.ToSlash(rel)
			}
			listed = append(listed, path)
		}
		sep := k.found.Env["COMPOSE_PATH_SEPARATOR"]
		if sep == "" {
			sep = string(os.PathListSeparator)
		}
		k.env = slices.Insert(k.env, 1, overrides.Var{Name: "COMPOSE_FILE", Value: strings.Join(listed, sep)})
	}
	text, err := overrides.Render(k.model.Project, "repo/"+k.id, k.edits)
	if err != nil {
		return err
	}
	if m.override != nil {
		text = m.override(text)
	}
	if m.block != nil {
		k.env = m.block(k.env)
	}
	k.override = overrides.File{Path: filepath.Join(k.found.Dir, filepath.FromSlash(name)), Content: text}
	k.dotEnv = overrides.Add(env, k.id, k.env)
	return nil
}

func (k *loom) files() []overrides.File {
	return []overrides.File{k.override, {Path: k.found.DotEnv(), Content: k.dotEnv}}
}

// removed are the files as down leaves them.
func (k *loom) removed() []overrides.File {
	rest := overrides.Cut(k.dotEnv)
	if len(rest) == 0 && overrides.MadeFile(k.dotEnv) {
		rest = nil
	}
	return []overrides.File{{Path: k.override.Path}, {Path: k.found.DotEnv(), Content: rest}}
}

// golden is the plan as a reader of the golden files sees it, without the folder it was made in. It has the hashes by
// which Compose decides what to recreate: if one changes, every loom that exists is recreated by its next up.
func (k *loom) golden(dir string) string {
	var b bytes.Buffer
	for _, v := range k.env {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, v.Value)
	}
	fmt.Fprintf(&b, "\n%s", k.override.Content)
	for _, f := range k.findings {
		fmt.Fprintf(&b, "\n%s", f)
	}
	if len(k.findings) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("\n# hashes\n")
	project, err := k.project.WithServicesEnabled() // a copy
	if err != nil {
		return err.Error()
	}
	replaceInStrings(reflect.ValueOf(project), dir, "DIR")
	all := hashes(project)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s: %.12s\n", name, all[name])
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

// replaceInStrings replaces a text in all strings of a value but the keys of maps.
func replaceInStrings(v reflect.Value, from, to string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			replaceInStrings(v.Elem(), from, to)
		}
	case reflect.Interface:
		if text, ok := v.Interface().(string); ok {
			v.Set(reflect.ValueOf(strings.ReplaceAll(text, from, to)))
		} else if !v.IsNil() {
			replaceInStrings(v.Elem(), from, to)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				replaceInStrings(v.Field(i), from, to)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			replaceInStrings(v.Index(i), from, to)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(key))
			replaceInStrings(element, from, to)
			v.SetMapIndex(key, element)
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(strings.ReplaceAll(v.String(), from, to))
		}
	}
}
