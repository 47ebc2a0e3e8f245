package inventory

import (
	"testing"
	"time"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// t0 is a moment.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestMain(m *testing.M) { worldtest.Main(m) }

// testWorld is a machine with looms.
type testWorld struct {
	*worldtest.World
	looms *loom.Looms
}

// newWorld makes a machine with an engine at the address.
func newWorld(t *testing.T, endpoint string) *testWorld {
	t.Helper()
	w := &testWorld{World: worldtest.New(t, endpoint)}
	w.looms = &loom.Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	}
	return w
}

func in(dir, id string) find.Where { return find.Where{ID: id, Source: stack.Source{Dir: dir}} }
