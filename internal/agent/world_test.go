package agent

import (
	"testing"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// testWorld is a machine with looms and their agents.
type testWorld struct {
	*worldtest.World
	agents *Agents
}

func newWorld(t *testing.T) *testWorld {
	t.Helper()
	w := worldtest.New(t, worldtest.Local)
	return &testWorld{World: w, agents: New(&loom.Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	})}
}
