package overrides_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

var corpus = flag.String("corpus", "", "folder of compose projects to run the gate over, in place of testdata/corpus")

// How many looms of one project the gate plans: what goes wrong with many of them does so in the corpus too, so that
// few will do for a trap, and two for seeing that a mutation is caught.
const (
	looms       = 20
	trapLooms   = 3
	mutantLooms = 2
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The variables of whoever runs the tests must not reach the projects.
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains([]string{"HOME", "PATH", "TMPDIR", "TMP", "TEMP", "USERPROFILE", "SYSTEMROOT", "DOCKER_HOST", "DOCKER_CONFIG"}, strings.ToUpper(name)) {
			_ = os.Unsetenv(name)
		}
	}
	logrus.SetLevel(logrus.ErrorLevel)
	os.Exit(m.Run())
}

func TestEveryProjectOfTheCorpusIsIsolated(t *testing.T) {
	t.Parallel()
	from := *corpus
	if from == "" {
		from = filepath.Join("testdata", "corpus")
	}
	dir := copied(t, from)
	var outcomes strings.Builder
	for _, p := range projects(t, dir) {
		for _, v := range variants(t, p) {
			name := filepath.ToSlash(strings.TrimPrefix(v.dir, dir+string(filepath.Separator)))
			if len(v.profiles) > 0 {
				name += " --profile " + strings.Join(v.profiles, ",")
			}
			outcome := ""
			t.Run(name, func(t *testing.T) {
				result := gate(t.Context(), v, looms, mutation{})
				outcome = result.outcome
				for _, problem := range result.problems {
					t.Error(problem)
				}
			})
			fmt.Fprintf(&outcomes, "%s: %s\n", name, outcome)
		}
	}
	if *corpus == "" {
		golden.Assert(t, outcomes.String(), "corpus.golden")
	} else {
		t.Log("\n" + outcomes.String())
	}
}

// Outcomes of a project in the gate.
const (
	accepted       = "accepted"
	refused        = "refused"
	missingEnvFile = "missing env_file"
)

type result struct {
	outcome  string
	err      error
	problems []string
	first    *loom
}

// gate plans looms of a variant as they would be planned on one machine, and tells in what they are not apart, not
// stable, or not what plain docker compose makes of their files.
func gate(ctx context.Context, v variant, n int, m mutation) (r result) {
	r.outcome = accepted
	problem := func(format string, args ...any) { r.problems = append(r.problems, fmt.Sprintf(format, args...)) }
	h := &host{}
	seen := apart{names: map[string]string{}}
	for i := range n {
		k, err := plan(ctx, v, fmt.Sprint(101+i), h, m, nil)
		if err != nil {
			r.outcome, r.err = outcome(err), err
			if _, plain := composes(ctx, v.source()); plain == nil && r.outcome == refused {
				problem("refused though docker compose accepts it: %v", err)
			}
			return r
		}
		if i == 0 {
			r.first = k
		}
		for _, p := range seen.add(k) {
			problem("loom %s: %s", k.id, p)
		}
		for _, p := range append(k.keeps(), k.whole()...) {
			problem("loom %s: %s", k.id, p)
		}
		// Two of them: one more than a loom alone could get right by chance.
		if i == 0 || i == n-1 {
			for _, p := range k.survivesTheDisk(ctx, v, m) {
				problem("loom %s: %s", k.id, p)
			}
		}
	}
	return r
}

func outcome(err error) string {
	if strings.Contains(err.Error(), "env file") && strings.Contains(err.Error(), "not found") {
		return missingEnvFile
	}
	return refused
}

// apart knows what each loom has that no other may have.
type apart struct {
	names map[string]string
	ports ports.Index
}

