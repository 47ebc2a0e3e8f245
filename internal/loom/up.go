package loom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// UpRequest asks for a loom to be there.
type UpRequest struct {
	Where
	Options
	stack.CreateOptions
	// Services limits up to these services and what they depend on; none are all.
	Services []string
	// Data is what the loom's volumes begin with.
	Data DataRequest
	// NoWait returns as soon as the containers are started.
	NoWait bool
	// WaitTimeout bounds the wait until all is ready.
	WaitTimeout time.Duration
	// RequirePorts makes a port that nobody answers on an error.
	RequirePorts bool
	// SkipHooks runs no lifecycle hook of the dev container.
	SkipHooks bool
	// HookSecrets are variables for hooks only; their values are masked in what hooks print.
	HookSecrets map[string]string
	// HookOutput takes that, a line at a time; nil for nowhere.
	HookOutput io.Writer
	// CreateOnly creates the containers and starts none; FilesOnly stops before that.
	CreateOnly, FilesOnly bool
	// Tree says whether the loom gets a work tree of its own.
	Tree TreeOptions
}

// Result is what up and ps tell of a loom.
type Result struct {
	Loom     string            `json:"loom"`
	Project  string            `json:"project"`
	WorkTree string            `json:"workTree"`
	Services []Service         `json:"services"`
	Ports    []Port            `json:"ports"`
	Findings []finding.Finding `json:"findings"`
}

// Service is one container of a loom.
type Service struct {
	Name      string `json:"name"`
	Container string `json:"container"`
	// State is that of the container: running, exited, created, paused, restarting or dead.
	State string `json:"state"`
	// Health is starting, healthy or unhealthy, and empty where there is no healthcheck.
	Health string `json:"health"`
	// ExitCode is that of a container that exited.
	ExitCode int `json:"-"`
}

// Port is one host port of a loom.
type Port struct {
	Service   string `json:"service"`
	Target    int    `json:"target"`
	Published int    `json:"published"`
	Protocol  string `json:"protocol"`
	HostIP    string `json:"hostIp"`
	// URL is where a browser finds it, empty where the port does not speak HTTP.
	URL string `json:"url"`
	// Label is what the devcontainer.json calls the port.
	Label string `json:"label,omitempty"`
	// Opens says that the devcontainer.json wants a browser opened.
	Opens bool `json:"-"`
	// Silent is true where up waited and nobody answered.
	Silent bool `json:"silent,omitempty"`
}

// UnfinishedError says that up did not finish, and what it left.
type UnfinishedError struct {
	ID   string
	Left int // containers that are there now
	Err  error
}

// Error is the cause; what is left is for the hint.
func (e *UnfinishedError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (e *UnfinishedError) NextStep() string {
	// These say more than what is left.
	var own interface {
		error
		NextStep() string
	}
	for _, cause := range []any{new(*OrphanError), new(*PausedError), new(*FeatureError), new(*NoImageError)} {
		if errors.As(e.Err, cause) && errors.As(e.Err, &own) && own.NextStep() != "" {
			return own.NextStep()
		}
	}
	if e.Left == 0 {
		return fmt.Sprintf("nothing runs; docker loom up %s tries again", e.ID)
	}
	return fmt.Sprintf("%d container(s) are left; docker loom up %s continues, docker loom down %s removes them",
		e.Left, e.ID, e.ID)
}

// Unwrap gives the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// Up brings the loom up: leases, files, containers, readiness. It can be run again at any time, and continues where it
// was interrupted.
func (l *Looms) Up(ctx context.Context, req UpRequest) (*Plan, *Result, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, nil, err
	}
	target, err := l.Resolve(ctx, req.Where, Making)
	if err != nil {
		return nil, nil, err
	}
	source, err := l.dataSource(ctx, target, req)
	if err != nil {
		return nil, nil, err
	}
	if !req.DryRun {
		// Two commands on one loom would create its containers twice.
		release, err := l.lock(ctx, target, source)
		if err != nil {
			return nil, nil, err
		}
		defer release()
		l.attend(ctx, target)
		if err := l.refresh(ctx, target); err != nil {
			return nil, nil, err
		}
	}
	return l.upLocked(ctx, target, source, req)
}

