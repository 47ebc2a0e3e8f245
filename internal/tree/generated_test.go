package tree

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

func TestGeneratedFilesAreThoseThatSayTheyAreTheLooms(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Remote)
	dir := w.Path("shop")
	target := &find.Target{ID: "1", Repository: dir, Known: &registry.Loom{ID: "1", Dir: dir, WorkTree: dir}}
	files, _ := Generated(target)
	assert.Equal(t, len(files), 0, "no folder")
	w.Write("# Made by docker loom for shop/2. It keeps\n", "shop", overrides.OverrideFile)
	w.Write("# Made by docker loom for shop/1. It keeps\n", "shop", ".iloom", "compose.loom.yaml")
	w.Write("A=1\n# >>> docker loom 2\nX=\"1\"\n# <<< docker loom\n", "shop", ".env")
	files, _ = Generated(target)
	assert.DeepEqual(t, files, []overrides.File{{Path: w.Path("shop", ".iloom", "compose.loom.yaml")}})
	w.Write("A=1\n# >>> docker loom 1\nX=\"1\"\n# <<< docker loom\nB=2\n", "shop", ".env")
	files, unread := Generated(target)
	assert.Equal(t, len(unread), 0)
	assert.Equal(t, len(files), 2)
	assert.Equal(t, string(files[1].Content), "A=1\nB=2\n")
	target.Known.Dir = ""
	files, _ = Generated(target)
	assert.Equal(t, len(files), 0)
}
