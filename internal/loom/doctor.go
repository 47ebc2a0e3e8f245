package loom

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// Diagnosis is what doctor finds.
type Diagnosis struct {
	OK bool `json:"ok"`
	// Mode is how the project of this folder runs: devcontainer, compose, dockerfile, or none where there is no project.
	Mode     string            `json:"mode"`
	Docker   DockerState       `json:"docker"`
	Sandbox  SandboxState      `json:"sandbox"`
	Findings []finding.Finding `json:"findings"`
}

// DockerState is what doctor finds of the engine.
type DockerState struct {
	SocketConnected bool   `json:"socketConnected"`
	ImageAvailable  bool   `json:"imageAvailable"` // all images of the loom's project are on the engine
	ImageName       string `json:"imageName"`      // the first that is missing, else the first
	NetworkExists   bool   `json:"networkExists"`  // the loom has its networks
	Version         string `json:"version"`
	APIVersion      string `json:"apiVersion"`
	Context         string `json:"context"`
	Host            string `json:"host"`
	Compose         string `json:"compose"`
}

// What doctor warns below: a build or a database needs more than this.
const (
	scarceDisk   = 5 << 30
	scarceMemory = 2 << 30
)

// Doctor looks at everything that looms depend on and changes nothing. extra are findings of the caller's own.
func (l *Looms) Doctor(ctx context.Context, where Where, extra []finding.Finding) *Diagnosis {
	d := &Diagnosis{Mode: "none", Findings: slices.Clone(extra), Sandbox: SandboxState{Limits: []string{}, Runtimes: []string{}}}
	d.Docker.Context, d.Docker.Host, d.Docker.Compose = l.Engine.Context(), l.Engine.Host(), stack.Version()
	looms := l.engineHealth(ctx, d)
	state, err := l.Registry.Read(ctx)
	if err != nil {
		d.error("registry "+l.Registry.Path(), err.Error(), "run docker loom ls: looms with containers or volumes are found by their labels")
	} else {
		d.promises(state, looms)
	}
	for _, name := range []string{"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"} {
		if v, ok := os.LookupEnv(name); ok {
			d.find(finding.Warning, "variable "+name, "is exported as "+v+" and beats .env for plain docker compose", "unset "+name)
		}
	}
	if err == nil {
		l.project(ctx, where, d)
	}
	d.OK = finding.Worst(d.Findings) != finding.Error
	if d.Findings == nil {
		d.Findings = []finding.Finding{}
	}
	return d
}

func (d *Diagnosis) find(level finding.Level, subject, message, remedy string) {
	d.Findings = append(d.Findings, finding.Finding{Level: level, Subject: subject, Message: message, Remedy: remedy})
}

func (d *Diagnosis) error(subject, message, remedy string) {
	d.find(finding.Error, subject, message, remedy)
}

// engineHealth looks at the engine, and returns the looms it has; nil where it does not answer.
func (l *Looms) engineHealth(ctx context.Context, d *Diagnosis) []engine.Loom {
	if err := l.Engine.Check(ctx); err != nil {
		d.error("engine", err.Error(), "start Docker, or choose another engine with docker context use")
		return nil
	}
	d.Docker.SocketConnected = true
	info, err := l.Engine.Info(ctx)
	if err != nil {
		d.error("engine", err.Error(), "")
		return nil
	}
	d.Docker.Version, d.Docker.APIVersion = info.Version, info.APIVersion
	if info.Free > 0 && info.Free < scarceDisk {
		d.find(finding.Warning, "disk", fmt.Sprintf("%d MB are free in %s", info.Free>>20, info.RootDir), "docker system prune, or docker loom prune")
	}
	if info.Memory > 0 && info.Memory < scarceMemory {
		d.find(finding.Warning, "memory", fmt.Sprintf("the engine has %d MB", info.Memory>>20), "give Docker more memory")
	}
	l.sandboxHealth(d, info)
	l.boxHealth(ctx, d)
	looms, err := l.Engine.Looms(ctx)
	if err != nil {
		d.error("engine", err.Error(), "")
		return nil
	}
	return looms
}