// upLocked is up of a loom whose lock is held, and whose entry was read since.
func (l *Looms) upLocked(ctx context.Context, target, source *Target, req UpRequest) (*Plan, *Result, error) {
	if err := l.ownTree(ctx, target, req); err != nil {
		return nil, nil, err
	}
	req.Options.Build, req.Options.Pull = req.CreateOptions.Build, req.CreateOptions.Pull
	req.Options.Services = req.Services
	d, err := l.devFor(ctx, target, req.Options)
	if err != nil {
		return nil, nil, err
	}
	if d != nil {
		if plan, result, err := l.meet(ctx, target, d, req); plan != nil || err != nil {
			return plan, result, err
		}
	}
	plan, err := l.Plan(ctx, target, req.Options)
	if err != nil {
		return nil, nil, err
	}
	if err := l.accept(ctx, plan, req.Options); err != nil {
		return plan, nil, err
	}
	if err := plan.selectServices(req.Services); err != nil {
		return plan, nil, err
	}
	if !req.DryRun && !req.FilesOnly {
		if err := l.recoverData(ctx, plan.ID, plan.Entry.Project); err != nil {
			return plan, nil, err
		}
	}
	data, err := l.planData(ctx, plan, source, req)
	if err != nil {
		return plan, nil, err
	}
	if req.DryRun {
		return plan, nil, nil
	}
	for _, note := range plan.Notes {
		l.Teller.Sayf("%s", note)
	}
	// Before the files: plain docker compose must not start on half of the data.
	if err := l.fill(ctx, plan, data); err != nil {
		return plan, nil, err
	}
	if err := l.write(ctx, plan); err != nil {
		return plan, nil, err
	}
	if req.FilesOnly {
		return plan, l.result(plan, nil), nil
	}
	silent, err := l.run(ctx, plan, req)
	if err != nil {
		return plan, nil, l.unfinished(ctx, plan, err)
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		return plan, nil, err
	}
	if !req.CreateOnly {
		if err := l.devHooks(ctx, plan.dev, own, req); err != nil {
			return plan, nil, l.unfinished(ctx, plan, err)
		}
	}
	result := l.result(plan, own)
	for _, p := range silent {
		result.silence(p.Port, req.WaitTimeout)
	}
	return plan, result, nil
}

