// Package belongings tells what of a Compose project on the engine was made for a loom, and what only bears its name.
package belongings

import (
	"context"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Belongings is what the engine has in a Compose project of a loom. Any tool can give its own objects the project's
// label, so the label alone does not make an object the loom's.
type Belongings struct {
	// Containers are the loom's, also an adopted one, which need not be in the project.
	Containers []engine.Container
	// Networks and Volumes are the loom's; Kept are the names of the project's other volumes.
	Networks []engine.Network
	Volumes  []engine.Volume
	Kept     []string
	// Left says what stays although it is in the project.
	Left []string
	// Unlabelled reports that containers stay for no other reason than [Search.LabelledOnly].
	Unlabelled bool

	Search
	// others are the containers in the project that are not the loom's.
	others []engine.Container
}

// Search says whose belongings are looked for.
type Search struct {
	// Target is the loom; Known is the project.
	Target *survey.Target
	// LabelledOnly counts only what bears docker loom's labels as the loom's.
	LabelledOnly bool
}

// Find lists what the engine has in a project of a loom. containers are those of the project, and an adopted one.
func Find(ctx context.Context, e *engine.Engine, s Search, containers []engine.Container) (*Belongings, error) {
	b := &Belongings{Search: s}
	b.takeContainers(containers)
	byProject := map[string]string{stack.LabelProject: s.Target.Known.Project}
	networks, err := e.Networks(ctx, byProject)
	if err != nil {
		return nil, err
	}
	b.takeNetworks(networks)
	volumes, err := e.Volumes(ctx, byProject)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		if b.ownsVolume(v) {
			b.Volumes = append(b.Volumes, v)
		} else {
			b.Kept = append(b.Kept, v.Name)
		}
	}
	return b, nil
}

// isLabelled reports whether labels say that an object was made for the loom.
func (b *Belongings) isLabelled(labels map[string]string) bool {
	return labels[stack.LabelProject] == b.Target.Known.Project &&
		labels[engine.LabelLoom] == b.Target.ID && labels[engine.LabelRepo] == b.Target.Repository
}

func (b *Belongings) takeContainers(all []engine.Container) {
	files := b.filesOfOwn(all)
	for _, c := range all {
		// What docker compose made in the loom's folder of the same files is the loom's too.
		isOwn := b.isDevContainer(c) || b.isOfFolder(c) && files[configFiles(c)]
		switch {
		case b.isLabelled(c.Labels), isOwn && !b.LabelledOnly:
			b.Containers = append(b.Containers, c)
			continue
		case isOwn:
			b.Unlabelled = true
			b.Left = append(b.Left, "container "+c.Name+
				", which bears no label of docker loom (docker loom down "+b.Target.ID+" removes it)")
		default:
			b.Left = append(b.Left, "container "+c.Name+", which was not made for the loom")
		}
		b.others = append(b.others, c)
	}
}

// filesOfOwn are the compose files that containers of the loom were made of.
func (b *Belongings) filesOfOwn(all []engine.Container) map[string]bool {
	own, ofFolder := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if b.isLabelled(c.Labels) || b.isDevContainer(c) || b.isFromKnownFiles(c) {
			own[configFiles(c)] = true
		}
		if b.isOfFolder(c) {
			ofFolder[configFiles(c)] = true
		}
	}
	if len(own) == 0 && b.Target.ID == identity.Main && len(ofFolder) == 1 {
		// Only .env says which files main has, and it is not read here.
		return ofFolder
	}
	return own
}

// configFiles are the compose files that a container was made of.
func configFiles(c engine.Container) string {
	files := strings.Split(c.Labels[stack.LabelConfigFiles], ",")
	for i, file := range files {
		files[i] = host.RealPath(file)
	}
	return strings.Join(files, ",")
}

// isDevContainer reports whether another tool made the container as the dev container of the loom's folder.
func (b *Belongings) isDevContainer(c engine.Container) bool {
	if c.Labels[engine.LabelLoom] != "" {
		return false
	}
	if adopted := b.Target.Known.Adopted; len(adopted) > 0 && survey.HasLabels(c, adopted) {
		return true
	}
	folder := c.Labels[devcontainer.LabelLocalFolder]
	return isSameFolder(folder, b.Target.Known.WorkTree) || isSameFolder(folder, b.Target.Known.Dir)
}

// isOfFolder reports whether docker compose made the container in the folder of the loom's project, without the
// override.
func (b *Belongings) isOfFolder(c engine.Container) bool {
	return c.Labels[engine.LabelLoom] == "" && c.Project == b.Target.Known.Project &&
		isSameFolder(c.Labels[stack.LabelWorkingDir], b.Target.Known.Dir)
}

// isFromKnownFiles reports whether docker compose made the container in the folder of the loom's project, and of the
// files that it takes there by itself or that the user named for this command.
func (b *Belongings) isFromKnownFiles(c engine.Container) bool {
	files := strings.Split(c.Labels[stack.LabelConfigFiles], ",")
	return b.isOfFolder(c) && (stack.HaveDefaultNames(files) || stack.AreNamed(b.Target.Source, files))
}

func isSameFolder(a, b string) bool {
	return a != "" && b != "" && (a == b || host.RealPath(a) == host.RealPath(b))
}

func (b *Belongings) takeNetworks(all []engine.Network) {
	for _, n := range all {
		on := func(c engine.Container) bool { return slices.Contains(c.Networks, n.Name) }
		isOwn := b.isLabelled(n.Labels) ||
			n.Labels[engine.LabelLoom] == "" && (slices.ContainsFunc(b.Containers, on) || b.isOfCompose(n))
		switch at := slices.IndexFunc(b.others, on); {
		case !isOwn:
			b.Left = append(b.Left, "network "+n.Name+", which was not made for the loom")
		case at >= 0:
			b.Left = append(b.Left, UsedBy("network", n.Name, []string{b.others[at].Name}))
		default:
			b.Networks = append(b.Networks, n)
		}
	}
}

// isOfCompose reports whether Compose made a network for main or an adopted project. It then has no label of the loom,
// and it need not have a container.
func (b *Belongings) isOfCompose(n engine.Network) bool {
	k := b.Target.Known
	if b.LabelledOnly || b.Target.ID != identity.Main && k.Adopted == nil || n.Labels[stack.LabelConfigHash] == "" {
		return false
	}
	return n.Name == k.Project+"_"+n.Labels[stack.LabelNetwork]
}

// UsedBy says that a network or a volume of the loom stays.
func UsedBy(kind, name string, by []string) string {
	return kind + " " + name + ", which container " + strings.Join(by, ", ") + " uses"
}

// ownsVolume reports whether a volume of the project is the loom's. The volumes of main have no label of docker loom:
// those that its containers mount are its own. A volume that the settings share has no label of docker loom either.
func (b *Belongings) ownsVolume(v engine.Volume) bool {
	if b.isLabelled(v.Labels) {
		return true
	}
	if b.Target.ID != identity.Main || b.LabelledOnly || v.Labels[engine.LabelLoom] != "" {
		return false
	}
	return slices.ContainsFunc(b.Containers, func(c engine.Container) bool { return slices.Contains(c.Volumes, v.Name) })
}

// InStack is the part of the belongings that Compose removes.
func (b *Belongings) InStack(isCompanions func(engine.Container) bool) stack.Own {
	own := stack.Own{Containers: map[string]bool{}, Networks: map[string]bool{}}
	for _, c := range b.Containers {
		if c.Project == b.Target.Known.Project && !isCompanions(c) {
			own.Containers[c.ID] = true
		}
	}
	for _, n := range b.Networks {
		own.Networks[n.ID] = true
	}
	return own
}