func (a *apart) add(k *loom) (problems []string) {
	add := func(format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		if other, ok := a.names[what]; ok && other != k.id {
			problems = append(problems, fmt.Sprintf("%s is loom %s's", what, other))
		}
		a.names[what] = k.id
	}
	p := k.model.Project
	add("project %s", p.Name)
	for _, s := range p.AllServices() {
		if s.ContainerName != "" {
			add("container %s", s.ContainerName)
		}
		for _, port := range s.Ports {
			if port.Published == "" || port.Published == "0" || s.NetworkMode != "" {
				continue
			}
			first, last := 0, 0
			if n, _ := fmt.Sscanf(port.Published, "%d-%d", &first, &last); n < 2 {
				last = first
			}
			l := ports.Lease{IP: port.HostIP, Protocol: port.Protocol, Host: first, Count: last - first + 1}
			if other, taken := a.ports.Taken(l); taken && other != k.id {
				problems = append(problems, fmt.Sprintf("port %s is loom %s's", l, other))
			}
			a.ports.Add(k.id, l)
		}
		if s.Build != nil {
			add("image %s", stack.Image(s, p.Name))
			for _, tag := range s.Build.Tags {
				add("image %s", tag)
			}
		}
	}
	for key, v := range p.Volumes {
		if !k.shares(key, bool(v.External)) {
			add("volume %s", v.Name)
		}
	}
	for key, n := range p.Networks {
		if k.shares(key, bool(n.External)) {
			continue
		}
		add("network %s", n.Name)
		if n.Driver != "" && n.Driver != "bridge" {
			continue
		}
		if len(n.Ipam.Config) == 0 {
			problems = append(problems, "network "+n.Name+" has no subnet")
		}
		for _, pool := range n.Ipam.Config {
			prefix, err := netip.ParsePrefix(pool.Subnet)
			if err != nil {
				problems = append(problems, fmt.Sprintf("network %s: %v", n.Name, err))
				continue
			}
			for what, id := range a.names {
				if other, ok := strings.CutPrefix(what, "subnet "); ok && id != k.id && netip.MustParsePrefix(other).Overlaps(prefix) {
					problems = append(problems, fmt.Sprintf("subnet %s overlaps %s of loom %s", prefix, other, id))
				}
			}
			a.names["subnet "+prefix.String()] = k.id
		}
	}
	return problems
}

// keeps tells what differs between the base model and the isolated one that no edit may change.
func (k *loom) keeps() (problems []string) {
	// A variable that moves may change nothing but published ports and URLs of the host.
	for _, p := range differences("", withoutPublished(tree(k.base.Project)), withoutPublished(tree(k.moved.Project))) {
		// An ILOOM_PORT_ variable is passed through on purpose; Compose does nothing with extensions.
		if strings.Contains(p.path, ".environment."+overrides.PortPrefix) || strings.HasPrefix(p.path, "x-") {
			continue
		}
		if a, b := hostURLs(p.a), hostURLs(p.b); !reflect.DeepEqual(a, b) {
			problems = append(problems, fmt.Sprintf("a port variable changed %s", p))
		}
	}
	problems = append(problems, k.keepsEnvironments()...)
	moved, is := tree(k.moved.Project), tree(k.model.Project)
	undo(k, moved, is)
	for _, p := range differences("", moved, is) {
		if k.rewrite && reflect.DeepEqual(hostURLs(p.a), hostURLs(p.b)) && (strings.Contains(p.path, ".environment.") || strings.Contains(p.path, ".build.args.")) {
			continue
		}
		problems = append(problems, fmt.Sprintf("the edits changed %s", p))
	}
	return problems
}

// keepsEnvironments looks at what reaches containers, through env files too.
func (k *loom) keepsEnvironments() (problems []string) {
	base, err := k.base.Finish(nil, nil)
	if err != nil {
		return nil // .env may be there only with the block
	}
	for name, s := range k.project.Services {
		for key, value := range s.Environment {
			was, had := base.Services[name].Environment[key]
			if slices.ContainsFunc(k.edits, func(e overrides.Edit) bool {
				env, ok := e.(overrides.Env)
				return ok && env.Service == name && env.Key == key
			}) {
				continue // an edit's doing, which the comparison of the models looks at
			}
			switch {
			case strings.HasPrefix(key, "ILOOM_"), strings.HasPrefix(key, "COMPOSE_"):
			case !had, (value == nil) != (was == nil):
				problems = append(problems, fmt.Sprintf("the block brought %s into service %s", key, name))
			case value != nil && hostURLs(*value) != hostURLs(*was):
				problems = append(problems, fmt.Sprintf("the block changed %s of service %s: %s → %s", key, name, *was, *value))
			}
		}
	}
	return problems
}

// shares reports whether all looms have the volume or network together.
func (k *loom) shares(key string, external bool) bool {
	return external || slices.Contains(k.share, key)
}

