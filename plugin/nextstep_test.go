package plugin

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// TestEveryExportedErrorTypeHasANextStep: whoever adds an error type says what its reader does next. A type that leaves
// it to the error inside returns "", with a comment.
func TestEveryExportedErrorTypeHasANextStep(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}",
		"./internal/...", "./devcontainer/...", "./overrides/...", "./plugin/...")
	list.Dir = ".."
	out, err := list.Output()
	assert.NilError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = export
	}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	isError := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	found := 0
	for path := range exports {
		if !strings.HasPrefix(path, "github.com/docker-loom/docker-loom/") || exports[path] == "" {
			continue
		}
		pkg, err := imports.Import(path)
		assert.NilError(t, err, path)
		for _, name := range pkg.Scope().Names() {
			o, isType := pkg.Scope().Lookup(name).(*types.TypeName)
			if !isType || !o.Exported() || o.IsAlias() || types.IsInterface(o.Type()) {
				continue
			}
			pointer := types.NewPointer(o.Type())
			if !types.Implements(pointer, isError) {
				continue
			}
			found++
			step, _, _ := types.LookupFieldOrMethod(pointer, true, pkg, "NextStep")
			_, isMethod := step.(*types.Func)
			assert.Check(t, isMethod, "%s.%s is an error without a NextStep method", path, name)
		}
	}
	assert.Assert(t, found > 50, "only %d error types were found", found)
}
