package stack_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestProjectsAreFoundAsComposeFindsThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		files  []string
		src    stack.Source // its folders are below the test's
		paths  string
		dir    string
		chosen bool
	}{
		{name: "compose.yaml comes first", files: []string{"docker-compose.yaml", "docker-compose.yml", "compose.yml", "compose.yaml"}, paths: "compose.yaml"},
		{name: "compose.yml comes second", files: []string{"docker-compose.yaml", "docker-compose.yml", "compose.yml"}, paths: "compose.yml"},
		{name: "docker-compose.yml comes third", files: []string{"docker-compose.yaml", "docker-compose.yml"}, paths: "docker-compose.yml"},
		{name: "one override is added", files: []string{"compose.yaml", "docker-compose.override.yml", "compose.override.yml"}, paths: "compose.yaml compose.override.yml"},
		{name: "an override of another style is added", files: []string{"docker-compose.yml", "compose.override.yaml"}, paths: "docker-compose.yml compose.override.yaml"},
		{name: "from a subfolder", files: []string{"compose.yaml", "a/b/"}, src: stack.Source{Dir: "a/b"}, paths: "compose.yaml"},
		{name: "nearest first", files: []string{"compose.yaml", "a/compose.yml", "a/b/"}, src: stack.Source{Dir: "a/b"}, paths: "a/compose.yml", dir: "a"},
		{name: "the top is looked at", files: []string{"compose.yaml", "a/"}, src: stack.Source{Dir: "a", Top: "."}, paths: "compose.yaml"},
		{name: "named files", files: []string{"compose.yaml", "a.yaml", "x/b.yaml"}, src: stack.Source{Files: []string{"x/b.yaml", "a.yaml"}}, paths: "x/b.yaml a.yaml", dir: "x", chosen: true},
		{name: "project directory", files: []string{"compose.yaml", "deploy/a.yaml"}, src: stack.Source{Files: []string{"deploy/a.yaml"}, ProjectDirectory: "."}, paths: "deploy/a.yaml", chosen: true},
		{name: "project directory without files", files: []string{"compose.yaml", "other/compose.yaml"}, src: stack.Source{ProjectDirectory: "other"}, paths: "other/compose.yaml", dir: "other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for _, name := range test.files {
				files[name] = small
			}
			dir := folder(t, files)
			src := test.src
			src.Dir = filepath.Join(dir, src.Dir)
			if src.Top != "" {
				src.Top = filepath.Join(dir, src.Top)
			}
			f, err := stack.Find(src, stack.Ours{})
			assert.NilError(t, err)
			var want []string
			for _, path := range strings.Fields(test.paths) {
				want = append(want, filepath.Join(dir, filepath.FromSlash(path)))
			}
			assert.DeepEqual(t, f.Paths, want)
			assert.Equal(t, f.Dir, filepath.Join(dir, test.dir))
			assert.Equal(t, f.Chosen, test.chosen)
			assert.Equal(t, f.DotEnv(), filepath.Join(dir, test.dir, ".env"))
		})
	}
}

func TestTheWorkingFolderIsThatOfTheSearch(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"apps/web/compose.yaml": small, "src/file": ""})
	web, link := filepath.Join(dir, "apps", "web"), filepath.Join(dir, "link")
	assert.NilError(t, os.Symlink(web, link))
	for pwd, want := range map[string]string{"": web, web: web, dir: web, filepath.Join(dir, "gone"): web, link: link} {
		f, err := stack.Find(stack.Source{Dir: web, Environ: []string{"PWD=" + pwd}}, stack.Ours{})
		assert.NilError(t, err)
		assert.Check(t, f.Env["PWD"] == want, "in %s: %s", pwd, f.Env["PWD"])
	}
}

func TestTheSearchDoesNotLeaveTheWorkTree(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, "Dockerfile": "FROM scratch", "tree/sub/": ""})
	_, err := stack.Find(stack.Source{Dir: filepath.Join(dir, "tree", "sub"), Top: filepath.Join(dir, "tree")}, stack.Ours{})
	assert.ErrorIs(t, err, stack.ErrNoProject)
	assert.ErrorContains(t, err, filepath.Join(dir, "tree", "sub"))
}