// whole tells what an isolated project must have and has not: what is missing shares nothing with another loom and
// changes nothing of the base, so that no other check sees it.
func (k *loom) whole() (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	p, was := k.model.Project, k.moved.Project.AllServices()
	labelled := func(what string, l types.Labels) {
		if l["ai.iloom.loom"] != k.id || l["ai.iloom.repo"] != "/src/$repo" {
			problem("%s does not have the loom's labels", what)
		}
	}
	for key, n := range p.Networks {
		if !k.shares(key, bool(n.External)) {
			labelled("network "+key, n.Labels)
		} else if own := p.Name + "_" + key; n.Name == own {
			problem("network %s is to be shared, but %s is this loom's", key, own)
		}
	}
	for key, v := range p.Volumes {
		if !k.shares(key, bool(v.External)) {
			labelled("volume "+key, v.Labels)
		} else if own := p.Name + "_" + key; v.Name == own {
			problem("volume %s is to be shared, but %s is this loom's", key, own)
		}
	}
	built, names := map[string]string{}, map[string]string{}
	for name, s := range was {
		if s.ContainerName != "" {
			names[s.ContainerName] = name
		}
		if s.Build == nil {
			continue
		}
		built[k.found.BaseName()+"-"+name] = name
		for _, image := range append(slices.Clone(s.Build.Tags), s.Image) {
			built[image] = name
		}
	}
	for name, s := range p.AllServices() {
		labelled("service "+name, s.Labels)
		if old := was[name].ContainerName; old != "" {
			for key, n := range s.Networks {
				has := n != nil && slices.Contains(n.Aliases, old)
				if own := !k.shares(key, bool(p.Networks[key].External)); own != has {
					problem("service %s: %s on network %s: %v", name, old, key, has)
				}
			}
		}
		if s.Build == nil && tagOf(built, s.Image) != "" {
			problem("service %s runs %s, which is built by every loom", name, s.Image)
		}
		for _, image := range stack.From(stack.Anywhere, s) {
			if tag := tagOf(built, image); tag != "" && tag != p.Name+"-"+name && s.Build.AdditionalContexts[image] == "" {
				problem("service %s builds on %s, which is built by every loom", name, image)
			}
		}
		for _, ref := range append([]string{s.NetworkMode, s.Ipc, s.Pid}, s.VolumesFrom...) {
			container, ok := strings.CutPrefix(ref, types.ContainerPrefix)
			if container, _, _ = strings.Cut(container, ":"); ok && names[container] != "" {
				problem("service %s refers to %s, whose name is gone", name, ref)
			}
		}
		for key, n := range s.Networks {
			if n == nil {
				continue
			}
			for _, address := range []string{n.Ipv4Address, n.Ipv6Address} {
				a, err := netip.ParseAddr(address)
				if err == nil && !slices.ContainsFunc(p.Networks[key].Ipam.Config, func(pool *types.IPAMPool) bool {
					prefix, err := netip.ParsePrefix(pool.Subnet)
					return err == nil && prefix.Contains(a)
				}) {
					problem("service %s: %s is in no subnet of network %s", name, a, key)
				}
			}
		}
	}
	return problems
}

var portOfHost = regexp.MustCompile(`(?i)((?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|host\.docker\.internal):)\d*`)

func hostURLs(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return portOfHost.ReplaceAllString(s, "${1}PORT")
}

func tree(p *types.Project) map[string]any {
	text, err := p.MarshalJSON()
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return map[string]any{"error": err.Error()}
	}
	// Marshalling leaves them out.
	disabled := map[string]any{}
	for name, s := range p.DisabledServices {
		b, _ := json.Marshal(s)
		var one any
		_ = json.Unmarshal(b, &one)
		disabled[name] = one
	}
	m["disabled"] = disabled
	return m
}

func withoutPublished(m map[string]any) map[string]any {
	for _, kind := range []string{"services", "disabled"} {
		for _, s := range child(m, kind) {
			ports, _ := s.(map[string]any)["ports"].([]any)
			for _, p := range ports {
				delete(p.(map[string]any), "published")
			}
		}
	}
	return m
}

func child(m map[string]any, key string) map[string]any { c, _ := m[key].(map[string]any); return c }