// promises compares the registry with the folders and with what the engine has.
func (d *Diagnosis) promises(state *registry.State, looms []engine.Loom) {
	onEngine := map[string]bool{}
	for _, e := range looms {
		onEngine[e.Project] = true
		if byProject(state, e.Project) == nil && !state.Fresh {
			d.find(finding.Warning, "project "+e.Project, fmt.Sprintf("is of loom %s, which the registry does not know", registry.Name(e.Repo, e.ID)), "docker loom down "+e.ID+" --volumes in "+e.Repo+" ends it, docker loom up "+e.ID+" takes it over")
		}
	}
	folders := map[string][]string{}
	for _, k := range state.Looms {
		switch {
		case gone(k.WorkTree) && onEngine[k.Project]:
			d.find(finding.Warning, "loom "+k.Name(), "its work tree "+k.WorkTree+" is gone; its containers or volumes are still there", "docker loom prune")
		case gone(k.WorkTree):
			d.find(finding.Warning, "loom "+k.Name(), "its work tree "+k.WorkTree+" is gone; only its leases are left", "docker loom prune")
		default:
			folders[k.Dir] = append(folders[k.Dir], k.ID)
			d.block(k)
		}
	}
	for dir, ids := range folders {
		if len(ids) > 1 {
			slices.Sort(ids)
			d.find(finding.Info, "folder "+dir, "has several looms: "+strings.Join(ids, ", ")+"; plain docker compose there acts on one of them", "")
		}
	}
}

// block compares the block in a loom's .env with its leases.
func (d *Diagnosis) block(k *registry.Loom) {
	if !k.Files {
		return
	}
	path := filepath.Join(k.Dir, overrides.EnvFile)
	env, err := os.ReadFile(path)
	if err != nil {
		return
	}
	id, vars, ok := overrides.Block(env)
	if !ok {
		return
	}
	again := "docker loom up " + k.ID
	if id != k.ID {
		d.find(finding.Warning, "file "+path, "has the block of loom "+id+", but the folder is loom "+k.ID+"'s", again)
		return
	}
	for _, v := range vars {
		if strings.HasPrefix(v.Name, overrides.PortPrefix) && !strings.Contains(v.Value, "-") && !hasHost(k.Ports, v.Value) {
			d.find(finding.Warning, "file "+path, v.Name+" is "+v.Value+", which is no port of the loom", again)
		}
		if v.Name == "COMPOSE_PROJECT_NAME" && v.Value != k.Project {
			d.find(finding.Warning, "file "+path, "names project "+v.Value+" instead of "+k.Project, again)
		}
	}
}

// project looks at the loom that is meant, if there is one.
func (l *Looms) project(ctx context.Context, where Where, d *Diagnosis) {
	if !d.Docker.SocketConnected {
		return
	}
	t, err := l.Resolve(ctx, where, Making)
	if err != nil {
		d.error("loom", err.Error(), "")
		return
	}
	if l.Engine.Local() {
		listHealth(t.WorkTree, d)
	}
	l.sandboxImages(ctx, t, d)
	plan, err := l.Plan(ctx, t, Options{DryRun: true})
	if errors.Is(err, stack.ErrNoProject) {
		if where.ID != "" {
			d.error("loom "+t.ID, err.Error(), "")
		}
		return
	}
	if err != nil {
		d.error("loom "+t.ID, err.Error(), "")
		return
	}
	d.Mode = "compose"
	if plan.base.Dockerfile != "" {
		d.Mode = "dockerfile"
	}
	d.Findings = append(d.Findings, plan.Findings...)
	if plan.dev != nil {
		l.devHealth(ctx, plan, d)
	}
	d.Docker.ImageAvailable = true
	for _, name := range plan.Project.ServiceNames() {
		ref := stack.Image(plan.Project.Services[name], plan.Project.Name)
		id, err := l.Engine.ImageID(ctx, ref)
		if missing := err != nil || id == ""; missing && d.Docker.ImageAvailable || d.Docker.ImageName == "" {
			d.Docker.ImageName, d.Docker.ImageAvailable = ref, !missing
		}
	}
	networks, err := l.Engine.Networks(ctx, map[string]string{stack.LabelProject: plan.Project.Name})
	d.Docker.NetworkExists = err == nil && len(networks) > 0
}

