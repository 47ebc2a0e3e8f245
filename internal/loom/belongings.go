package loom

import (
	"context"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// belongings is what the engine has in a loom's Compose project. Any tool can give its own objects the project's label,
// so the label alone does not make an object the loom's.
type belongings struct {
	target *Target
	// labelledOnly counts only what bears docker loom's labels as the loom's.
	labelledOnly bool

	// containers are the loom's, also an adopted one, which need not be in the project.
	containers []engine.Container
	// networks and volumes are the loom's; kept are the names of the project's other volumes.
	networks []engine.Network
	volumes  []engine.Volume
	kept     []string
	// others are the containers in the project that are not the loom's.
	others []engine.Container
	// left says what stays although it is in the project.
	left []string
	// unlabelled reports that containers stay for no other reason than labelledOnly.
	unlabelled bool
}

// belongings lists what the engine has in the project of a loom.
func (l *Looms) belongings(ctx context.Context, t *Target, labelledOnly bool) (*belongings, error) {
	b := &belongings{target: t, labelledOnly: labelledOnly}
	containers, err := l.Containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	b.takeContainers(containers)
	byProject := map[string]string{stack.LabelProject: t.Known.Project}
	networks, err := l.Engine.Networks(ctx, byProject)
	if err != nil {
		return nil, err
	}
	b.takeNetworks(networks)
	volumes, err := l.Engine.Volumes(ctx, byProject)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		if b.ownsVolume(v) {
			b.volumes = append(b.volumes, v)
		} else {
			b.kept = append(b.kept, v.Name)
		}
	}
	return b, nil
}

// isLabelled reports whether labels say that an object was made for the loom.
func (b *belongings) isLabelled(labels map[string]string) bool {
	return labels[stack.LabelProject] == b.target.Known.Project &&
		labels[engine.LabelLoom] == b.target.ID && labels[engine.LabelRepo] == b.target.Repository
}

func (b *belongings) takeContainers(all []engine.Container) {
	files := b.filesOfOwn(all)
	for _, c := range all {
		// What docker compose made in the loom's folder of the same files is the loom's too.
		isOwn := b.isDevContainer(c) || b.isOfFolder(c) && files[configFiles(c)]
		switch {
		case b.isLabelled(c.Labels), isOwn && !b.labelledOnly:
			b.containers = append(b.containers, c)
			continue
		case isOwn:
			b.unlabelled = true
			b.left = append(b.left, "container "+c.Name+
				", which bears no label of docker loom (docker loom down "+b.target.ID+" removes it)")
		default:
			b.left = append(b.left, "container "+c.Name+", which was not made for the loom")
		}
		b.others = append(b.others, c)
	}
}

// filesOfOwn are the compose files that containers of the loom were made of.
func (b *belongings) filesOfOwn(all []engine.Container) map[string]bool {
	own, ofFolder := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if b.isLabelled(c.Labels) || b.isDevContainer(c) || b.isFromKnownFiles(c) {
			own[configFiles(c)] = true
		}
		if b.isOfFolder(c) {
			ofFolder[configFiles(c)] = true
		}
	}
	if len(own) == 0 && b.target.ID == Main && len(ofFolder) == 1 {
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
func (b *belongings) isDevContainer(c engine.Container) bool {
	if c.Labels[engine.LabelLoom] != "" {
		return false
	}
	if adopted := b.target.Known.Adopted; len(adopted) > 0 && survey.HasLabels(c, adopted) {
		return true
	}
	folder := c.Labels[devcontainer.LabelLocalFolder]
	return isSameFolder(folder, b.target.Known.WorkTree) || isSameFolder(folder, b.target.Known.Dir)
}

// isOfFolder reports whether docker compose made the container in the folder of the loom's project, without the
// override.
func (b *belongings) isOfFolder(c engine.Container) bool {
	return c.Labels[engine.LabelLoom] == "" && c.Project == b.target.Known.Project &&
		isSameFolder(c.Labels[stack.LabelWorkingDir], b.target.Known.Dir)
}

// isFromKnownFiles reports whether docker compose made the container in the folder of the loom's project, and of the
// files that it takes there by itself or that the user named for this command.
func (b *belongings) isFromKnownFiles(c engine.Container) bool {
	files := strings.Split(c.Labels[stack.LabelConfigFiles], ",")
	return b.isOfFolder(c) && (stack.HaveDefaultNames(files) || stack.AreNamed(b.target.Source, files))
}

func isSameFolder(a, b string) bool {
	return a != "" && b != "" && (a == b || host.RealPath(a) == host.RealPath(b))
}

func (b *belongings) takeNetworks(all []engine.Network) {
	for _, n := range all {
		on := func(c engine.Container) bool { return slices.Contains(c.Networks, n.Name) }
		isOwn := b.isLabelled(n.Labels) ||
			n.Labels[engine.LabelLoom] == "" && (slices.ContainsFunc(b.containers, on) || b.isOfCompose(n))
		switch at := slices.IndexFunc(b.others, on); {
		case !isOwn:
			b.left = append(b.left, "network "+n.Name+", which was not made for the loom")
		case at >= 0:
			b.left = append(b.left, usedBy("network", n.Name, []string{b.others[at].Name}))
		default:
			b.networks = append(b.networks, n)
		}
	}
}

// isOfCompose reports whether Compose made a network for main or an adopted project. It then has no label of the loom,
// and it need not have a container.
func (b *belongings) isOfCompose(n engine.Network) bool {
	k := b.target.Known
	if b.labelledOnly || b.target.ID != Main && k.Adopted == nil || n.Labels[stack.LabelConfigHash] == "" {
		return false
	}
	return n.Name == k.Project+"_"+n.Labels[stack.LabelNetwork]
}

// usedBy says that a network or a volume of the loom stays.
func usedBy(kind, name string, by []string) string {
	return kind + " " + name + ", which container " + strings.Join(by, ", ") + " uses"
}

// ownsVolume reports whether a volume of the project is the loom's. The volumes of main have no label of docker loom:
// those that its containers mount are its own. A volume that the settings share has no label of docker loom either.
func (b *belongings) ownsVolume(v engine.Volume) bool {
	if b.isLabelled(v.Labels) {
		return true
	}
	if b.target.ID != Main || b.labelledOnly || v.Labels[engine.LabelLoom] != "" {
		return false
	}
	return slices.ContainsFunc(b.containers, func(c engine.Container) bool { return slices.Contains(c.Volumes, v.Name) })
}

// inStack is the part of the belongings that Compose removes.
func (b *belongings) inStack(isCompanions func(engine.Container) bool) stack.Own {
	own := stack.Own{Containers: map[string]bool{}, Networks: map[string]bool{}, Images: map[string]bool{}}
	for _, c := range b.containers {
		if c.Project == b.target.Known.Project && !isCompanions(c) {
			own.Containers[c.ID], own.Images[c.Image] = true, true
		}
	}
	for _, n := range b.networks {
		own.Networks[n.ID] = true
	}
	return own
}