// undo takes out of the isolated model what the edits may change, each only where it is exactly what was to come of it.
// moved is brought to the same form.
func undo(k *loom, moved, is map[string]any) {
	name := k.model.Project.Name
	own := map[string]string{"ai.iloom.loom": k.id, "ai.iloom.repo": "/src/$repo"}
	unlabel := func(m map[string]any) {
		l := child(m, "labels")
		for key, value := range own {
			if l[key] == value {
				delete(l, key)
			}
		}
		if len(l) == 0 {
			delete(m, "labels")
		}
	}
	images := map[string]string{}
	for service, s := range k.moved.Project.AllServices() {
		if s.Build == nil {
			continue
		}
		tag := name + "-" + service
		images[k.found.BaseName()+"-"+service] = tag
		for _, image := range append(slices.Clone(s.Build.Tags), s.Image) {
			if image != "" {
				images[image] = tag
			}
		}
	}
	containers := map[string]string{}
	for service, s := range k.moved.Project.AllServices() {
		if s.ContainerName != "" {
			containers[s.ContainerName] = service
		}
	}
	for _, kind := range []string{"services", "disabled"} {
		for service, x := range child(is, kind) {
			s, was := x.(map[string]any), child(child(moved, kind), service)
			config := k.moved.Project.AllServices()[service]
			unlabel(s)
			undoPorts(k, config, s)
			if old, ok := was["container_name"].(string); ok && s["container_name"] == nil {
				s["container_name"] = old
				for key, net := range child(s, "networks") {
					n, _ := net.(map[string]any)
					aliases, _ := n["aliases"].([]any)
					if i := slices.Index(aliases, any(old)); i >= 0 && !slices.Contains(aliasesOf(config, key), old) {
						n["aliases"] = slices.Delete(aliases, i, i+1)
					}
				}
			}
			if build := child(s, "build"); build != nil {
				restore(build, child(was, "build"), "additional_contexts")
				if was["image"] != nil && s["image"] == nil {
					s["image"] = was["image"]
				}
				if tags := child(was, "build")["tags"]; tags != nil && build["tags"] == nil {
					build["tags"] = tags
				}
			} else if image, _ := was["image"].(string); image != "" && s["image"] == tagOf(images, image) && s["pull_policy"] == "never" {
				s["image"] = image
				restore(s, was, "pull_policy")
			}
			if refersTo(config, containers) {
				for _, key := range []string{"network_mode", "ipc", "pid", "volumes_from", "external_links", "links", "depends_on"} {
					restore(s, was, key)
				}
			}
			undoAddresses(k, s, was)
			undoHosts(k, s, was)
			prune(s, was)
		}
	}
	for _, kind := range []string{"networks", "volumes"} {
		for key, x := range child(is, kind) {
			r, was := x.(map[string]any), child(child(moved, kind), key)
			unlabel(r)
			if slices.Contains(k.share, key) && r["name"] == k.found.BaseName()+"_"+key {
				restore(r, was, "name")
			}
			if r["name"] == name+"_"+key && r["external"] == nil {
				restore(r, was, "name")
				if kind == "networks" || slices.ContainsFunc(k.edits, func(e overrides.Edit) bool {
					n, ok := e.(overrides.Name)
					return ok && n.Kind == kind && n.Key == key && n.External
				}) {
					restore(r, was, "external")
				}
			}
			if kind == "networks" {
				undoPools(r, was)
			}
		}
	}
}

func aliasesOf(s types.ServiceConfig, network string) []string {
	if n := s.Networks[network]; n != nil {
		return n.Aliases
	}
	return nil
}

func tagOf(images map[string]string, image string) string {
	for _, name := range []string{image, image + ":latest", strings.TrimSuffix(image, ":latest")} {
		if tag, ok := images[name]; ok {
			return tag
		}
	}
	return ""
}

func restore(m, was map[string]any, key string) {
	if v, ok := was[key]; ok {
		m[key] = v
	} else {
		delete(m, key)
	}
}