func TestADockerfileIsAProjectWhereThereIsNoComposeFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"Dockerfile": "FROM scratch", "a/b/": "", "c/Dockerfile": "FROM scratch"})
	for _, test := range []struct{ dir, want string }{{".", "."}, {"a/b", "."}, {"c", "c"}} {
		f, err := stack.Find(stack.Source{Dir: filepath.Join(dir, test.dir), Top: dir}, stack.Ours{})
		assert.NilError(t, err)
		assert.Equal(t, f.Dockerfile, filepath.Join(dir, test.want, "Dockerfile"))
		assert.Equal(t, f.Dir, filepath.Join(dir, test.want))
		assert.Equal(t, len(f.Paths), 0)
	}
	with := folder(t, map[string]string{"Dockerfile": "FROM scratch", "compose.yaml": small})
	f, err := stack.Find(stack.Source{Dir: with}, stack.Ours{})
	assert.NilError(t, err)
	assert.Equal(t, f.Dockerfile, "")
}

func TestComposeFileIsReadAsComposeReadsIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, env, paths, dir, dotEnv string
	}{
		{"relative to the search", "COMPOSE_FILE=a.yaml", "a.yaml", "", ""},
		{"several", "COMPOSE_FILE=a.yaml:sub/b.yaml", "a.yaml sub/b.yaml", "", ""},
		{"separator", "COMPOSE_FILE=a.yaml,sub/b.yaml\nCOMPOSE_PATH_SEPARATOR=,", "a.yaml sub/b.yaml", "", ""},
		// The project is in another folder, and its own .env is read too; but it comes too late to name files.
		{"in another folder", "COMPOSE_FILE=sub/b.yaml", "sub/b.yaml", "sub", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{".env": test.env + "\nA=root\n", "sub/.env": "A=sub\nB=sub\n", "a.yaml": small, "sub/b.yaml": small, "compose.yaml": small})
			f, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
			assert.NilError(t, err)
			var want []string
			for _, path := range strings.Fields(test.paths) {
				want = append(want, filepath.Join(dir, filepath.FromSlash(path)))
			}
			assert.DeepEqual(t, f.Paths, want)
			assert.Assert(t, f.Chosen)
			assert.Equal(t, f.Dir, filepath.Join(dir, test.dir))
			assert.Equal(t, f.DotEnv(), filepath.Join(dir, ".env"))
			assert.Equal(t, f.Env["A"], "root", "what is read first stays")
			if test.dir != "" {
				assert.Equal(t, f.Env["B"], "sub")
			}
		})
	}
	dir := folder(t, map[string]string{".env": "COMPOSE_FILE=gone.yaml", "compose.yaml": small})
	_, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
	assert.ErrorContains(t, err, "COMPOSE_FILE: "+filepath.Join(dir, "gone.yaml"))
}

func TestOursIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"compose.yaml": small, "compose.override.yaml": "# ours", "docker-compose.override.yml": small, ".iloom/compose.loom.yaml": "# ours",
		".env": "A=1\nBLOCK\nSHIFTED=3123\nDROPPED=x\n",
	})
	type call struct {
		name, value string
		process     bool
	}
	var calls []call
	ours := stack.Ours{
		Cut: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("BLOCK\n"), []byte("B=2\n")) },
		Override: func(path string) bool {
			return strings.Contains(path, "compose.override.yaml") && !strings.Contains(path, "docker")
		},
		Variable: func(name, value string, process bool) (string, bool) {
			calls = append(calls, call{name, value, process})
			switch name {
			case "SHIFTED":
				return "3000", false
			case "DROPPED":
				return "", true
			}
			return value, false
		},
	}
	f, err := stack.Find(stack.Source{Dir: dir, Environ: []string{"PATH=/bin"}}, ours)
	assert.NilError(t, err)
	assert.DeepEqual(t, f.Paths, []string{filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "docker-compose.override.yml")})
	assert.Equal(t, f.Env["B"], "2")
	assert.Equal(t, f.Env["SHIFTED"], "3000")
	_, ok := f.Env["DROPPED"]
	assert.Assert(t, !ok)
	seen := map[string]bool{}
	for _, c := range calls {
		seen[c.name] = c.process
	}
	assert.Assert(t, seen["PATH"] && !seen["A"], "where each was found is told")
	assert.DeepEqual(t, stack.OverrideNames(dir, ours), []string{filepath.Join(dir, "docker-compose.override.yml")})
}

func TestEnvFilesOfTheCommandLineReplaceDotEnv(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, ".env": "A=dotenv\nB=dotenv", "one.env": "A=1\nC=${A}-${HOME-}", "two.env": "A=2\nD=${A}"})
	f, err := stack.Find(stack.Source{Dir: dir, EnvFiles: []string{"one.env", "two.env"}}, stack.Ours{})
	assert.NilError(t, err)
	assert.Equal(t, f.Env["A"], "2")
	assert.Equal(t, f.Env["D"], "2")
	_, ok := f.Env["B"]
	assert.Assert(t, !ok)
	assert.DeepEqual(t, f.EnvFiles, []string{filepath.Join(dir, "one.env"), filepath.Join(dir, "two.env")})
}

