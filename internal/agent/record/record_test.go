package record

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

func TestTheStateOfASandboxIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	store := NewStore(filepath.Join(t.TempDir(), "registry.json"))
	want := Sandbox{
		WantedDigest: "a", Sandbox: "b", SandboxStart: "c", Egress: "d", EgressStart: "e", Image: "f", ImageID: "g", User: "1:2",
		WorkTree: "/w", GrantedUID: 3, GitPointers: "h", Access: []string{"i"}, Warnings: []string{"j"}, Sources: []string{"k"},
		GuardedFiles: []string{"l"}, GuardedStamp: "m",
	}
	assert.NilError(t, store.Write("p", "", want))
	got, ok := store.Read("p", sandbox.DefaultAgent)
	assert.Assert(t, ok)
	assert.DeepEqual(t, got, want)
	// An earlier docker loom wrote these names.
	text, err := os.ReadFile(store.path("p", ""))
	assert.NilError(t, err)
	assert.Equal(t, string(text), `{"Wanted":"a","Sandbox":"b","SandboxStart":"c","Egress":"d","EgressStart":"e","Image":"f","ImageID":"g",`+
		`"User":"1:2","Dir":"/w","Owner":3,"Git":"h","Access":["i"],"Loud":["j"],"Sources":["k"],"Guard":["l"],"Stamp":"m"}`)
}
