package trust

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/settings"
)

func TestSettingsOfAMainWorkTreeAreItsLoomsAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.NilError(t, os.Mkdir(filepath.Join(dir, ".iloom"), 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".iloom", "settings.json"), []byte(`{"container": {
		"agent": {"egress": {"mode": "open", "allow": ["a.test"]}, "credentials": ["git"], "mounts": [{"source": "/srv"}, {"source": "/data", "readOnly": false}],
			"dockerAccess": "socket", "servicesEgress": "open", "memory": "8g", "command": "not a power"},
		"agents": {"reviewer": {"readOnly": true, "egress": {"mode": "none", "allow": []}, "credentials": [], "mounts": [], "dockerAccess": "none", "servicesEgress": "restricted"}}
	}}`), 0o600))
	set, err := settings.Read(settings.Sources{WorkTree: dir})
	assert.NilError(t, err)
	got := PolicyAccess(set, "agent")
	assert.DeepEqual(t, got, []string{
		"agent agent has the Docker socket", "agent agent has your credentials of git", "agent agent may take memory of 8g", "agent agent reaches a.test",
		"agent agent reaches every public host", "agent agent reads /srv", "agent agent works beside services that reach every public host",
		"agent agent writes to /data", "agent reviewer may take memory of 8g",
	})
}
