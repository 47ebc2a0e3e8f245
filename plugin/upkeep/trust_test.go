package upkeep

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/loom"
)

func TestTrustIsListedByProjectIfALoomHasSeveral(t *testing.T) {
	t.Parallel()
	rows := func(list ...loom.Trust) string {
		var lines []string
		for _, row := range trustTable(list) {
			lines = append(lines, strings.Join(row[:3], " "))
		}
		return strings.Join(lines, "|")
	}
	web, api := loom.Trust{Loom: "7", Repository: "/shop", Folder: "apps/web"}, loom.Trust{Loom: "7", Repository: "/shop", Folder: "apps/api"}
	assert.Equal(t, rows(web), "LOOM CHECKED SINCE|shop/7 no -")
	assert.Equal(t, rows(web, api), "LOOM PROJECT CHECKED|shop/7 apps/web no|shop/7 apps/api no")
}