// undoPorts puts the base ports back where an entry has exactly the lease of its own.
func undoPorts(k *loom, moved types.ServiceConfig, s map[string]any) {
	entries, _ := s["ports"].([]any)
	base := k.base.Project.AllServices()[moved.Name].Ports
	for i, x := range entries {
		if i >= len(base) {
			return
		}
		entry := x.(map[string]any)
		first, last := 0, 0
		if n, _ := fmt.Sscanf(base[i].Published, "%d-%d", &first, &last); n < 2 {
			last = first
		}
		l, ok := ports.Find(k.leases, ports.Port{Protocol: base[i].Protocol, HostIP: base[i].HostIP, Base: first, Count: last - first + 1})
		if !ok {
			continue
		}
		want := fmt.Sprint(l.Host)
		if last > first {
			want += fmt.Sprintf("-%d", l.Host+last-first)
		}
		if entry["published"] == want {
			entry["published"] = moved.Ports[i].Published
		}
	}
}

// hostPart is an address without its network.
func hostPart(address string, bits int) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	b := a.AsSlice()
	for i := range bits {
		b[i/8] &^= 1 << (7 - i%8)
	}
	return string(b)
}

func undoAddresses(k *loom, s, was map[string]any) {
	for key, x := range child(s, "networks") {
		n, _ := x.(map[string]any)
		old := child(child(was, "networks"), key)
		for _, name := range []string{"ipv4_address", "ipv6_address"} {
			is, _ := n[name].(string)
			before, _ := old[name].(string)
			for i, pool := range k.moved.Project.Networks[key].Ipam.Config {
				from, err := netip.ParsePrefix(pool.Subnet)
				addr, err2 := netip.ParseAddr(before)
				if err != nil || err2 != nil || !from.Contains(addr) {
					continue
				}
				to := netip.MustParsePrefix(k.model.Project.Networks[key].Ipam.Config[i].Subnet)
				if now, err := netip.ParseAddr(is); err == nil && to.Contains(now) && hostPart(is, to.Bits()) == hostPart(before, to.Bits()) {
					n[name] = before
				}
			}
		}
	}
}

var address = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// undoHosts takes back the addresses in what a service knows others by, where they followed their subnet and kept their
// host part.
func undoHosts(k *loom, s, was map[string]any) {
	follow := func(ip string) string {
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return ip
		}
		for key, n := range k.moved.Project.Networks {
			for i, pool := range n.Ipam.Config {
				from, err := netip.ParsePrefix(pool.Subnet)
				if err != nil || !from.Contains(a) {
					continue
				}
				to := netip.MustParsePrefix(k.model.Project.Networks[key].Ipam.Config[i].Subnet)
				for now := to.Addr(); to.Contains(now); now = now.Next() {
					if hostPart(now.String(), to.Bits()) == hostPart(ip, to.Bits()) {
						return now.String()
					}
				}
			}
		}
		return ip
	}
	for _, key := range []string{"extra_hosts", "dns", "environment"} {
		before, err := json.Marshal(was[key])
		now, err2 := json.Marshal(s[key])
		if err == nil && err2 == nil && address.ReplaceAllStringFunc(string(before), follow) == string(now) {
			restore(s, was, key)
		}
	}
}

func undoPools(r, was map[string]any) {
	pools, _ := child(r, "ipam")["config"].([]any)
	old, _ := child(was, "ipam")["config"].([]any)
	if len(old) == 0 && len(pools) == 1 && len(pools[0].(map[string]any)) == 1 {
		delete(child(r, "ipam"), "config")
		return
	}
	for i := range min(len(pools), len(old)) {
		pool, before := pools[i].(map[string]any), old[i].(map[string]any)
		to, err := netip.ParsePrefix(fmt.Sprint(pool["subnet"]))
		from, err2 := netip.ParsePrefix(fmt.Sprint(before["subnet"]))
		if err != nil || err2 != nil || to.Bits() != from.Bits() {
			continue
		}
		pool["subnet"] = before["subnet"]
		move := func(m, was map[string]any, key string) {
			a, bits, _ := strings.Cut(fmt.Sprint(m[key]), "/")
			b, bits2, _ := strings.Cut(fmt.Sprint(was[key]), "/")
			if now, err := netip.ParseAddr(a); err == nil && to.Contains(now) && hostPart(a, to.Bits()) == hostPart(b, to.Bits()) && bits == bits2 {
				m[key] = was[key]
			}
		}
		move(pool, before, "gateway")
		move(pool, before, "ip_range")
		for key := range child(pool, "aux_addresses") {
			move(child(pool, "aux_addresses"), child(before, "aux_addresses"), key)
		}
	}
}

