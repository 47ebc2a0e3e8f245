package loom

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/overrides"
)

// PowersError says that the files of a loom whose work tree is not trusted ask for more of the host than was accepted.
// Nothing of it was done.
type PowersError struct {
	ID, Loom string
	Added    []string
}

// Error lists what is new.
func (e *PowersError) Error() string {
	lines := make([]string, 0, len(e.Added))
	for _, power := range e.Added {
		lines = append(lines, visible(power))
	}
	return "the files of loom " + e.Loom + " ask for more of this machine than was accepted:\n  + " + strings.Join(lines, "\n  + ")
}

// NextStep says what the user does next.
func (e *PowersError) NextStep() string {
	return fmt.Sprintf("look at what changed, then docker loom up %s --trust accepts it", e.ID)
}

// visible is text of the files for a terminal: what it would obey, and line ends, are written out. Whoever is asked must see
// what is asked.
func visible(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// distrusted tells whether others may have written what the loom's work tree says: a pull request's author, or an agent.
func distrusted(k *registry.Loom) bool {
	return k.Untrusted || k.Sandboxed || strings.HasPrefix(k.ID, "pr/")
}

// judge compares what the files ask of the host with what was accepted before. A loom that is its user's own may ask for
// anything; one whose work tree others write may ask for no more than the last time, and the first time for no more
// than the trusted looms of its repository. It returns what is new.
func judge(entry *registry.Loom, looms []*registry.Loom, powers []string) []string {
	if !distrusted(entry) {
		return nil
	}
	var accepted []string
	if entry.Accepted != nil {
		accepted = entry.Accepted.Powers
	} else {
		for _, k := range looms {
			if k.Repository == entry.Repository && !distrusted(k) && k.Accepted != nil {
				accepted = append(accepted, k.Accepted.Powers...)
			}
		}
	}
	var added []string
	for _, power := range powers {
		if !slices.Contains(accepted, power) && counts(entry, power) {
			added = append(added, power)
		}
	}
	return added
}

// Powers that are recorded for every loom, and count for some only.
const (
	// A variable is the user's where the user has set it.
	readsVariable = "the files read your variable "
	// What a service mounts of the work tree, the agent in it can put a link in the place of: the engine follows that the
	// next time the service starts. What was there before the agent is kept from it (see [Looms.confine]).
	mountsOfTree = "a service mounts, of the work tree, "
	writesGit    = "a service writes to the repository's git folder "
	// Whom a port is published to is nothing new from a pull request; an agent may not let others in.
	letsIn = "others reach, on every address of this machine, "
)

func counts(entry *registry.Loom, power string) bool {
	if name, ok := strings.CutPrefix(power, readsVariable); ok {
		_, set := os.LookupEnv(name)
		return set
	}
	return entry.Sandboxed || !strings.HasPrefix(power, mountsOfTree) && !strings.HasPrefix(power, writesGit) && !strings.HasPrefix(power, letsIn)
}

// grounds are the folders whose content is the loom's: its work tree, the project's folder where that is another, and the
// repository's git folder.
type grounds struct{ tree, project, git string }

func (g grounds) has(path string) bool {
	return slices.ContainsFunc([]string{g.tree, g.project, g.git}, func(dir string) bool { return dir != "" && below(path, dir) })
}

// powers lists what the project asks of the host beyond containers, networks and volumes of its own, one line each,
// sorted. real follows the links of a path: one in the work tree may lead anywhere. reads are the variables that the files
// use.
func powers(p *types.Project, real func(string) string, own grounds, reads map[string]bool) []string {
	set := map[string]bool{}
	note := func(format string, args ...any) { set[fmt.Sprintf(format, args...)] = true }
	outside := func(path string) bool { return path != "" && filepath.IsAbs(path) && !own.has(real(path)) }
	variable := func(name string) {
		if !slices.Contains(everybodys, name) && !strings.HasPrefix(name, "ILOOM_") && !strings.HasPrefix(name, "COMPOSE_") {
			note("%s%s", readsVariable, name)
		}
	}
	for name := range reads {
		variable(name)
	}
	for name, s := range p.AllServices() {
		servicePowers(func(format string, args ...any) { note("service "+name+" "+format, args...) }, outside, s)
		passed := []types.MappingWithEquals{s.Environment}
		if s.Build != nil {
			passed = append(passed, s.Build.Args)
		}
		for _, list := range passed {
			for key, value := range list {
				if value == nil {
					variable(key)
				}
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !outside(v.Source) {
				own.powers(note, real(v.Source), v.ReadOnly)
			}
			device := p.Volumes[v.Source].DriverOpts["device"]
			if v.Type == types.VolumeTypeVolume && v.Volume != nil && v.Volume.Subpath != "" && filepath.IsAbs(device) && !outside(device) {
				own.powers(note, real(filepath.Join(device, v.Volume.Subpath)), v.ReadOnly)
			}
		}
	}
	for key, v := range p.Volumes {
		if bool(v.External) || v.Name != "" && v.Name != p.Name+"_"+key {
			note("volume %s is %s, which is not the loom's", key, v.Name)
		}
		// The engine takes a relative path from its own folder, which is the root.
		if device, kind := v.DriverOpts["device"], v.DriverOpts["type"]; device != "" && kind != "tmpfs" && (outside(device) || !filepath.IsAbs(device)) {
			note("volume %s keeps its data in %s", key, device)
		} else if filepath.IsAbs(device) {
			own.powers(note, real(device), false)
		}
		if kind := v.DriverOpts["type"]; kind != "" && !slices.Contains([]string{"none", "bind", "tmpfs", "nfs"}, kind) {
			note("volume %s is a file system of type %s: %s", key, kind, v.DriverOpts["o"])
		}
		if v.Driver != "" && v.Driver != "local" {
			note("volume %s has the driver %s", key, v.Driver)
		}
	}
	for key, n := range p.Networks {
		if bool(n.External) || n.Name != "" && n.Name != p.Name+"_"+key {
			note("network %s is %s, which is not the loom's", key, n.Name)
		}
		if n.Driver != "" && n.Driver != "bridge" {
			note("network %s has the driver %s", key, n.Driver)
		}
		// A bridge that is there already brings along who else is on it: virtual machines, the local network.
		if name := n.DriverOpts["com.docker.network.bridge.name"]; name != "" {
			note("network %s is on the bridge %s", key, name)
		}
	}
	objects := func(name string, o types.FileObjectConfig) {
		objectPowers(note, outside, name, o)
		if o.File != "" && !outside(o.File) {
			own.powers(note, real(o.File), true)
		}
	}
	for key, s := range p.Secrets {
		objects("secret "+key, types.FileObjectConfig(s))
	}
	for key, c := range p.Configs {
		objects("config "+key, types.FileObjectConfig(c))
	}
	return slices.Sorted(maps.Keys(set))
}

// everybodys are variables that say nothing that is worth keeping.
var everybodys = []string{"HOME", "USER", "LOGNAME", "UID", "GID", "PWD", "SHELL", "LANG", "TERM", "HOSTNAME"}

// powers notes what a bind of a path in the loom's own folders gives away.
func (g grounds) powers(note func(string, ...any), path string, readOnly bool) {
	for _, guarded := range []string{".git", ".iloom"} {
		if readOnly && path == filepath.Join(g.tree, guarded) {
			return
		}
	}
	switch {
	case g.git != "" && below(path, g.git):
		if !readOnly {
			note("%s%s", writesGit, path)
		}
	case path != g.tree && below(path, g.tree):
		rel, err := filepath.Rel(g.tree, path)
		if err == nil {
			note("%s%s", mountsOfTree, rel)
		}
	}
}

func objectPowers(note func(string, ...any), outside func(string) bool, name string, o types.FileObjectConfig) {
	if outside(o.File) {
		note("%s reads %s", name, o.File)
	}
	if o.Environment != "" {
		note("%s reads the variable %s", name, o.Environment)
	}
}

func servicePowers(note func(string, ...any), outside func(string) bool, s types.ServiceConfig) {
	if s.Privileged {
		note("is privileged")
	}
	for _, c := range s.CapAdd {
		note("has the capability %s", strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	for _, o := range s.SecurityOpt {
		if opt := strings.ReplaceAll(o, "=", ":"); opt != "no-new-privileges:true" && opt != "no-new-privileges" {
			note("has the security option %s", o)
		}
	}
	for _, d := range s.Devices {
		note("has the device %s", d.Source)
	}
	for _, rule := range s.DeviceCgroupRules {
		note("has the device rule %s", rule)
	}
	if len(s.Gpus) > 0 || s.Deploy != nil && s.Deploy.Resources.Reservations != nil && len(s.Deploy.Resources.Reservations.Devices) > 0 {
		note("has devices such as GPUs")
	}
	for _, ns := range []struct{ kind, mode string }{
		{"network", s.NetworkMode}, {"pid", s.Pid}, {"ipc", s.Ipc}, {"uts", s.Uts}, {"user", s.UserNSMode}, {"cgroup", s.Cgroup},
	} {
		if ns.mode == "host" || strings.HasPrefix(ns.mode, types.ContainerPrefix) {
			note("joins the %s namespace %s", ns.kind, ns.mode)
		}
	}
	switch mode := s.NetworkMode; {
	case mode == "", mode == "none", mode == "host", strings.HasPrefix(mode, types.ServicePrefix), strings.HasPrefix(mode, types.ContainerPrefix):
	default:
		// The engine takes the name of any network there: its own bridge, or another loom's.
		note("is on the engine's network %s", mode)
	}
	if s.UseAPISocket {
		note("has the Docker socket")
	}
	if s.Runtime != "" {
		note("has the runtime %s", s.Runtime)
	}
	if s.CgroupParent != "" {
		note("has the control group %s", s.CgroupParent)
	}
	if l := s.Logging; l != nil && !slices.Contains([]string{"", "json-file", "local", "none"}, l.Driver) {
		note("sends its log by the driver %s, from this machine", l.Driver)
	}
	for _, hook := range slices.Concat(s.PostStart, s.PreStop) {
		if hook.Privileged {
			note("runs a privileged hook")
		}
	}
	for _, path := range s.LabelFiles {
		if outside(path) {
			note("reads %s", path)
		}
	}
	for name := range s.Models {
		note("has the model %s, which a program on this machine runs", name)
	}
	if s.OomKillDisable || s.OomScoreAdj < 0 {
		note("is spared where memory runs out")
	}
	if s.Provider != nil {
		note("is provided by the program %s on this machine", s.Provider.Type)
	}
	for _, v := range s.Volumes {
		switch {
		case v.Type == types.VolumeTypeNamedPipe, strings.HasSuffix(v.Source, "docker.sock"):
			note("has the socket %s", v.Source)
		case v.Type == types.VolumeTypeBind && outside(v.Source):
			mode := "writes to"
			if v.ReadOnly {
				mode = "reads"
			}
			note("%s %s", mode, v.Source)
		}
	}
	for _, from := range s.VolumesFrom {
		if strings.HasPrefix(from, types.ContainerPrefix) {
			note("has the volumes of %s", from)
		}
	}
	for _, e := range s.EnvFiles {
		if outside(e.Path) {
			note("reads %s", e.Path)
		}
	}
	if s.Build != nil {
		buildPowers(note, outside, s.Build)
	}
}

func buildPowers(note func(string, ...any), outside func(string) bool, b *types.BuildConfig) {
	dockerfile := b.Dockerfile
	if dockerfile != "" && !filepath.IsAbs(dockerfile) && filepath.IsAbs(b.Context) {
		dockerfile = filepath.Join(b.Context, dockerfile)
	}
	for _, dir := range append([]string{b.Context, dockerfile}, slices.Sorted(maps.Values(b.AdditionalContexts))...) {
		if outside(dir) {
			note("is built with %s", dir)
		}
	}
	for _, key := range b.SSH {
		note("is built with the SSH agent or key %s", cmp.Or(key.Path, key.ID))
	}
	for _, cache := range slices.Concat(b.CacheFrom, b.CacheTo) {
		for field := range strings.SplitSeq(cache, ",") {
			if key, path, _ := strings.Cut(field, "="); (key == "dest" || key == "src") && (outside(path) || !filepath.IsAbs(path)) {
				note("keeps its build's cache in %s", path)
			}
		}
	}
	if b.Privileged || len(b.Entitlements) > 0 {
		note("is built with privileges %s", strings.Join(b.Entitlements, " "))
	}
	if b.Network == "host" {
		note("is built in the host's network")
	}
}

// followed is the path with its links followed as far as it exists.
func followed(path string) string {
	rest := ""
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if to, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(to, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// accept stops where the files of a loom that others write ask for more of the host than was accepted, and records what is
// accepted from now on. It comes before anything that the files say is done.
func (l *Looms) accept(ctx context.Context, p *Plan, o Options) error {
	if o.DryRun {
		added, err := l.added(ctx, &p.Entry, p.powers)
		if len(added) > 0 {
			p.Findings = append(p.Findings, finding.Finding{Level: finding.Error, Subject: "loom " + p.ID, Message: "asks for more of this machine than was accepted: " + strings.Join(added, "; "), Remedy: "--trust accepts it"})
		}
		return err
	}
	if err := l.permit(ctx, &p.Entry, p.powers, o.Trust); err != nil {
		return err
	}
	now, err := p.accepted()
	if err != nil {
		return err
	}
	if have := p.Entry.Accepted; have != nil && have.Hash == now.Hash && slices.Equal(have.Powers, now.Powers) {
		return nil
	}
	if err := l.loosen(ctx, p, now); err != nil {
		return err
	}
	p.Entry.Accepted = now
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.Find(p.Repository, p.ID); k != nil {
			k.Accepted, k.DevContainer = now, p.Entry.DevContainer
		}
		return nil
	})
}

// loosen stops the loom's sandboxes where services mount more of the work tree than they were made to hold: what runs in
// them could put a link in its place. The next agent command makes them anew.
func (l *Looms) loosen(ctx context.Context, p *Plan, now *registry.Accepted) error {
	have := p.Entry.Accepted
	more := slices.ContainsFunc(now.Powers, func(power string) bool {
		return strings.HasPrefix(power, mountsOfTree) && (have == nil || !slices.Contains(have.Powers, power))
	})
	if !p.Entry.Sandboxed || !more {
		return nil
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: p.Entry.Project, Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		return err
	}
	for _, c := range own {
		name := c.Labels[sandbox.LabelAgent]
		if !isRunning(c) || c.Service != sandbox.ServiceName(name) {
			continue
		}
		l.Teller.Sayf("agent %s of loom %s is stopped: it could replace what services mount of the work tree now", name, p.ID)
		if err := l.Engine.Stop(ctx, c.ID, 0); err != nil {
			return err
		}
	}
	return nil
}

// permit stops, or asks, where powers are new to a loom whose work tree others write. What the user has just accepted is
// not asked about again.
func (l *Looms) permit(ctx context.Context, entry *registry.Loom, powers []string, trust bool) error {
	added, err := l.added(ctx, entry, powers)
	if err != nil || len(added) == 0 || trust {
		return err
	}
	added = slices.DeleteFunc(added, func(power string) bool { return slices.Contains(l.permitted, power) })
	if len(added) == 0 {
		return nil
	}
	e := &PowersError{ID: entry.ID, Loom: entry.Name(), Added: added}
	if err := l.Teller.Ask(e.Error() + "\naccept it"); errors.Is(err, tell.ErrNobody) {
		return e
	} else if err != nil {
		return err
	}
	l.permitted = append(l.permitted, added...)
	return nil
}

// userOfURL is the user and password of a reference.
var userOfURL = regexp.MustCompile(`//[^/@]*@`)

// mayFetch refuses to fetch what the files of a loom that others write include from another machine, unless that was
// accepted: the reference can have any variable of the user's in it, and is used before the project is known.
func (l *Looms) mayFetch(ctx context.Context, t *Target, f *facts, o Options, reference string) error {
	power := "the files include " + userOfURL.ReplaceAllString(reference, "//")
	f.fetched = append(f.fetched, power)
	entry := &registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		entry = copyOf(t.Known)
	}
	entry.WorkTree = t.WorkTree
	entry.Untrusted = entry.Untrusted || pullRequest.MatchString(t.ID)
	l.inherit(entry, f.state)
	if !o.DryRun {
		return l.permit(ctx, entry, []string{power}, o.Trust)
	}
	if added := judge(entry, f.state.Looms, []string{power}); len(added) > 0 && !o.Trust {
		return &PowersError{ID: entry.ID, Loom: entry.Name(), Added: added}
	}
	return nil
}

func (l *Looms) added(ctx context.Context, entry *registry.Loom, powers []string) ([]string, error) {
	if !distrusted(entry) {
		return nil, nil
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	return judge(entry, state.Looms, powers), nil
}

// accepted is what the plan obeys.
func (p *Plan) accepted() (*registry.Accepted, error) {
	project, err := p.Project.MarshalJSON()
	if err != nil {
		return nil, err
	}
	parts := [][]byte{project}
	for _, path := range p.obeyed {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		parts = append(parts, text)
	}
	return &registry.Accepted{Hash: digest(parts...), Powers: p.powers}, nil
}

// below tells whether the path is the folder or in it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// digest is a hash over what a loom obeys.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d\x00", len(part))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// runsOnHost is the power of a command that runs on the host.
func runsOnHost(c devcontainer.Command) string {
	text, err := json.Marshal(c)
	if err != nil {
		return "initializeCommand runs on this machine"
	}
	return "initializeCommand runs on this machine: " + string(text)
}

// asked is the project with what its files ask for: without the mounts that confinement adds.
func (p *Plan) asked() *types.Project {
	project := *p.Project
	project.Services = maps.Clone(p.Project.Services)
	for _, e := range p.Edits {
		guard, ok := e.(overrides.Guard)
		s, there := project.Services[guard.Service]
		if !ok || !there {
			continue
		}
		s.Volumes = slices.DeleteFunc(slices.Clone(s.Volumes), func(v types.ServiceVolumeConfig) bool {
			return slices.ContainsFunc(guard.Added, func(o types.ServiceVolumeConfig) bool { return o.Target == v.Target })
		})
		project.Services[guard.Service] = s
	}
	delete(project.Services, egressService)
	return &project
}

// morePowers are those that the project alone does not tell: of its ports, of names and labels that docker loom goes by, of
// the devcontainer.json, and of the agents' policy where the work tree is where that is read from.
func (p *Plan) morePowers() ([]string, error) {
	list := append(claims(p.asked()), p.namesakes...)
	forwards := engine.ParseForwards(p.Project.Services[egressService].Labels[engine.LabelForwards])
	for name, s := range p.Project.AllServices() {
		list = append(list, exposed(name, s, forwards)...)
	}
	if p.dev != nil {
		for _, name := range slices.Sorted(maps.Keys(p.dev.took)) {
			list = append(list, readsVariable+name)
		}
	}
	policy, err := policyPowers(p.Target)
	return append(list, policy...), err
}

// claims are names and labels of the files that are docker loom's own: a container with them could be taken for a sandbox.
func claims(project *types.Project) []string {
	var list []string
	for name, s := range project.AllServices() {
		if name == egressService || name == sandbox.ServiceName("") || strings.HasPrefix(name, sandbox.ServiceName("")+"-") {
			list = append(list, "service "+name+" has a name of docker loom's own")
		}
		for key := range s.Labels {
			if strings.HasPrefix(key, "ai.iloom.") && !slices.Contains([]string{engine.LabelLoom, engine.LabelRepo, labelBuild}, key) {
				list = append(list, "service "+name+" has the label "+key+", which is docker loom's own")
			}
		}
	}
	return list
}

// namesakes are networks and volumes of the files that have names of docker loom's own: who is on the sidecar's outer network is
// outside, and a sandbox's home has its credentials in it.
func namesakes(files *types.Project) []string {
	var list []string
	if _, there := files.Services[egressService]; there {
		list = append(list, "service "+egressService+" has a name of docker loom's own")
	}
	for key := range files.Networks {
		if key == egressOuter || isSandboxKey(key) {
			list = append(list, "network "+key+" has a name of docker loom's own")
		}
	}
	for key := range files.Volumes {
		if isSandboxKey(key) {
			list = append(list, "volume "+key+" has a name of docker loom's own")
		}
	}
	return list
}

// exposed are the ports of a service that are published to more than this machine.
func exposed(name string, s types.ServiceConfig, forwards []engine.Forward) []string {
	var list []string
	for _, port := range s.Ports {
		if ip, err := netip.ParseAddr(port.HostIP); err == nil && ip.IsLoopback() {
			continue
		}
		service, target := name, int(port.Target)
		for _, f := range forwards {
			if name == egressService && f.Listen == target && f.Protocol == port.Protocol {
				service, target = f.Service, f.Target
			}
		}
		list = append(list, fmt.Sprintf("%sport %d/%s of service %s", letsIn, target, port.Protocol, service))
	}
	return list
}
