package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/docker-loom/docker-loom/internal/agent/account"
	"github.com/docker-loom/docker-loom/internal/agent/reach"
	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// draft is a sandbox that is being planned and made.
type draft struct {
	backend
	target *loom.Target
	// plans are those of the loom's projects.
	plans  []*loom.Plan
	wanted *wanted.Sandbox
	// lookOnly writes, leases and builds nothing.
	lookOnly bool
	spec     sandbox.Spec
	user     account.Account
	findings []finding.Finding
	// sources are files and folders of the host that were copied.
	sources []string
}

func (d *draft) note(findings ...finding.Finding) { d.findings = append(d.findings, findings...) }

// specify collects what the sandbox is made from.
func (d *draft) specify(ctx context.Context) error {
	t, name := d.target, d.wanted.Policy.Agent
	machine, err := host.This().Addresses()
	if err != nil {
		return err
	}
	d.spec = sandbox.Spec{
		Policy: d.wanted.Policy, Project: t.Known.Project, Loom: t.ID, Repository: t.Repository,
		WorkTree:        host.RealPath(t.WorkTree),
		Labels:          map[string]string{engine.LabelLoom: t.ID, engine.LabelRepo: t.Repository},
		State:           d.records().Dir(t.Known.Project, name),
		IsolatedGateway: d.engine.Features().IsolatedGateway,
		Hint:            "docker loom agent allow " + t.ID + AsFlag(name),
		Machine:         machine, Services: d.reachedNames(), ServiceMounts: d.serviceMounts(),
	}
	for _, step := range []func(context.Context) error{
		d.specifyUser, d.specifyGit, d.specifySocket, d.specifyImages, d.specifyNetworks,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// serviceNames are the names of the services of the loom's files.
func (d *draft) serviceNames() serviceNames {
	return namesOf(d.target.Projects, func(k *registry.Loom) []string {
		var services []string
		for _, p := range d.plans {
			if p.Entry.Project == k.Project && p.Project != nil {
				services = append(services, p.Project.ServiceNames()...)
			}
		}
		return slices.DeleteFunc(services, func(service string) bool { return service == sandbox.ServicesEgress })
	})
}

// reachedNames are the names by which the sandbox reaches services, with the aliases that they have in the files.
func (d *draft) reachedNames() []string {
	names := d.serviceNames()
	all := slices.Clone(names.all)
	for _, p := range d.plans {
		for _, alias := range reach.Aliases(p) {
			if names.mayUse(p.Entry.Project, alias) {
				all = append(all, alias)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// serviceMounts are what the services of all projects mount of the work tree.
func (d *draft) serviceMounts() []string {
	var paths []string
	for _, p := range d.plans {
		paths = append(paths, reach.ServiceMounts(p)...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// AsFlag is the flag that names an agent in a command, "" for the default one.
func AsFlag(name string) string {
	if name == DefaultName {
		return ""
	}
	return " --agent " + name
}

func (d *draft) specifyUser(ctx context.Context) error {
	root, err := os.Stat(d.spec.WorkTree)
	if err != nil {
		return err
	}
	info, err := d.engine.Capabilities(ctx)
	if err != nil {
		return err
	}
	uid, gid := host.OwnerOf(root)
	d.user, err = account.On(info, uid, gid)
	d.spec.UID, d.spec.GID = d.user.UID, d.user.GID
	return err
}

func (d *draft) specifyGit(context.Context) error {
	at := d.target.Git
	if at == nil || at.WorkTree == "" {
		return nil
	}
	git, findings, err := gitview.Read(d.spec.WorkTree, host.RealPath(at.CommonDir), host.RealPath(at.GitDir))
	d.spec.Git = git
	d.note(findings...)
	return err
}

func (d *draft) specifySocket(context.Context) error {
	if d.spec.DockerSocket == "" {
		return nil
	}
	d.spec.DockerSocket = d.engine.SocketPath()
	socket, err := os.Stat(d.spec.DockerSocket)
	if err != nil {
		return fmt.Errorf("the engine's socket: %w", err)
	}
	_, d.spec.SocketGID = host.OwnerOf(socket)
	return nil
}

func (d *draft) specifyImages(ctx context.Context) error {
	var err error
	if d.spec.EgressImage, err = d.images().EgressRef(); err != nil {
		return err
	}
	own, err := d.containers(ctx, d.target.Projects)
	if err != nil {
		return err
	}
	choice := d.wanted.Images
	choice.LookOnly = d.lookOnly
	ref, id, err := d.images().ForAgent(ctx, choice, devImage(own))
	if err != nil {
		return err
	}
	c := containersOf(inProject(own, d.target.Known), d.spec.Agent).sandbox
	if c != nil && !loom.IsRunning(*c) {
		c = nil
	}
	var findings []finding.Finding
	d.spec.Image, d.spec.ImageID, findings, err = d.images().WithTools(ctx, image.Toolchain{
		Ref: ref, ID: id, WorkTree: d.spec.WorkTree, Sandbox: c,
		Trusted: d.wanted.Trust || !trust.WrittenByOthers(d.target.Known), LookOnly: d.lookOnly,
	})
	d.note(findings...)
	return err
}

func (d *draft) specifyNetworks(ctx context.Context) error {
	keys := []string{sandbox.ServiceName(d.spec.Agent), sandbox.OuterName(d.spec.Agent)}
	subnets, err := d.looms.LeaseNetworks(ctx, d.target, keys, loom.Options{DryRun: d.lookOnly})
	if err != nil {
		return err
	}
	d.spec.Subnet, d.spec.OuterSubnet = subnets[0], subnets[1]
	return nil
}