func TestProfilesComeFromTheCommandLineElseFromTheEnvironment(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, ".env": "COMPOSE_PROFILES=a, b"})
	f, err := stack.Find(stack.Source{Dir: dir}, stack.Ours{})
	assert.NilError(t, err)
	assert.DeepEqual(t, f.Profiles, []string{"a", "b"})
	f, err = stack.Find(stack.Source{Dir: dir, Profiles: []string{"c"}}, stack.Ours{})
	assert.NilError(t, err)
	assert.DeepEqual(t, f.Profiles, []string{"c"})
}

// Compose looks for it in the process's environment only.
func TestDotEnvCannotDisableItself(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a/": "", "compose.yaml": small, "a/.env": "COMPOSE_DISABLE_ENV_FILE=true\n", ".env": "A=1\n"})
	f, err := stack.Find(stack.Source{Dir: filepath.Join(dir, "a")}, stack.Ours{})
	assert.NilError(t, err)
	assert.Equal(t, f.Env["A"], "1")
}

func TestTheEnvironmentDisablesDotEnv(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, ".env": "A=1\n"})
	f, err := stack.Find(stack.Source{Dir: dir, Environ: []string{"COMPOSE_DISABLE_ENV_FILE=true"}}, stack.Ours{})
	assert.NilError(t, err)
	_, ok := f.Env["A"]
	assert.Assert(t, !ok)
	_, err = stack.Find(stack.Source{Dir: dir, Environ: []string{"COMPOSE_DISABLE_ENV_FILE=perhaps"}}, stack.Ours{})
	assert.ErrorContains(t, err, "COMPOSE_DISABLE_ENV_FILE")
}

func TestTheEnvironmentBeatsDotEnv(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, ".env": "WEB_PORT=1\nURL=http://localhost:${WEB_PORT}\n"})
	f, err := stack.Find(stack.Source{Dir: dir, Environ: []string{"WEB_PORT=2"}}, stack.Ours{})
	assert.NilError(t, err)
	assert.Equal(t, f.Env["WEB_PORT"], "2")
	assert.Equal(t, f.Env["URL"], "http://localhost:2")
}

func TestWhatCannotBeFoundIsNamed(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"compose.yaml": small, "bad.env": "A B=1\n"})
	for _, test := range []struct {
		name string
		src  stack.Source
		want string
	}{
		{"file", stack.Source{Files: []string{"gone.yaml"}}, filepath.Join(dir, "gone.yaml")},
		{"standard input", stack.Source{Files: []string{"-"}}, "standard input"},
		{"env file", stack.Source{EnvFiles: []string{"gone.env"}}, filepath.Join(dir, "gone.env")},
		{"damaged env file", stack.Source{EnvFiles: []string{"bad.env"}}, filepath.Join(dir, "bad.env")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.src.Dir = dir
			_, err := stack.Find(test.src, stack.Ours{})
			assert.ErrorContains(t, err, test.want)
			assert.Assert(t, !errors.Is(err, stack.ErrNoProject))
		})
	}
}

func TestTheNameIsTheOneThatComposeWouldChoose(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file, over, env, want string }{
		{"folder", small, "", "", "my-shop"},
		{"top-level name", "name: Acme\n" + small, "", "", "acme"},
		{"quoted name", "\"name\": acme\n" + small, "", "", "acme"},
		{"last file", "name: acme\n" + small, "name: later\n", "", "later"},
		{"variable", "name: ${NAME:-none}\n" + small, "", "NAME=given", "given"},
		{"a service's name is none", "services: {web: {image: app}}\nvolumes:\n  a:\n    name: b\n", "", "", "my-shop"},
		{"environment", "name: acme\n" + small, "", "COMPOSE_PROJECT_NAME=mine", "mine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"My-Shop/compose.yaml": test.file, "My-Shop/.env": test.env}
			if test.over != "" {
				files["My-Shop/compose.override.yaml"] = test.over
			}
			dir := folder(t, files)
			f, err := stack.Find(stack.Source{Dir: filepath.Join(dir, "My-Shop")}, stack.Ours{})
			assert.NilError(t, err)
			assert.Equal(t, f.BaseName(), test.want)
			m, err := new(stack.Stack).Load(t.Context(), f, "", nil)
			assert.NilError(t, err)
			assert.Equal(t, m.Project.Name, test.want, "as loading says")
		})
	}
}
