package looms

import (
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/loom"
)

func TestTheWatchedTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	share := 12.34
	list := []loom.Listed{
		{
			ID: "123", Repository: "/src/shop", WorkTree: "/src/shop-looms/feat-issue-123", State: "running", Health: "unhealthy", Held: true,
			Ports: []loom.Port{{Service: "web", Published: 3123, Protocol: "tcp"}, {Service: "db", Published: 5555, Protocol: "tcp"}}, Created: now.Add(-3 * time.Hour),
		},
		{ID: "124", Repository: "/src/shop", WorkTree: "/src/shop", State: "down", Created: now.Add(-72 * time.Hour)},
	}
	used := []loom.Usage{
		{Loom: "123", Repository: "/src/shop", CPU: &share, Memory: 100 << 20},
		{Loom: "123", Repository: "/src/shop", CPU: &share, Memory: 28 << 20},
		{Loom: "123", Repository: "/src/other", CPU: &share, Memory: 1 << 40},
	}
	assert.Equal(t, watchTable(list, used, 0, now), `LOOM      STATE     HEALTH     CPU %  MEMORY  AGE  PORTS              WORK TREE
shop/123  running*  unhealthy  24.7   128MiB  3h   web:3123, db:5555  /src/shop-looms/feat-issue-123
shop/124  down      --         --     --      3d                      /src/shop
`)
	narrow := watchTable(list, used, 80, now)
	assert.Equal(t, narrow, `LOOM      STATE     HEALTH     CPU %  MEMORY  AGE  PORTS      WORK TREE
shop/123  running*  unhealthy  24.7   128MiB  3h   3123,5555  …ms/feat-issue-123
shop/124  down      --         --     --      3d              /src/shop
`)
	for line := range strings.Lines(narrow) {
		assert.Assert(t, len([]rune(line)) <= 81, line)
	}
}