// prune takes out the empty maps that undoing leaves and that were nothing before.
func prune(s, was map[string]any) {
	for key, x := range child(s, "networks") {
		n, _ := x.(map[string]any)
		if aliases, ok := n["aliases"].([]any); ok && len(aliases) == 0 {
			delete(n, "aliases")
		}
		if nets := child(was, "networks"); len(n) == 0 && nets[key] == nil {
			child(s, "networks")[key] = nil
		}
	}
}

type difference struct {
	path string
	a, b any
}

func (d difference) String() string { return fmt.Sprintf("%s: %v → %v", d.path, d.a, d.b) }

func differences(path string, a, b any) (list []difference) {
	ma, ok1 := a.(map[string]any)
	mb, ok2 := b.(map[string]any)
	if ok1 && ok2 {
		keys := slices.Sorted(maps.Keys(ma))
		for k := range mb {
			if _, ok := ma[k]; !ok {
				keys = append(keys, k)
			}
		}
		for _, k := range keys {
			list = append(list, differences(path+"."+k, ma[k], mb[k])...)
		}
		return list
	}
	la, ok1 := a.([]any)
	lb, ok2 := b.([]any)
	if ok1 && ok2 && len(la) == len(lb) {
		for i := range la {
			list = append(list, differences(fmt.Sprintf("%s[%d]", path, i), la[i], lb[i])...)
		}
		return list
	}
	if !reflect.DeepEqual(a, b) {
		list = append(list, difference{strings.TrimPrefix(path, "."), a, b})
	}
	return list
}

// survivesTheDisk writes the loom's files, looks at them as plain docker compose does, plans again, and takes the files
// away as down does.
func (k *loom) survivesTheDisk(ctx context.Context, v variant, m mutation) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	before, readErr := os.ReadFile(k.found.DotEnv())
	if _, err := overrides.Write(k.files()); err != nil {
		return []string{err.Error()}
	}
	defer func() {
		if _, err := overrides.Write(k.removed()); err != nil {
			problem("%v", err)
		}
		after, err := os.ReadFile(k.found.DotEnv())
		if errors.Is(readErr, fs.ErrNotExist) != errors.Is(err, fs.ErrNotExist) || !bytes.Equal(before, after) {
			problem(".env is not what it was: %q, was %q", after, before)
		}
	}()

	// Who works in the folder types docker compose, without the flags that the loom was made with. Only --env-file has to
	// be said again, with .env behind it: Compose reads no .env beside it, and no variable can name such files.
	src := v.source()
	src.Files = nil
	if len(src.EnvFiles) > 0 {
		src.EnvFiles = append(src.EnvFiles, k.found.DotEnv())
	}
	disk, err := composes(ctx, src)
	if err != nil {
		problem("docker compose does not take it: %v", err)
		return problems
	}
	if disk.Name != k.project.Name {
		problem("docker compose names it %s", disk.Name)
	}
	for _, p := range sameHashes(k.project, disk) {
		problem("%s", p)
	}
	// Not all that Compose does follows from hashes: builds and dependencies are not in them.
	memory, disk2 := tree(k.project), tree(disk)
	for _, kind := range []string{"services", "networks", "volumes", "configs", "secrets"} {
		for _, d := range differences(kind, memory[kind], disk2[kind]) {
			problem("differs on disk: %s", d)
		}
	}
	// The name stands by itself, and so does the project name in the block.
	if !bytes.Contains(k.override.Content, []byte("\nname: "+k.project.Name+"\n")) {
		problem("the override has no name: it would be another project's without .env")
	}
	if _, vars, ok := overrides.Block(k.dotEnv); !ok || !slices.Contains(vars, overrides.Var{Name: "COMPOSE_PROJECT_NAME", Value: k.project.Name}) {
		problem("the block has no COMPOSE_PROJECT_NAME")
	}

	for _, p := range k.pinned(ctx, src) {
		problem("%s", p)
	}
	// What the registry keeps is there when the loom is planned again, and so are its files.
	again, err := plan(ctx, v, k.id, &host{}, m, k)
	switch {
	case err != nil:
		problem("planning again: %v", err)
	case !bytes.Equal(again.override.Content, k.override.Content):
		problem("planning again gives another override:\n%s\n\nwas\n%s", again.override.Content, k.override.Content)
	case !bytes.Equal(again.dotEnv, k.dotEnv):
		problem("planning again gives another .env:\n%s\n\nwas\n%s", again.dotEnv, k.dotEnv)
	default:
		for _, p := range sameHashes(k.project, again.project) {
			problem("planned again: %s", p)
		}
	}
	return problems
}

