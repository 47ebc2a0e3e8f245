package find

import (
	"testing"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// testWorld is a machine with looms.
type testWorld struct {
	*worldtest.World
	finder *Finder
}

// newWorld makes a machine with an engine at the address.
func newWorld(t *testing.T, endpoint string) *testWorld {
	t.Helper()
	w := &testWorld{World: worldtest.New(t, endpoint)}
	w.finder = &Finder{
		Engine: w.Engine, Registry: w.Registry, UserSettings: w.UserSettings(), Teller: w.Teller(), Process: host.Current(),
		InUse: &InUse{}, Last: &LastRead{},
	}
	return w
}

func in(dir, id string) Where { return Where{ID: id, Source: stack.Source{Dir: dir}} }