// alone keeps other commands from the loom until release is called, and reads its entry as the last of them left it.
func (l *Looms) alone(ctx context.Context, t *Target) (release func(), err error) {
	if release, err = l.lock(ctx, t); err != nil {
		return nil, err
	}
	if err := l.refresh(ctx, t); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// refresh reads the loom's entry again: another command may have had the lock meanwhile.
func (l *Looms) refresh(ctx context.Context, t *Target) error {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	if now := state.Find(t.Repository, t.ID); now != nil || !t.recovered {
		// One that is gone was ended: its leases may be another loom's by now.
		t.Known, t.recovered = copyOf(now), false
	}
	return nil
}

// silence notes that nobody answered on a port.
func (r *Result) silence(silent Port, after time.Duration) {
	for i, p := range r.Ports {
		if p == silent {
			r.Ports[i].Silent, r.Ports[i].URL = true, ""
		}
	}
	r.Findings = append(r.Findings, finding.Finding{
		Level: finding.Warning, Subject: "service " + silent.Service,
		Message: fmt.Sprintf("nobody answers on port %d (container port %d) after %s", silent.Published, silent.Target, after),
	})
}

// run is the part of up that changes the engine. It returns the ports that nobody answers on.
func (l *Looms) run(ctx context.Context, plan *Plan, req UpRequest) ([]probe, error) {
	if req.CreateOnly {
		if err := l.dropSidecar(ctx, plan); err != nil {
			return nil, err
		}
		if err := l.keepSandboxes(ctx, plan); err != nil {
			return nil, err
		}
		if err := l.Stack.Create(ctx, plan.Project, req.CreateOptions); err != nil {
			return nil, err
		}
		return nil, l.lend(ctx, plan)
	}
	if err := l.probedAgain(ctx, plan.Entry.Project, req.WaitTimeout); err != nil {
		return nil, err
	}
	asWanted, err := l.converged(ctx, plan, req.CreateOptions)
	if err != nil {
		return nil, err
	}
	l.Teller.Debugf("everything is as planned already: %t", asWanted)
	if !asWanted {
		if err := l.tellDrift(ctx, plan); err != nil {
			return nil, err
		}
		if err := l.orphans(ctx, plan, req.CreateOptions); err != nil {
			return nil, err
		}
		if err := l.dropSidecar(ctx, plan); err != nil {
			return nil, err
		}
		if err := l.keepSandboxes(ctx, plan); err != nil {
			return nil, err
		}
		if err := l.Stack.Up(ctx, plan.Project, req.CreateOptions); err != nil {
			return nil, l.explain(ctx, plan, err)
		}
		if err := l.rejoin(ctx, plan.Entry.Project); err != nil {
			return nil, err
		}
		if err := l.lend(ctx, plan); err != nil {
			return nil, err
		}
	}
	if req.NoWait {
		return nil, nil
	}
	return l.wait(ctx, plan, req)
}

// OrphanError says that a container of a service which the files no longer have keeps a port that another service is to
// publish.
type OrphanError struct{ Loom, Container, Service, Port string }

// Error names the container and the port.
func (e *OrphanError) Error() string {
	return fmt.Sprintf("port %s of service %s is held by the loom's own container %s, whose service is no longer in the files", e.Port, e.Service, e.Container)
}

// NextStep says what the user does next.
func (e *OrphanError) NextStep() string {
	return fmt.Sprintf("docker loom up %s --remove-orphans removes it", e.Loom)
}

// orphans looks for containers whose service was renamed or removed and whose port is wanted again: the engine would
// only say that the port is allocated.
func (l *Looms) orphans(ctx context.Context, plan *Plan, o stack.CreateOptions) error {
	if o.RemoveOrphans {
		return nil
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		return err
	}
	wanted := l.leased(plan)
	for _, c := range own {
		if stack.HasService(plan.Project, c.Service) || c.OneOff {
			continue
		}
		for _, pub := range c.Published {
			for _, p := range wanted {
				if pub.Via == "" && p.Published == pub.Host && p.Protocol == pub.Protocol {
					return &OrphanError{plan.ID, c.Name, p.Service, fmt.Sprintf("%d/%s", p.Published, p.Protocol)}
				}
			}
		}
	}
	return nil
}

// converged tells whether everything runs as planned, so that Compose need not be asked.
func (l *Looms) converged(ctx context.Context, plan *Plan, o stack.CreateOptions) (bool, error) {
	if o != (stack.CreateOptions{}) {
		return false, nil
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		return false, err
	}
	var seen []stack.Seen
	for _, c := range own {
		if !c.OneOff && !isSandbox(c) {
			done := c.State == "exited" && c.ExitCode == 0 && finishes(plan, c.Service)
			seen = append(seen, stack.Seen{Service: c.Service, Labels: c.Labels, Up: c.State == "running" && c.Health != "unhealthy" || done})
		}
	}
	if len(seen) == 0 {
		return false, nil
	}
	networks, err := l.Engine.Networks(ctx, map[string]string{stack.LabelProject: plan.Entry.Project})
	if err != nil {
		return false, err
	}
	var labels []map[string]string
	for _, n := range networks {
		labels = append(labels, n.Labels)
	}
	return stack.Converged(plan.Project, seen, labels, func(ref string) string {
		id, err := l.Engine.ImageID(ctx, ref)
		if err != nil {
			l.Teller.Debugf("image %s: %v", ref, err)
		}
		return id
	}), nil
}

// finishes tells whether a service may end by itself: one that is restarted whatever happens may not, nor a dev container.
func finishes(plan *Plan, service string) bool {
	if service == egressService {
		return false
	}
	if plan.dev != nil && service == plan.dev.service {
		// Stopped, it exits with 0.
		return false
	}
	restart := plan.Project.Services[service].Restart
	return restart != "always" && restart != "unless-stopped"
}

// write puts the loom's files in place.
func (l *Looms) write(ctx context.Context, plan *Plan) error {
	if plan.Git != nil && len(plan.Excluded) > 0 {
		// First the names, then the files: git never sees them in between.
		if err := plan.Git.Exclude(ctx, owner(plan.Target), plan.Excluded); err != nil {
			return err
		}
	}
	if err := plan.makeRoom(); err != nil {
		return err
	}
	changed, err := overrides.Write(plan.Files)
	l.Teller.Debugf("files written: %v", changed)
	return err
}

// owner is how the loom is called in info/exclude, which all work trees of the repository share.
func owner(t *Target) string { return t.ID }

// unfinished tells what a failed up left behind.
func (l *Looms) unfinished(ctx context.Context, plan *Plan, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		l.Teller.Debugf("what is left: %v", err)
	}
	return &UnfinishedError{ID: plan.ID, Left: len(own), Err: cause}
}

// result is what there is to tell of a loom.
func (l *Looms) result(plan *Plan, own []engine.Container) *Result {
	r := &Result{Loom: plan.ID, Project: plan.Entry.Project, WorkTree: plan.WorkTree, Services: services(own), Findings: plan.Findings}
	r.Ports = l.ports(plan.ID, own)
	if len(own) == 0 || len(r.Ports) == 0 {
		r.Ports = l.leased(plan)
	}
	for i, p := range r.Ports {
		r.Ports[i] = l.portOf(plan, p)
	}
	if r.Findings == nil {
		r.Findings = []finding.Finding{}
	}
	return r
}

