package features

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// CycleError says that features depend on one another in a circle.
type CycleError struct {
	// IDs is the circle, its first feature once more at the end.
	IDs []string
}

// Error shows the circle.
func (e *CycleError) Error() string {
	return "features depend on one another: " + strings.Join(e.IDs, " → ")
}

// NextStep says what the user does next.
func (*CycleError) NextStep() string {
	return "remove one of them from the dependsOn or installsAfter of another"
}

// node is one feature to be installed.
type node struct {
	*Feature
	// hard are the dependencies that must be installed, soft those that only order.
	hard     []*node
	soft     []ID
	priority int
}

// same reports whether two are one installation (specification, "Definition: Feature Equality"). Local features never
// are, but for the same declaration met again by way of dependsOn.
func (n *node) same(f *Feature) bool {
	return n.ID.Resource() == f.ID.Resource() && n.Digest == f.Digest && maps.Equal(n.Options, f.Options)
}

// matches reports whether an id of installsAfter or overrideFeatureInstallOrder means the feature, of whatever version;
// a former name counts too.
func (n *node) matches(id ID) bool {
	if id.Source != n.ID.Source {
		return false
	}
	if id.Resource() == n.ID.Resource() {
		return true
	}
	if n.ID.Source != SourceOCI {
		return false
	}
	namespace := strings.TrimSuffix(n.ID.Resource(), n.ID.name())
	return slices.ContainsFunc(n.Manifest.LegacyIDs, func(old string) bool { return namespace+old == id.Resource() })
}

// order puts the nodes in the order of their installation, in rounds: of those whose dependencies are installed, the
// ones with the highest priority come next, sorted (specification, "Dependency installation order algorithm").
func order(nodes []*node) ([]*Feature, error) {
	var installed []*node
	var list []*Feature
	left := slices.Clone(nodes)
	for len(left) > 0 {
		var round []*node
		for _, n := range left {
			if n.ready(installed, left) {
				round = append(round, n)
			}
		}
		if len(round) == 0 {
			return nil, &CycleError{circle(left)}
		}
		highest := slices.MaxFunc(round, func(a, b *node) int { return cmp.Compare(a.priority, b.priority) }).priority
		round = slices.DeleteFunc(round, func(n *node) bool { return n.priority < highest })
		slices.SortStableFunc(round, compare)
		for _, n := range round {
			installed, list = append(installed, n), append(list, n.Feature)
		}
		left = slices.DeleteFunc(left, func(n *node) bool { return slices.Contains(round, n) })
	}
	return list, nil
}

func (n *node) ready(installed, left []*node) bool {
	for _, d := range n.hard {
		if !slices.Contains(installed, d) {
			return false
		}
	}
	for _, id := range n.soft {
		if slices.ContainsFunc(left, func(other *node) bool { return other != n && other.matches(id) }) {
			return false
		}
	}
	return true
}

// circle finds one in nodes of which none is ready: each waits for another of them.
func circle(left []*node) []string {
	var path []*node
	n := left[0]
	for !slices.Contains(path, n) {
		path = append(path, n)
		n = n.waitsFor(left)
	}
	path = append(path[slices.Index(path, n):], n)
	var ids []string
	for _, n := range path {
		ids = append(ids, n.ID.Written)
	}
	return ids
}

func (n *node) waitsFor(left []*node) *node {
	for _, d := range n.hard {
		if slices.Contains(left, d) {
			return d
		}
	}
	for _, id := range n.soft {
		for _, other := range left {
			if other != n && other.matches(id) {
				return other
			}
		}
	}
	return n
}

// compare is the order within a round (specification, "Definition: Round Stable Sort"): resource, tag from old to
// new, more options of the user first, then their names and values, then the digest. The declaration's order decides
// at last.
func compare(a, b *node) int {
	return cmp.Or(
		strings.Compare(a.ID.Resource(), b.ID.Resource()),
		compareTags(a.ID.Tag, b.ID.Tag),
		cmp.Compare(len(b.user), len(a.user)),
		slices.Compare(sorted(a.user), sorted(b.user)),
		slices.Compare(valuesByName(a.user), valuesByName(b.user)),
		strings.Compare(a.Digest, b.Digest),
	)
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func valuesByName(m map[string]string) []string {
	var list []string
	for _, name := range sorted(m) {
		list = append(list, m[name])
	}
	return list
}

// compareTags orders tags from old to new: numbers part by part, other words before those, latest and none
// last. Where one is the beginning of the other it is newer, since 1 moves on and 1.2 does not.
func compareTags(a, b string) int {
	rank := func(tag string) int {
		switch {
		case tag == "" || tag == "latest":
			return 2
		case strings.Trim(tag, "0123456789.") == "":
			return 1
		}
		return 0
	}
	if r := cmp.Compare(rank(a), rank(b)); r != 0 || rank(a) != 1 {
		return cmp.Or(r, strings.Compare(a, b))
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(bs), len(as))
}

// graph makes nodes of what was asked for and, recursively, of what that depends on. fetch gives the feature of an id.
func graph(asked []request, priorities []ID, fetch func(request) (*Feature, error)) ([]*node, error) {
	var nodes []*node
	var visit func(r request, path []string) (*node, error)
	visit = func(r request, path []string) (*node, error) {
		f, err := fetch(r)
		if err != nil {
			if len(path) > 0 {
				return nil, fmt.Errorf("%w (needed by %s)", err, path[len(path)-1])
			}
			return nil, err
		}
		for _, n := range nodes {
			// Two declarations of a local feature are two, the same dependency met twice is one.
			if n.same(f) && (f.ID.Source != SourceLocal || len(path) > 0) {
				return n, nil
			}
		}
		n := &node{Feature: f}
		nodes = append(nodes, n)
		for _, after := range f.Manifest.InstallsAfter {
			if id, err := r.parse(after); err == nil {
				n.soft = append(n.soft, id)
			}
		}
		for i, id := range priorities {
			if n.matches(id) {
				n.priority = max(n.priority, len(priorities)-i)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(f.Manifest.DependsOn)) {
			dependency := request{
				id: id, options: f.Manifest.DependsOn[id], configDir: r.configDir, workspace: r.workspace,
			}
			dep, err := visit(dependency, append(path, f.ID.Written))
			if err != nil {
				return nil, err
			}
			n.hard = append(n.hard, dep)
		}
		return n, nil
	}
	for _, r := range asked {
		if _, err := visit(r, nil); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// request asks for a feature with its options as written.
type request struct {
	id                   string
	options              json.RawMessage
	configDir, workspace string
}

func (r request) parse(id string) (ID, error) { return ParseID(id, r.configDir, r.workspace) }
