package looms

import (
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
)

func TestTheWatchedTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	share := 12.34
	list := []inventory.Listed{
		{
			ID: "123", Repository: "/src/shop", WorkTree: "/src/shop-looms/feat-issue-123", State: "running", Health: "unhealthy", Held: true,
			Ports: []loom.Port{{Service: "web", Published: 3123, Protocol: "tcp"}, {Service: "db", Published: 5555, Protocol: "tcp"}}, Created: now.Add(-3 * time.Hour),
		},
		{ID: "124", Repository: "/src/shop", WorkTree: "/src/shop", State: "down", Created: now.Add(-72 * time.Hour)},
	}
	used := []inventory.Usage{
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

func TestTheListFitsTheTerminalAndColorsTheState(t *testing.T) {
	t.Parallel()
	list := []inventory.Listed{
		{
			ID: "123", Repository: "/src/shop", WorkTree: "/src/shop-looms/feat-issue-123", State: "running", Running: 2,
			Ports: []loom.Port{{Service: "web", Published: 3123, Protocol: "tcp"}, {Service: "db", Published: 5555, Protocol: "tcp"}},
		},
		{ID: "124", Repository: "/src/shop", WorkTree: "/src/shop", State: "down"},
	}
	assert.Equal(t, listTable(list, fitOptions{}), `LOOM      STATE        CREATED  PORTS              WORK TREE
shop/123  running (2)           web:3123, db:5555  /src/shop-looms/feat-issue-123
shop/124  down                                     /src/shop
`)
	for width := 10; width < 100; width++ {
		for line := range strings.Lines(listTable(list, fitOptions{width: width})) {
			assert.Assert(t, len([]rune(strings.TrimSuffix(line, "\n"))) <= width, "%d: %s", width, line)
		}
	}
	// What is missing of a port is shown.
	assert.Equal(t, listTable(list, fitOptions{width: 54}), `LOOM      STATE        CREATED  PORTS      WORK TREE
shop/123  running (2)           3123,5555  …-issue-123
shop/124  down                             /src/shop
`)
	colored := listTable(list, fitOptions{color: true})
	assert.Assert(t, strings.Contains(colored, "shop/123  \x1b[32mrunning (2)\x1b[0m  ") && strings.Contains(colored, "\x1b[2mdown\x1b[0m  "), colored)
}
