package devbox

import (
	"encoding/hex"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestEditorURIHasTheFolderAsTheLabelHasIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ folder, config, inside, host, path string }{
		{"/home/dev/My App", "/home/dev/My App/.devcontainer/devcontainer.json", "/workspaces/My App", "/home/dev/My App", "/workspaces/My%20App"},
		{"/x", "/x/.devcontainer.json", "/", "/x", "/"},
		{"/x", "", "/w", "/x", "/w"},
		{"/x", "/x/.devcontainer/py/devcontainer.json", "/w", `{"configFile":{"$mid":1,"path":"/x/.devcontainer/py/devcontainer.json","scheme":"file"},"hostPath":"/x"}`, "/w"},
	} {
		uri, err := makeURI(c.folder, c.config, c.inside)
		assert.NilError(t, err)
		rest, ok := strings.CutPrefix(uri, "vscode-remote://dev-container+")
		assert.Assert(t, ok, uri)
		coded, path, _ := strings.Cut(rest, "/")
		host, err := hex.DecodeString(coded)
		assert.NilError(t, err)
		assert.Equal(t, string(host), c.host)
		assert.Equal(t, "/"+path, c.path)
	}
	_, err := makeURI("/x", "", "")
	assert.ErrorContains(t, err, "workspaceFolder")
}