// pinned tells which ports move when the variables of the block are lost, to a shell that exports others or to an
// editor: the override has them all as literals.
func (k *loom) pinned(ctx context.Context, src stack.Source) (problems []string) {
	var rest []overrides.Var
	for _, v := range k.env {
		if strings.HasPrefix(v.Name, "COMPOSE_") {
			rest = append(rest, v)
		}
	}
	file := overrides.File{Path: k.found.DotEnv(), Content: overrides.Add(k.dotEnv, k.id, rest)}
	if _, err := overrides.Write([]overrides.File{file}); err != nil {
		return []string{err.Error()}
	}
	defer overrides.Write(k.files())
	disk, err := composes(ctx, src)
	if err != nil {
		if slices.ContainsFunc(k.base.Variables, stack.Variable.Ours) {
			// Its file needs the variable, and says so.
			return nil
		}
		return []string{"without the variables of the block: " + err.Error()}
	}
	for name, s := range k.project.Services {
		if !reflect.DeepEqual(s.Ports, disk.Services[name].Ports) {
			problems = append(problems, fmt.Sprintf("service %s: without the variables of the block its ports are %v", name, disk.Services[name].Ports))
		}
	}
	return problems
}

func sameHashes(a, b *types.Project) (problems []string) {
	memory, disk := hashes(a), hashes(b)
	for _, name := range slices.Sorted(maps.Keys(memory)) {
		if memory[name] != disk[name] {
			problems = append(problems, name+" has another hash on disk")
		}
	}
	for name := range disk {
		if _, ok := memory[name]; !ok {
			problems = append(problems, name+" is on disk only")
		}
	}
	return problems
}

// composes loads what is on the disk as the docker compose command does, by the same options in the same order.
func composes(ctx context.Context, src stack.Source) (*types.Project, error) {
	opts, err := cli.NewProjectOptions(slices.Clone(src.Files),
		cli.WithResolvedPaths(true), cli.WithoutEnvironmentResolution,
		inFolder(src.Dir, cli.WithOsEnv), func(o *cli.ProjectOptions) error { o.Environment["PWD"] = src.Dir; return nil },
		inFolder(src.Dir, cli.WithEnvFiles(src.EnvFiles...)), cli.WithDotEnv,
		configFiles(src.Dir), inFolder(src.Dir, cli.WithDefaultConfigPath),
		inFolder(src.Dir, cli.WithEnvFiles(src.EnvFiles...)), cli.WithDotEnv,
		cli.WithDefaultProfiles(src.Profiles...), cli.WithName(""))
	if err != nil {
		return nil, err
	}
	p, err := opts.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	if p, err = p.WithServicesEnabled(); err != nil {
		return nil, err
	}
	if p, err = p.WithSelectedServices(nil); err != nil {
		return nil, err
	}
	return p.WithoutUnnecessaryResources().WithServicesEnvironmentResolved(true)
}

// inFolder carries out an option as if the process's folder were dir: Compose asks for it as long as no file is known.
func inFolder(dir string, option cli.ProjectOptionsFn) cli.ProjectOptionsFn {
	return func(o *cli.ProjectOptions) error {
		if len(o.ConfigPaths) == 0 {
			o.WorkingDir = dir
			defer func() { o.WorkingDir = "" }()
		}
		return option(o)
	}
}

// configFiles is cli.WithConfigFileEnv in another folder than the process's.
func configFiles(dir string) cli.ProjectOptionsFn {
	return func(o *cli.ProjectOptions) error {
		list := o.Environment[consts.ComposeFilePath]
		if len(o.ConfigPaths) > 0 || list == "" {
			return nil
		}
		sep := o.Environment[consts.ComposePathSeparator]
		if sep == "" {
			sep = string(os.PathListSeparator)
		}
		for path := range strings.SplitSeq(list, sep) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			o.ConfigPaths = append(o.ConfigPaths, path)
		}
		return nil
	}
}

// copied is a copy of a folder that a test may write into.
func copied(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	assert.NilError(t, os.CopyFS(dir, os.DirFS(from)))
	return dir
}

