package engine

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// The labels of a loom. LabelLoom and LabelRepo are on services, networks and
// volumes and stay the same for a loom's life: Compose hashes them, so a change
// recreates networks and may lose volumes. The others are on containers only and
// not hashed.
const (
	LabelLoom     = "ai.iloom.loom"     // the loom's id
	LabelRepo     = "ai.iloom.repo"     // the repository's absolute path
	LabelWorkTree = "ai.iloom.worktree" // the work tree's absolute path
	LabelVersion  = "ai.iloom.version"  // of the plugin that made the container
	LabelOffset   = "ai.iloom.offset"   // decimal, what was added to every base port
	// LabelDevContainer is on a dev container: JSON of what its other labels do not tell (devbox.Label).
	LabelDevContainer = "ai.iloom.devcontainer"
)

// Loom is what an engine holds of one loom.
type Loom struct {
	ID       string
	Repo     string // the repository's path
	Project  string // the Compose project
	WorkTree string // of its newest container; "" without one
	Version  string // of its newest container
	Offset   int    // of its newest container; means nothing unless HasOffset

	HasOffset  bool
	Containers []Container
	Networks   []Network
	Volumes    []Volume
}

// Looms lists the looms that an engine holds anything of, sorted by repository
// and project, among them looms that are down with their volumes kept. Only what
// carries both labels of a loom and Compose's project label counts: a container
// inherits the labels of an image that was committed from a loom.
func (e *Engine) Looms(ctx context.Context) ([]Loom, error) {
	labels := map[string]string{LabelLoom: "", LabelRepo: ""}
	var (
		containers []Container
		networks   []Network
		volumes    []Volume
	)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		containers, err = e.Containers(ctx, Filter{Labels: labels})
		return err
	})
	g.Go(func() (err error) {
		networks, err = e.Networks(ctx, labels)
		return err
	})
	g.Go(func() (err error) {
		volumes, err = e.Volumes(ctx, labels)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}

	type key struct{ repo, id, project string }
	found := map[key]*Loom{}
	at := func(labels map[string]string) *Loom {
		k := key{labels[LabelRepo], labels[LabelLoom], labels[labelProject]}
		if found[k] == nil {
			found[k] = &Loom{ID: k.id, Repo: k.repo, Project: k.project}
		}
		return found[k]
	}
	for _, c := range containers {
		l := at(c.Labels)
		l.Containers = append(l.Containers, c)
	}
	for _, n := range networks {
		l := at(n.Labels)
		l.Networks = append(l.Networks, n)
	}
	for _, v := range volumes {
		l := at(v.Labels)
		l.Volumes = append(l.Volumes, v)
	}

	out := make([]Loom, 0, len(found))
	for _, l := range found {
		if len(l.Containers) > 0 {
			newest := slices.MaxFunc(l.Containers, func(a, b Container) int { return a.Created.Compare(b.Created) })
			l.WorkTree = newest.Labels[LabelWorkTree]
			l.Version = newest.Labels[LabelVersion]
			n, err := strconv.Atoi(newest.Labels[LabelOffset])
			l.Offset, l.HasOffset = n, err == nil
		}
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Loom) int {
		return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Project, b.Project), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}
