// Package doctor finds what is wrong: with the engine, the registry, the folders of looms and what sandboxes need.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// Diagnosis is what doctor finds.
type Diagnosis struct {
	OK bool `json:"ok"`
	// Mode is how the project of this folder runs: devcontainer, compose, dockerfile, or none without a project.
	Mode     string            `json:"mode"`
	Docker   DockerState       `json:"docker"`
	Sandbox  SandboxState      `json:"sandbox"`
	Findings []finding.Finding `json:"findings"`
}

// DockerState is what doctor finds of the engine.
type DockerState struct {
	SocketConnected bool   `json:"socketConnected"`
	ImageAvailable  bool   `json:"imageAvailable"` // all images of the loom's project are on the engine
	ImageName       string `json:"imageName"`      // the first that is missing, otherwise the first
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

// examination is a run of the doctor.
type examination struct {
	*Diagnosis
	looms  *loom.Looms
	agents *agent.Agents
	engine *engine.Engine
}

// Examine looks at everything that looms depend on and changes nothing. extra are findings of the caller's own.
func Examine(
	ctx context.Context, l *loom.Looms, agents *agent.Agents, where loom.Where, extra []finding.Finding,
) *Diagnosis {
	d := &Diagnosis{
		Mode: "none", Findings: slices.Clone(extra),
		Sandbox: SandboxState{Limits: []string{}, Runtimes: []string{}},
	}
	x := examination{Diagnosis: d, looms: l, agents: agents, engine: l.Engine}
	d.Docker.Context, d.Docker.Host, d.Docker.Compose = l.Engine.Context(), l.Engine.Host(), stack.Version()
	looms := x.checkEngine(ctx)
	state, err := l.Registry.Read(ctx)
	if err != nil {
		d.error("registry "+l.Registry.Path(), err.Error(),
			"run docker loom ls: looms with containers or volumes are found by their labels")
	} else {
		d.checkRegistry(state, looms)
	}
	for _, name := range []string{"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"} {
		if v, ok := l.Process.LookupEnv(name); ok {
			d.find(finding.Warning, "variable "+name,
				"is exported as "+v+" and beats .env for plain docker compose", "unset "+name)
		}
	}
	if err == nil {
		x.checkLoom(ctx, where)
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

// checkEngine looks at the engine, and returns the looms it has; nil if it does not answer.
func (x examination) checkEngine(ctx context.Context) []engine.Loom {
	if err := x.engine.Check(ctx); err != nil {
		x.error("engine", err.Error(), "start Docker, or choose another engine with docker context use")
		return nil
	}
	x.Docker.SocketConnected = true
	info, err := x.engine.Capabilities(ctx)
	if err != nil {
		x.error("engine", err.Error(), "")
		return nil
	}
	x.Docker.Version, x.Docker.APIVersion = info.Version, info.APIVersion
	if free := x.engine.Machine().FreeSpace(info.RootDir); free > 0 && free < scarceDisk {
		message := fmt.Sprintf("%d MB are free in %s", free>>20, info.RootDir)
		x.find(finding.Warning, "disk", message, "docker system prune, or docker loom prune")
	}
	if info.Memory > 0 && info.Memory < scarceMemory {
		x.find(finding.Warning, "memory", fmt.Sprintf("the engine has %d MB", info.Memory>>20), "give Docker more memory")
	}
	x.checkConfinement(info)
	x.checkSandboxes(ctx)
	looms, err := x.engine.Looms(ctx)
	if err != nil {
		x.error("engine", err.Error(), "")
		return nil
	}
	return looms
}

func knows(state *registry.State, project string) bool {
	return slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool { return k.Project == project })
}

// checkRegistry compares the registry with the folders and with what the engine has.
func (d *Diagnosis) checkRegistry(state *registry.State, looms []engine.Loom) {
	onEngine := map[string]bool{}
	for _, e := range looms {
		onEngine[e.Project] = true
		if !knows(state, e.Project) && !state.Fresh {
			d.find(finding.Warning, "project "+e.Project,
				fmt.Sprintf("is of loom %s, which the registry does not know", registry.Name(e.Repo, e.ID)),
				inFolder(e.Repo, "docker loom down "+find.ShellWord(e.ID)+" --volumes ends it; up there takes it over"))
		}
	}
	d.checkTrees(state, onEngine)
	d.checkFolders(state)
}

// checkTrees looks for looms whose work tree is gone, and compares the files of the others with the registry.
func (d *Diagnosis) checkTrees(state *registry.State, onEngine map[string]bool) {
	for _, projects := range registry.ByLoom(state.Looms) {
		k := projects[0]
		if !host.IsGone(k.WorkTree) {
			for _, p := range projects {
				d.checkBlock(p)
			}
			continue
		}
		left := "only its leases are left"
		if slices.ContainsFunc(projects, func(p *registry.Loom) bool { return onEngine[p.Project] }) {
			left = "its containers or volumes are still there"
		}
		d.find(finding.Warning, "loom "+k.Name(), "its work tree "+k.WorkTree+" is gone; "+left, "docker loom prune")
	}
}

// checkFolders looks for folders that several looms share, or several projects of one, and for projects whose folder is
// gone.
func (d *Diagnosis) checkFolders(state *registry.State) {
	in := map[string][]*registry.Loom{}
	for _, k := range state.Looms {
		if k.Dir == "" || host.IsGone(k.WorkTree) {
			continue
		}
		in[k.Dir] = append(in[k.Dir], k)
		if host.IsGone(k.Dir) {
			d.find(finding.Warning, "loom "+k.Name(), "the folder of its project "+k.Project+" is gone: "+k.Dir,
				inFolder(k.WorkTree, find.WithProject(
					"docker loom down "+find.ShellWord(k.ID)+" --volumes ends the project", k.Folder())))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(in)) {
		looms := registry.ByLoom(in[dir])
		for _, projects := range looms {
			d.checkShared(dir, projects[0], projects)
		}
		if len(looms) > 1 {
			var ids []string
			for _, projects := range looms {
				ids = append(ids, projects[0].ID)
			}
			slices.Sort(ids)
			d.find(finding.Info, "folder "+dir,
				"has several looms: "+strings.Join(ids, ", ")+"; plain docker compose there acts on one of them", "")
		}
	}
}

// checkShared looks whether several projects of one loom have the same folder.
func (d *Diagnosis) checkShared(dir string, k *registry.Loom, projects []*registry.Loom) {
	if len(projects) < 2 {
		return
	}
	var names []string
	for _, p := range projects {
		names = append(names, p.Project)
	}
	d.find(finding.Warning, "folder "+dir, "has several projects of loom "+k.Name()+": "+strings.Join(names, ", "),
		inFolder(k.WorkTree, "docker loom down "+find.ShellWord(k.ID)+" --volumes ends the loom; up makes one of them again"))
}

// inFolder is a next step that is taken in a folder.
func inFolder(folder, step string) string { return "cd " + find.ShellWord(folder) + " && " + step }

// checkBlock compares the block in a loom's .env with its leases.
func (d *Diagnosis) checkBlock(k *registry.Loom) {
	if !k.Files {
		return
	}
	path := filepath.Join(k.Dir, overrides.EnvFile)
	env, err := rooted.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.find(finding.Warning, "file "+path, "cannot be read: "+err.Error(), "put a file there, or remove what is there")
		}
		return
	}
	id, vars, ok := overrides.Block(env)
	if !ok {
		return
	}
	again := "docker loom up " + k.ID
	if folder := k.Folder(); folder != "" && folder != "." {
		again = find.WithProject(again, folder)
	}
	if id != k.ID {
		d.find(finding.Warning, "file "+path,
			"has the block of loom "+id+", but the folder is loom "+k.ID+"'s", again)
		return
	}
	for _, v := range vars {
		isPort := strings.HasPrefix(v.Name, overrides.PortPrefix) && !strings.Contains(v.Value, "-")
		isLeased := slices.ContainsFunc(k.Ports, func(l ports.Lease) bool { return strconv.Itoa(l.Host) == v.Value })
		if isPort && !isLeased {
			d.find(finding.Warning, "file "+path, v.Name+" is "+v.Value+", which is not a port of the loom", again)
		}
		if v.Name == "COMPOSE_PROJECT_NAME" && v.Value != k.Project {
			d.find(finding.Warning, "file "+path, "names project "+v.Value+" instead of "+k.Project, again)
		}
	}
}

// checkLoom looks at the loom that is meant, if there is one: at all its projects, unless one is named.
func (x examination) checkLoom(ctx context.Context, where loom.Where) {
	if !x.Docker.SocketConnected {
		return
	}
	t, err := x.looms.Finder().Resolve(ctx, where, loom.Making)
	if errors.As(err, new(*find.NoProjectHereError)) {
		where.WholeLoom = true
		t, err = x.looms.Finder().Resolve(ctx, where, loom.Making)
	}
	if err != nil {
		x.error("loom", err.Error(), "")
		return
	}
	if x.engine.Local() {
		x.checkACLs(t.WorkTree)
	}
	x.checkSandboxImages(ctx, t)
	x.checkProject(ctx, t, where.ID != "")
	if t.Part {
		return
	}
	mode := x.Mode
	for _, k := range t.Projects {
		if k != t.Known {
			x.checkProject(ctx, t.Of(k), true)
		}
	}
	x.Mode = mode
}

// checkProject looks at one project of a loom. mustBe says that it is an error if there is none.
func (x examination) checkProject(ctx context.Context, t *loom.Target, mustBe bool) {
	subject, prefix := "loom "+t.ID, ""
	if len(t.Projects) > 1 && t.Known != nil {
		prefix = "project " + t.Known.Folder() + ", "
		subject = prefix + subject
	}
	plan, err := x.looms.Plan(ctx, t, loom.Options{DryRun: true})
	if err != nil {
		if mustBe || !errors.Is(err, stack.ErrNoProject) {
			x.error(subject, err.Error(), "")
		}
		return
	}
	x.Mode = "compose"
	if plan.Base.Dockerfile != "" {
		x.Mode = "dockerfile"
	}
	for _, f := range plan.Findings {
		f.Subject = prefix + f.Subject
		if prefix != "" {
			f.Remedy = find.WithProject(f.Remedy, t.Known.Folder())
		}
		x.Findings = append(x.Findings, f)
	}
	if plan.Dev != nil {
		x.checkDevContainers(ctx, t, plan.Dev.IDLabels)
	}
	if x.Docker.ImageName == "" {
		x.Docker.ImageAvailable = true
	}
	for _, name := range plan.Project.ServiceNames() {
		ref := stack.Image(plan.Project.Services[name], plan.Project.Name)
		id, err := x.engine.ImageID(ctx, ref)
		if missing := err != nil || id == ""; missing && x.Docker.ImageAvailable || x.Docker.ImageName == "" {
			x.Docker.ImageName, x.Docker.ImageAvailable = ref, !missing
		}
	}
	networks, err := x.engine.Networks(ctx, map[string]string{stack.LabelProject: plan.Project.Name})
	x.Docker.NetworkExists = x.Docker.NetworkExists || err == nil && len(networks) > 0
}

// checkDevContainers looks at the dev containers that there are for the folder.
func (x examination) checkDevContainers(ctx context.Context, t *loom.Target, labels map[string]string) {
	x.Mode = "devcontainer"
	there, err := x.engine.Labelled(ctx, labels)
	if err != nil {
		x.error("engine", err.Error(), "")
		return
	}
	folder := ""
	if len(t.Projects) > 1 && t.Known != nil {
		folder = t.Known.Folder()
	}
	for _, c := range there {
		switch id := c.Labels[engine.LabelLoom]; {
		case id != "" && (id != t.ID || c.Labels[engine.LabelRepo] != t.Repository):
			x.find(finding.Warning, "container "+c.Name,
				"is the dev container of this folder, and loom "+id+"'s: a folder has one only",
				"give loom "+t.ID+" a work tree of its own")
		case id == "" && t.Known != nil && t.Known.Adopted == nil && t.ID != loom.Main:
			x.find(finding.Warning, "container "+c.Name,
				"was made by another tool from the plain files (a rebuild in the editor): "+
					"it has neither the ports nor the volumes of loom "+t.ID,
				find.WithProject("run docker loom up "+t.ID+": it recreates the container", folder))
		}
	}
}