// projects lists the folders below dir that docker compose finds a project in.
func projects(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		for _, name := range cli.DefaultFileNames {
			if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.Mode().IsRegular() {
				list = append(list, path)
				break
			}
		}
		return nil
	})
	assert.NilError(t, err)
	return list
}

// variants are the ways to ask for a project: with no profile, with each of its profiles, and with all of them.
func variants(t *testing.T, dir string) []variant {
	t.Helper()
	list := []variant{{dir: dir}}
	found, err := stack.Find(list[0].source(), ours)
	assert.NilError(t, err)
	m, err := new(stack.Stack).Load(t.Context(), found, "", nil)
	if err != nil {
		return list
	}
	var profiles []string
	for _, s := range m.Project.AllServices() {
		profiles = append(profiles, s.Profiles...)
	}
	slices.Sort(profiles)
	profiles = slices.Compact(profiles)
	for _, p := range profiles {
		list = append(list, variant{dir: dir, profiles: []string{p}})
	}
	if len(profiles) > 1 {
		list = append(list, variant{dir: dir, profiles: profiles})
	}
	return list
}

// refersTo reports whether a service names a container of its own project by its fixed name.
func refersTo(s types.ServiceConfig, containers map[string]string) bool {
	refs := append([]string{s.NetworkMode, s.Ipc, s.Pid}, s.VolumesFrom...)
	for _, link := range s.ExternalLinks {
		refs = append(refs, types.ContainerPrefix+link)
	}
	return slices.ContainsFunc(refs, func(ref string) bool {
		name, ok := strings.CutPrefix(ref, types.ContainerPrefix)
		name, _, _ = strings.Cut(name, ":")
		return ok && containers[name] != ""
	})
}

func TestEveryTrapIsIsolated(t *testing.T) {
	t.Parallel()
	dir := copied(t, filepath.Join("testdata", "traps"))
	for _, name := range traps(t, dir) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var plans strings.Builder
			for _, v := range trapVariants(t, filepath.Join(dir, name)) {
				r := gate(t.Context(), v, trapLooms, mutation{})
				for _, problem := range r.problems {
					t.Error(problem)
				}
				if len(v.profiles) > 0 {
					fmt.Fprintf(&plans, "\n# with profiles %s\n", strings.Join(v.profiles, ","))
				}
				assert.NilError(t, r.err)
				plans.WriteString(r.first.golden(v.dir))
			}
			golden.Assert(t, plans.String(), "traps/"+name+"/plan.golden")
		})
	}
}

func copyTrap(t *testing.T, trap, dir string) {
	t.Helper()
	assert.NilError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "traps", trap))))
}

func traps(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	assert.NilError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// trapVariants are the variants of a trap project, asked for as its case.json says.
func trapVariants(t *testing.T, dir string) []variant {
	t.Helper()
	var c struct {
		Sub      string
		EnvFiles []string
		Files    []string
		Settings map[string]int
		Share    []string
		Isolate  []string

		RewriteLocalhost bool
	}
	text, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err == nil {
		assert.NilError(t, json.Unmarshal(text, &c))
	}
	if c.Sub != "" || c.Files != nil {
		return []variant{{dir: dir, sub: c.Sub, files: c.Files}}
	}
	list := variants(t, dir)
	for i := range list {
		list[i].envFiles, list[i].settings, list[i].share, list[i].isolate = c.EnvFiles, c.Settings, c.Share, c.Isolate
		list[i].rewrite = c.RewriteLocalhost
	}
	return list
}

func TestWhatIsNotAcceptedIsToldApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ compose, want string }{
		{"services: {web: {image: app}}\n", accepted},
		{"services: {web: {image: app, env_file: gone.env}}\n", missingEnvFile},
		{"services: {web: {image: app, ports: [\"${NEEDED:?}:80\"]}}\n", refused},
		{"services: {web: {}}\n", refused},
	} {
		dir := filepath.Join(t.TempDir(), "project")
		assert.NilError(t, os.Mkdir(dir, 0o755))
		assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(test.compose), 0o644))
		r := gate(t.Context(), variant{dir: dir}, 1, mutation{})
		assert.Equal(t, r.outcome, test.want)
		assert.Assert(t, len(r.problems) == 0, "%v", r.problems)
	}
}
