package agent

import (
	"testing"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// testWorld is a machine with looms and the companion that their agents have.
type testWorld struct {
	*worldtest.World
	companion *Companion
}

func newWorld(t *testing.T) *testWorld {
	t.Helper()
	w := worldtest.New(t, worldtest.Local)
	return &testWorld{World: w, companion: NewCompanion(&loom.Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	})}
}
