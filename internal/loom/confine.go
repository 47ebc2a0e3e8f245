package loom

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/overrides"
)

// Names of what a confined loom has beside the files: the sidecar's service, and the network that only it is on.
const (
	egressService = "loom-egress"
	egressOuter   = "loom-egress-out"
)

// confined is how the loom's services are confined, nil where they are not. main has no override that could do it.
func (p *Plan) confined() *registry.Confined {
	if p.ID == Main {
		return nil
	}
	return p.Entry.Confined
}

// setConfined notes how the loom's services are confined from now on; nil lifts it. The next up, from these files or from
// memory, brings it about.
func (l *Looms) setConfined(ctx context.Context, t *Target, c *registry.Confined) error {
	if t.Known != nil {
		t.Known.Confined = c
	}
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.Find(t.Repository, t.ID); k != nil {
			k.Confined = c
		}
		return nil
	})
}

// renewSidecar makes sure that the sidecar's image is there, and is of this binary.
func (l *Looms) renewSidecar(ctx context.Context, p *Plan, o Options) error {
	was := p.confined()
	if was == nil {
		return nil
	}
	c := *was
	ref, err := l.egressRef()
	if !o.DryRun {
		ref, err = l.egressImage(ctx)
	}
	if err != nil && !o.DryRun {
		return err
	}
	if err == nil {
		c.Image = ref
	}
	p.Entry.Confined = &c
	return nil
}

// outerNetwork is the network of the sidecar's that wants a subnet, nil where there is none.
func (p *Plan) outerNetwork() []overrides.Network {
	if p.confined() == nil {
		return nil
	}
	return []overrides.Network{{Key: egressOuter, Pools: []overrides.Pool{{Bits: 24}}}}
}

// confine puts the isolated project's services on internal networks, if the loom is to be so.
func (l *Looms) confine(f *facts, p *Plan, project *types.Project) error {
	c := p.confined()
	if c == nil {
		return nil
	}
	share := f.settings.Container.Share
	forwards := overrides.Forwards(project, share)
	machine, err := engine.HostAddresses()
	if err != nil {
		return err
	}
	s := sidecar(project, c, forwards, prefixes(p.Entry.Subnets), overrides.Confined(project, share), machine)
	guarded, err := p.guarded()
	if err != nil {
		return err
	}
	in := overrides.Confinement{
		Sidecar: s, Port: egress.Port, Outer: egressOuter, Subnets: prefixes(p.Entry.Subnets)[egressOuter],
		Labels:  map[string]string{engine.LabelLoom: p.ID, engine.LabelRepo: p.Repository},
		Isolate: func(n *types.NetworkConfig) { sandbox.Isolate(n, sandbox.Gateway(l.Engine.IsolatedGateway())) },
		Share:   share, Tree: followed(p.WorkTree), Common: followed(commonDir(p.Target)), Guarded: guarded,
		Proxies: proxies(project), Real: followed,
	}
	if commonDir(p.Target) == "" {
		in.Common = ""
	}
	if p.dev != nil {
		in.Dev = p.dev.service
	}
	edits, findings, paths := overrides.Confine(project, in)
	p.Edits, p.Findings, p.open = append(p.Edits, edits...), append(p.Findings, findings...), paths
	for _, path := range paths {
		p.Findings = append(p.Findings, finding.Finding{Level: finding.Warning, Subject: "service " + path.Service, Message: path.What + ": this stays open while the services are confined"})
	}
	overrides.Apply(project, edits)
	return nil
}

// sidecar is the service through which the others leave and are reached.
func sidecar(project *types.Project, c *registry.Confined, forwards []overrides.Forward, subnets map[string][]netip.Prefix, closed []string, machine []netip.Addr) types.ServiceConfig {
	cfg := egress.Config{Mode: egress.Mode(c.Mode), Allow: c.Allow, Services: project.ServiceNames(), Hint: "docker loom agent allow", Closed: egress.Closed(machine)}
	for _, key := range closed {
		for _, prefix := range subnets[key] {
			if prefix.Addr().Is4() {
				cfg.Clients = append(cfg.Clients, prefix)
			}
		}
	}
	var label []engine.Forward
	for _, f := range forwards {
		label = append(label, engine.Forward{Listen: f.Listen, Protocol: f.Protocol, Service: f.Service, Target: f.Target})
		cfg.Forwards = append(cfg.Forwards, egress.Forward{Listen: f.Listen, Protocol: f.Protocol, Target: f.Service + ":" + strconv.Itoa(f.Target)})
	}
	s := sandbox.Sidecar(egressService, c.Image, cfg)
	if len(label) > 0 {
		s.Labels = types.Labels{engine.LabelForwards: engine.FormatForwards(label)}
	}
	for _, other := range project.Services {
		if other.Restart == types.RestartPolicyAlways || other.Restart == types.RestartPolicyUnlessStopped {
			// What comes back with the engine needs its way out and its ports.
			s.Restart = types.RestartPolicyUnlessStopped
		}
	}
	return s
}

