package loom

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// testWorld is a machine with looms.
type testWorld struct {
	*worldtest.World
	looms *Looms
}

// newWorld makes a machine with an engine at the address.
func newWorld(t *testing.T, endpoint string) *testWorld {
	t.Helper()
	w := &testWorld{World: worldtest.New(t, endpoint)}
	w.looms = &Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	}
	return w
}

func in(dir, id string) Where { return Where{ID: id, Source: stack.Source{Dir: dir}} }

// plan resolves and plans as up does, and leases.
func (w *testWorld) plan(dir, id string, o Options) (*Plan, error) {
	w.T.Helper()
	target, err := w.looms.Finder().Resolve(w.T.Context(), in(dir, id), Making)
	if err != nil {
		return nil, err
	}
	d, err := w.draft(target, o)
	if err != nil {
		return nil, err
	}
	return d.Plan, nil
}

// draft plans a loom as up does, and leases unless it is a dry run. Nobody is asked what the loom may do.
func (w *testWorld) draft(target *Target, o Options) (*draft, error) {
	w.T.Helper()
	ctx := w.T.Context()
	d, err := w.looms.planner().begin(ctx, target, o)
	if err != nil {
		return nil, err
	}
	if err := w.looms.planner().readProject(ctx, d); err != nil {
		return nil, err
	}
	if !o.DryRun {
		if err := w.looms.planner().prepare(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := w.looms.planner().decide(ctx, d); err != nil || o.DryRun {
		return d, err
	}
	return d, w.looms.planner().lease(ctx, d)
}

// mustPlan is plan that has to work.
func (w *testWorld) mustPlan(dir, id string, o Options) *Plan {
	w.T.Helper()
	p, err := w.plan(dir, id, o)
	assert.NilError(w.T, err)
	return p
}

func hostPorts(p *Plan) []int {
	list := []int{}
	for _, l := range p.Entry.Ports {
		list = append(list, l.Host)
	}
	return list
}