// portOf gives a port the label and the protocol that the devcontainer.json says.
func (l *Looms) portOf(plan *Plan, p Port) Port {
	a := plan.dev.attributes(p.Service, p.Target)
	p.Label = a.Label
	p.Opens = a.OnAutoForward == "openBrowser" || a.OnAutoForward == "openBrowserOnce"
	if a.Protocol == "http" || a.Protocol == "https" {
		p.URL = l.url(plan.ID, a.Protocol, p.HostIP, p.Published)
	}
	return p
}

func services(own []engine.Container) []Service {
	list := []Service{}
	for _, c := range own {
		if c.OneOff {
			continue
		}
		s := Service{Name: c.Service, Container: c.Name, State: c.State, Health: c.Health}
		if c.State == "exited" {
			s.ExitCode = c.ExitCode
		}
		list = append(list, s)
	}
	return list
}

// ports lists what the loom's running containers publish.
func (l *Looms) ports(id string, own []engine.Container) []Port {
	list := []Port{}
	for _, c := range own {
		for _, pub := range c.Published {
			list = append(list, l.port(id, c.Service, pub.Target, pub.Host, pub.Protocol, pub.HostIP))
		}
	}
	return list
}

// leased lists what a loom whose containers do not run will publish.
func (l *Looms) leased(plan *Plan) []Port {
	list := []Port{}
	for _, name := range plan.Project.ServiceNames() {
		s := plan.Project.Services[name]
		forwards := engine.ParseForwards(s.Labels[engine.LabelForwards])
		for _, entry := range s.Ports {
			var first, last int
			service, target := name, int(entry.Target)
			for _, f := range forwards {
				if f.Listen == target && f.Protocol == entry.Protocol {
					service, target = f.Service, f.Target
					break
				}
			}
			if n, _ := fmt.Sscanf(entry.Published, "%d-%d", &first, &last); n > 0 {
				list = append(list, l.port(plan.ID, service, target, first, entry.Protocol, entry.HostIP))
			}
		}
	}
	return list
}

func (l *Looms) port(id, service string, target, host int, protocol, ip string) Port {
	p := Port{Service: service, Target: target, Published: host, Protocol: protocol, HostIP: ip}
	if scheme := scheme(target, protocol); scheme != "" {
		p.URL = l.url(id, scheme, ip, host)
	}
	return p
}

// url is where a browser on this machine finds a host port.
func (l *Looms) url(id, scheme, ip string, host int) string {
	name := l.Engine.HostName()
	switch {
	case ip != "" && ip != "0.0.0.0" && ip != "::" && ip != "127.0.0.1":
		name = ip
	case l.Engine.Local() && id != Main:
		// Browsers keep cookies by host name, not by port: on plain localhost all looms would share them.
		name = strings.TrimPrefix(hostLabel(id)+".localhost", ".")
	}
	return fmt.Sprintf("%s://%s:%d", scheme, bracket(name), host)
}

// hostLabel makes a part of a host name of an id: 123, eng-324, feat-x.
func hostLabel(id string) string {
	return strings.Trim(strings.ReplaceAll(sanitise(id, 60), "_", "-"), "-")
}

func bracket(host string) string {
	if slices.Contains([]byte(host), ':') {
		return "[" + host + "]"
	}
	return host
}

// notWeb are container ports of well-known protocols that no browser speaks.
var notWeb = map[int]bool{
	21: true, 22: true, 25: true, 53: true, 110: true, 143: true, 389: true, 465: true, 587: true, 636: true,
	993: true, 995: true, 1025: true, 1433: true, 1521: true, 1883: true, 2181: true, 3306: true, 4222: true, 5432: true, 5672: true,
	6379: true, 7687: true, 9042: true, 9092: true, 11211: true, 26257: true, 27017: true, 50051: true,
}

// scheme guesses from the container port how a browser reaches it.
func scheme(target int, protocol string) string {
	switch {
	case protocol != "tcp" && protocol != "" || notWeb[target]:
		return ""
	case target == 443 || target == 8443:
		return "https"
	}
	return "http"
}

// entryPlan is a plan of nothing but what is known, for commands that do not load the project.
func entryPlan(t *Target) *Plan {
	p := &Plan{Target: t}
	if t.Known != nil {
		p.Entry = *t.Known
	} else {
		p.Entry = registry.Loom{ID: t.ID, Repository: t.Repository}
	}
	return p
}
