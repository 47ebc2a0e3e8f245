package devcontainer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestFindTakesTheNearestAndTheFirstInOrder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, dir, top string
		files          []string
		path, opened   string // of what is found; "" for nothing
	}{
		{"nothing", ".", "", nil, "", ""},
		{"in .devcontainer", ".", "", []string{".devcontainer/devcontainer.json", ".devcontainer.json"}, ".devcontainer/devcontainer.json", "."},
		{"beside the code", ".", "", []string{".devcontainer.json", ".devcontainer/go/devcontainer.json"}, ".devcontainer.json", "."},
		{"the only named one", ".", "", []string{".devcontainer/go/devcontainer.json"}, ".devcontainer/go/devcontainer.json", "."},
		{"a named one deeper down is none", ".", "", []string{".devcontainer/a/b/devcontainer.json"}, "", ""},
		{"a default beats named ones", ".", "", []string{".devcontainer/devcontainer.json", ".devcontainer/a/devcontainer.json", ".devcontainer/b/devcontainer.json"}, ".devcontainer/devcontainer.json", "."},
		{"above, within the work tree", "a/b", ".", []string{".devcontainer.json"}, ".devcontainer.json", "."},
		{"nearest", "a/b", ".", []string{".devcontainer.json", "a/.devcontainer/devcontainer.json"}, "a/.devcontainer/devcontainer.json", "a"},
		{"not above the top", "a/b", "a", []string{".devcontainer.json"}, "", ""},
		{"without a top only here", "a/b", "", []string{".devcontainer.json"}, "", ""},
		{"a folder of that name is none", ".", "", []string{".devcontainer.json/x"}, "", ""},
		{"a file .devcontainer is none", ".", "", []string{".devcontainer"}, "", ""},
		{"brackets in the path", "[a]", "", []string{"[a]/.devcontainer/x/devcontainer.json"}, "[a]/.devcontainer/x/devcontainer.json", "[a]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := files(t, tc.files...)
			s := Search{Dir: filepath.Join(root, tc.dir)}
			assert.NilError(t, os.MkdirAll(s.Dir, 0o755))
			if tc.top != "" {
				s.Top = filepath.Join(root, tc.top)
			}
			p, err := Find(s)
			assert.NilError(t, err)
			if tc.path == "" {
				assert.Assert(t, p == nil, "%v", p)
				return
			}
			assert.Equal(t, p.Path, filepath.Join(root, tc.path))
			assert.Equal(t, p.Workspace, filepath.Join(root, tc.opened))
		})
	}
}

func TestFindListsSeveral(t *testing.T) {
	t.Parallel()
	root := files(t, ".devcontainer/b/devcontainer.json", ".devcontainer/a/devcontainer.json")
	_, err := Find(Search{Dir: root})
	var several *SeveralError
	assert.Assert(t, errors.As(err, &several), "%v", err)
	a, b := filepath.Join(root, ".devcontainer", "a", "devcontainer.json"), filepath.Join(root, ".devcontainer", "b", "devcontainer.json")
	assert.DeepEqual(t, several.Paths, []string{a, b})
	assert.Error(t, err, "several devcontainer.json: "+a+", "+b)

	p, err := Find(Search{Dir: root, Chosen: ".devcontainer/b/devcontainer.json"})
	assert.NilError(t, err)
	assert.Equal(t, p.Path, b)
	assert.Equal(t, p.Workspace, root)
}

func TestFindOpensAChosenFileWhereItBelongs(t *testing.T) {
	t.Parallel()
	for chosen, opened := range map[string]string{
		"sub/.devcontainer/devcontainer.json":   "sub",
		"sub/.devcontainer/x/devcontainer.json": "sub",
		"sub/.devcontainer.json":                "sub",
		"sub/conf/devcontainer.json":            ".",
	} {
		root := files(t, chosen)
		for _, given := range []string{chosen, filepath.Join(root, chosen)} {
			p, err := Find(Search{Dir: root, Top: root, Chosen: given})
			assert.NilError(t, err)
			assert.DeepEqual(t, *p, Place{Path: filepath.Join(root, chosen), Workspace: filepath.Join(root, opened)})
		}
	}
	root := files(t, "conf/other.json")
	_, err := Find(Search{Dir: root, Chosen: "conf/other.json"})
	assert.ErrorContains(t, err, "conf/other.json: the file must be named devcontainer.json or .devcontainer.json")
	_, err = Find(Search{Dir: root, Chosen: ".devcontainer.json"})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// files makes a folder with these files in it, all empty.
func files(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, nil, 0o600))
	}
	return root
}
