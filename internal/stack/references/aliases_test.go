package references

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func TestAliasesAreCountedBeforeTheyAreWrittenOut(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("x0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 20 {
		fmt.Fprintf(&bomb, "x%d: &a%[1]d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	var refused *AliasError
	assert.ErrorType(t, boundAliases([]byte(bomb.String())), refused)
	assert.ErrorType(t, boundAliases([]byte("a: &a\n  b: *a\n")), refused)
	many := "a: &a {b: 1}\nc:\n" + strings.Repeat("  - *a\n", 10_000)
	assert.NilError(t, boundAliases([]byte(many)))
	assert.NilError(t, boundAliases([]byte("command: \"a & b * c\"\n")))
	assert.NilError(t, boundAliases([]byte("a: [*missing, &x\n")))
}

// Two files that include each other's copies twice would be read 2^n times.
func TestAWalkEnds(t *testing.T) {
	t.Parallel()
	read := readerFunc(func(path string) ([]byte, error) {
		level, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return nil, fs.ErrNotExist // .env
		}
		return fmt.Appendf(nil, "include: [\"%d\", \"%[1]d\"]\n", level+1), nil
	})
	f := Files{Reader: read}
	err := f.ReadReferences(t.Context(), "/p", []types.ConfigFile{{Filename: "/p/a", Content: []byte("include: ['0']")}}, types.Mapping{})
	var endless *EndlessError
	assert.ErrorType(t, err, endless)
}

func TestAPathAboveTheRootIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"include: [../../../x.yaml]", "include: [{path: a.yaml, env_file: ../../../.env}]",
		"include: [{path: a.yaml, project_directory: ../../..}]", "services: {a: {extends: {file: sub/../../../../x, service: b}}}",
	} {
		f := Files{Reader: readerFunc(func(string) ([]byte, error) { return nil, nil })}
		err := f.ReadReferences(t.Context(), "/p/q", []types.ConfigFile{{Filename: "/p/q/a", Content: []byte(text)}}, types.Mapping{})
		var above *AboveRootError
		assert.ErrorType(t, err, above, text)
	}
}

type readerFunc func(path string) ([]byte, error)

func (f readerFunc) Read(path string) ([]byte, error) { return f(path) }