// devHealth looks at the dev containers that there are for the folder.
func (l *Looms) devHealth(ctx context.Context, plan *Plan, d *Diagnosis) {
	d.Mode = "devcontainer"
	there, err := l.Engine.Labelled(ctx, plan.dev.read.IDLabels())
	if err != nil {
		d.error("engine", err.Error(), "")
		return
	}
	for _, c := range there {
		switch id := c.Labels[engine.LabelLoom]; {
		case id != "" && (id != plan.ID || c.Labels[engine.LabelRepo] != plan.Repository):
			d.find(finding.Warning, "container "+c.Name, "is the dev container of this folder, and loom "+id+"'s: a folder has one only", "give loom "+plan.ID+" a work tree of its own")
		case id == "" && plan.Known != nil && plan.Known.Adopted == nil && plan.ID != Main:
			d.find(finding.Warning, "container "+c.Name, "was made by another tool from the plain files (a rebuild in the editor): it has neither the ports nor the volumes of loom "+plan.ID, "docker loom up "+plan.ID+" makes it anew")
		}
	}
}

// Prunable is a loom that prune ends: its work tree is gone, or nobody knows it any more.
type Prunable struct {
	*Target
	Why string
	// Merged says that its branch is merged: it is ended as rm does it, with its work tree and branch.
	Merged bool
}

// Prunable lists what belongs to no loom or to a gone work tree, never a loom that is merely down. Only what carries our
// labels counts. A loom that only the registry does not know may well be in another user's: it counts once its folder is
// gone.
func (l *Looms) Prunable(ctx context.Context) ([]Prunable, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	looms, err := l.Engine.Looms(ctx)
	if err != nil {
		return nil, err
	}
	var list []Prunable
	add := func(k *registry.Loom, recovered bool, why string) {
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: copyOf(k), recovered: recovered}
		t.Source = stack.Source{Dir: k.WorkTree, Top: k.WorkTree, Environ: l.Process.Environ}
		list = append(list, Prunable{Target: t, Why: why})
	}
	for _, k := range state.Looms {
		if k.Space != space || !gone(k.WorkTree) {
			continue
		}
		if theirs, err := l.theirs(ctx, k); err != nil {
			return nil, err
		} else if !theirs {
			add(k, false, "its work tree "+k.WorkTree+" is gone")
		}
	}
	if !l.Engine.Local() {
		// Other machines use this engine too: their looms are in their registries, their folders on their disks.
		return list, nil
	}
	for _, e := range looms {
		if byProject(state, e.Project) != nil || e.ID == Main {
			continue
		}
		switch {
		case gone(e.Repo):
			add(fromLabels(e), true, "its repository "+e.Repo+" is gone")
		case gone(e.WorkTree):
			add(fromLabels(e), true, "its work tree "+e.WorkTree+" is gone")
		}
	}
	return list, nil
}

// theirs tells whether a loom's project has what somebody else may have made. That is so for main alone: its project is
// called as Compose calls it in every folder of that name, and its volumes have no labels of ours.
func (l *Looms) theirs(ctx context.Context, k *registry.Loom) (bool, error) {
	if k.ID != Main {
		return false, nil
	}
	own, err := l.containers(ctx, k)
	if err != nil {
		return false, err
	}
	volumes, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: k.Project})
	return len(volumes) > 0 || slices.ContainsFunc(own, func(c engine.Container) bool { return c.Labels[engine.LabelRepo] != k.Repository }), err
}

// gone tells whether a folder that was there is no more. One that only another user may look into is not gone, and of ""
// nothing is known.
func gone(path string) bool {
	info, err := os.Stat(path)
	return path != "" && (errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir())
}