// guarded are the paths of the work tree that make the host do something: the settings, git's own, those of submodules, and
// other work trees.
func (p *Plan) guarded() ([]string, error) {
	tree := followed(p.WorkTree)
	paths := []string{filepath.Join(tree, settingsFolder)}
	if p.Git == nil || p.Git.WorkTree == "" {
		return paths, nil
	}
	if p.Git.WorkTree != p.WorkTree {
		// The project is in a folder of the work tree.
		tree = followed(p.Git.WorkTree)
	}
	git, _, err := gitview.Read(tree, followed(p.Git.CommonDir), followed(p.Git.GitDir))
	if err != nil {
		return nil, err
	}
	paths = append(paths, filepath.Join(tree, ".git"))
	for _, dir := range git.Submodules {
		paths = append(paths, filepath.Join(dir, ".git"))
	}
	return append(paths, git.Trees...), nil
}

// settingsFolder is the folder of the work tree that settings and generated files are in.
const settingsFolder = ".iloom"

var setsProxy = regexp.MustCompile(`(?mi)^\s*(?:export\s+)?((?:http|https|no|all)_proxy)\s*=`)

// proxies are the proxy variables that services take from their env files.
func proxies(project *types.Project) map[string][]string {
	set := map[string][]string{}
	for name, s := range project.AllServices() {
		for _, file := range s.EnvFiles {
			text, err := os.ReadFile(file.Path)
			if err != nil {
				continue
			}
			for _, m := range setsProxy.FindAllStringSubmatch(string(text), -1) {
				set[name] = append(set[name], m[1])
			}
		}
	}
	return set
}

// ways are what an agent gets by way of a service, beside the way out: the host, and what the host obeys.
func (p *Plan) ways(name string) []string {
	s := p.Project.Services[name]
	var list []string
	if p.confined() == nil {
		if s.NetworkMode == "host" {
			list = append(list, "is in the host's network")
		}
		list = append(list, overrides.Ways(s, p.outside)...)
	}
	for _, path := range p.open {
		if path.Service == name {
			list = append(list, path.What)
		}
	}
	for _, path := range p.writesGuarded(name) {
		list = append(list, "writes to "+path)
	}
	return list
}

// outside tells whether a path of the host is neither in the work tree nor in the repository's git folder.
func (p *Plan) outside(path string) bool {
	path = followed(path)
	common := commonDir(p.Target)
	return !below(path, followed(p.WorkTree)) && (common == "" || !below(path, followed(common)))
}

// leaves tells whether a service reaches the outside or this machine without the sidecar.
func (p *Plan) leaves(name string) bool {
	mode := p.Project.Services[name].NetworkMode
	if joined, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
		return p.leaves(joined)
	}
	if p.confined() == nil {
		return mode != "none"
	}
	return slices.ContainsFunc(p.open, func(path overrides.Path) bool { return path.Service == name && path.Network })
}

// writesGuarded are those of git's folders and the settings that a service can write: what is in them makes this machine do
// something.
func (p *Plan) writesGuarded(name string) []string {
	s := p.Project.Services[name]
	tree := followed(p.WorkTree)
	var list []string
	guarded := []string{filepath.Join(tree, ".git"), filepath.Join(tree, settingsFolder)}
	if common := commonDir(p.Target); common != "" {
		guarded = append(guarded, followed(common))
	}
	for _, path := range guarded {
		if _, err := os.Lstat(path); err != nil || slices.Contains(list, path) {
			continue
		}
		for _, v := range s.Volumes {
			rel, err := filepath.Rel(followed(v.Source), path)
			if v.Type != types.VolumeTypeBind || v.ReadOnly || err != nil || !filepath.IsLocal(rel) && rel != "." {
				continue
			}
			target := filepath.Join(v.Target, rel)
			covered := slices.ContainsFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool { return filepath.Clean(o.Target) == target && o.ReadOnly })
			if !covered {
				list = append(list, path)
				break
			}
		}
	}
	return list
}

// makeRoom makes the folder that services get read-only, so that no service, and no engine, makes it.
func (p *Plan) makeRoom() error {
	if p.confined() == nil {
		return nil
	}
	return gitview.PrepareSettingsFolder(followed(p.WorkTree))
}

// dropSidecar removes what a confined loom had and this plan has no more, so that the services can publish their ports
// again.
func (l *Looms) dropSidecar(ctx context.Context, p *Plan) error {
	if _, wanted := p.Project.Services[egressService]; wanted || p.ID == Main {
		return nil
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: p.Entry.Project})
	if err != nil {
		return err
	}
	var ids []string
	for _, c := range own {
		if c.Service == egressService && c.Labels[engine.LabelLoom] == p.ID {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return l.Engine.RemoveContainers(ctx, ids, true)
}

// held are the files and folders of the work tree that services mount, of those that there are. Links lead somewhere else
// each time one looks, so that none is held.
func (p *Plan) held() []string {
	tree := followed(p.WorkTree)
	return slices.DeleteFunc(overrides.Held(p.Project, tree, followed), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil || slices.Contains(strings.Split(path[len(tree):], string(filepath.Separator)), ".git")
	})
}
