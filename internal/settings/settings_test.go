package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"
)

// layers are the texts of the three files; "" leaves one out.
type layers struct{ user, shared, local string }

func (l layers) write(t *testing.T) Sources {
	t.Helper()
	dir := t.TempDir()
	src := Sources{User: filepath.Join(dir, "home", "settings.json"), WorkTree: filepath.Join(dir, "tree")}
	for path, text := range map[string]string{
		src.User: l.user,
		filepath.Join(src.WorkTree, ".iloom", "settings.json"):       l.shared,
		filepath.Join(src.WorkTree, ".iloom", "settings.local.json"): l.local,
	} {
		if text == "" {
			continue
		}
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return src
}

func TestDefaultsWithoutAnyFile(t *testing.T) {
	t.Parallel()
	want := &Settings{
		Container:         Container{Enabled: true, Submodules: true, GitUser: true},
		MainBranch:        "main",
		ProtectedBranches: []string{"main", "master", "develop"},
	}
	for name, src := range map[string]Sources{
		"no sources":    {},
		"missing files": layers{}.write(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Read(src)
			assert.NilError(t, err)
			assert.DeepEqual(t, s, want)
		})
	}
}

func TestWhatTheWorkTreeSaysIsWithoutTheUsersFile(t *testing.T) {
	t.Parallel()
	src := layers{
		user: `{"mainBranch": "trunk", "container": {"share": ["cache"]}}`, shared: `{"container": {"keepAlive": true}}`,
		local: `{"container": {"worktree": "auto"}}`,
	}.write(t)
	files, err := ReadFiles(src)
	assert.NilError(t, err)
	all, err := files.Settings()
	assert.NilError(t, err)
	same, err := Read(src)
	assert.NilError(t, err)
	assert.DeepEqual(t, all, same)
	assert.Equal(t, all.MainBranch, "trunk")
	own, err := files.OfWorkTree()
	assert.NilError(t, err)
	same, err = Read(Sources{WorkTree: src.WorkTree})
	assert.NilError(t, err)
	assert.DeepEqual(t, own, same)
	assert.Assert(t, own.Container.KeepAlive && own.Container.Worktree == "auto" && own.Container.Share == nil)
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	s, err := Read(layers{shared: `{
		"container": {
			"enabled": false, "configPath": ".devcontainer/x.json", "ports": {"WEB": 3000, "_a1": 6.5535e4},
			"keepAlive": true, "projectName": "{{.ID}}", "addressPool": ["10.200.0.1/16", "10.9.0.0/24"],
			"share": ["volume cache"], "isolate": ["volume data"], "rewriteLocalhost": true, "worktree": "auto",
			"submodules": false, "gitUser": false, "dotfiles": {"repository": "me/dotfiles", "installCommand": "go.sh", "targetPath": "/d"}
		},
		"capabilities": {"web": {"basePort": 8080}},
		"worktreePrefix": "", "mainBranch": "trunk", "copyGitIgnoredPatterns": ["*.db"]
	}`}.write(t))
	assert.NilError(t, err)
	s.Files = nil
	port, prefix := 8080, ""
	assert.DeepEqual(t, s, &Settings{
		Container: Container{
			ConfigPath: ".devcontainer/x.json", Ports: map[string]int{"WEB": 3000, "_a1": 65535}, KeepAlive: true,
			ProjectName: "{{.ID}}", AddressPool: []string{"10.200.0.0/16", "10.9.0.0/24"}, Share: []string{"volume cache"},
			Isolate: []string{"volume data"}, RewriteLocalhost: true, Worktree: "auto",
			Dotfiles: Dotfiles{Repository: "me/dotfiles", InstallCommand: "go.sh", TargetPath: "/d"},
		},
		Capabilities:   Capabilities{Web: Web{BasePort: &port}},
		WorktreePrefix: &prefix, MainBranch: "trunk", CopyGitIgnoredPatterns: []string{"*.db"},
		ProtectedBranches: []string{"trunk", "main", "master", "develop"},
	})
}

func TestStrongerFileWinsKeyByKey(t *testing.T) {
	t.Parallel()
	src := layers{
		user:   `{"container": {"ports": {"WEB": 1, "API": 1, "DB": 1}, "share": ["a", "b"], "keepAlive": true}, "mainBranch": "user"}`,
		shared: `{"container": {"ports": {"WEB": 2, "API": 2}, "share": ["c"], "enabled": false}, "protectedBranches": []}`,
		local:  `{"container": {"ports": {"WEB": 3}, "enabled": true}}`,
	}.write(t)
	s, err := Read(src)
	assert.NilError(t, err)
	assert.DeepEqual(t, s, &Settings{
		Container: Container{
			Enabled: true, Submodules: true, GitUser: true, KeepAlive: true, Ports: map[string]int{"WEB": 3, "API": 2, "DB": 1}, Share: []string{"c"},
		},
		MainBranch:        "user",
		ProtectedBranches: []string{},
		Files: []string{
			src.User,
			filepath.Join(src.WorkTree, ".iloom", "settings.json"),
			filepath.Join(src.WorkTree, ".iloom", "settings.local.json"),
		},
	})
}

func TestOnlyFilesThatWereThereAreListed(t *testing.T) {
	t.Parallel()
	src := layers{local: `{}`}.write(t)
	s, err := Read(src)
	assert.NilError(t, err)
	assert.DeepEqual(t, s.Files, []string{filepath.Join(src.WorkTree, ".iloom", "settings.local.json")})
}

func TestWhatHumansWriteIsJSON(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"comments":                 "// top\n{/* a */\"mainBranch\": // b\n\"x\"}",
		"trailing commas":          `{"mainBranch": "x", "share": [1,],}`,
		"byte order mark":          "\ufeff{\"mainBranch\": \"x\"}",
		"CRLF":                     "{\r\n// c\r\n\"mainBranch\": \"x\"\r\n}\r\n",
		"no final newline":         `{"mainBranch": "x"}`,
		"comment with no line end": "{\"mainBranch\": \"x\"} // end",
		"block comment at the end": "{\"mainBranch\": \"x\"} /* end */",
		"escapes":                  `{"main\u0042ranch": "\u0078"}`,
		"duplicate key, last wins": `{"mainBranch": 5, "mainBranch": "x"}`,
		"unknown keys":             `{"agents": {"x": null}, "mainBranch": "x", "container": {"image": 5}, "MAINBRANCH": 7}`,
		"big numbers elsewhere":    `{"x": 1e999, "mainBranch": "x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Read(layers{shared: text}.write(t))
			assert.NilError(t, err)
			assert.Equal(t, s.MainBranch, "x")
		})
	}
}

func TestWorktreeIsTrueFalseOrAuto(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`true`: "true", `false`: "", `"auto"`: "auto"} {
		s, err := Read(layers{shared: `{"container": {"worktree": ` + text + `}}`}.write(t))
		assert.NilError(t, err)
		assert.Equal(t, s.Container.Worktree, want)
	}
}

func TestAddressPoolMayBeOneString(t *testing.T) {
	t.Parallel()
	s, err := Read(layers{shared: `{"container": {"addressPool": "10.200.0.0/16"}}`}.write(t))
	assert.NilError(t, err)
	assert.DeepEqual(t, s.Container.AddressPool, []string{"10.200.0.0/16"})
}

func TestDuplicateObjectIsReplacedNotMerged(t *testing.T) {
	t.Parallel()
	s, err := Read(layers{shared: `{"container": {"ports": {"A": 1}}, "container": {"ports": {"B": 2}}}`}.write(t))
	assert.NilError(t, err)
	assert.DeepEqual(t, s.Container.Ports, map[string]int{"B": 2})
}

func TestErrorsNameFileLineColumnAndKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"port too big", "{\n  \"container\": {\n    \"ports\": {\"WEB\": 99999}\n  }\n}", `:3:22: container.ports.WEB: 99999 is not a port (1–65535)`},
		{"port 0", `{"container":{"ports":{"A":0}}}`, `:1:28: container.ports.A: 0 is not a port (1–65535)`},
		{"port -1", `{"container":{"ports":{"A":-1}}}`, `:1:28: container.ports.A: -1 is not a port (1–65535)`},
		{"port with a fraction", `{"container":{"ports":{"A":80.5}}}`, `:1:28: container.ports.A: 80.5 is not a port (1–65535)`},
		{"huge port", `{"container":{"ports":{"A":1e999}}}`, `:1:28: container.ports.A: 1e999 is not a port (1–65535)`},
		{"port as string", `{"container":{"ports":{"A":"80"}}}`, `:1:28: container.ports.A: "80" is not a number`},
		{"port is null", `{"container":{"ports":{"A":null}}}`, `:1:28: container.ports.A: null is not a number`},
		{"name of a port", `{"container":{"ports":{"my web":80}}}`, `:1:24: container.ports."my web": "my web" is not a name for a port (letters, digits and _, no digit first)`},
		{"empty name of a port", `{"container":{"ports":{"":80}}}`, `:1:24: container.ports."": "" is not a name for a port (letters, digits and _, no digit first)`},
		{"ports is an array", `{"container":{"ports":[80]}}`, `:1:23: container.ports: an array is not an object`},
		{"container is a string", `{"container": "yes"}`, `:1:15: container: "yes" is not an object`},
		{"enabled is a string", `{"container":{"enabled":"no"}}`, `:1:25: container.enabled: "no" is neither true nor false`},
		{"keepAlive is a number", `{"container":{"keepAlive":1}}`, `:1:27: container.keepAlive: 1 is neither true nor false`},
		{"configPath is an object", `{"container":{"configPath":{}}}`, `:1:28: container.configPath: an object is not a string`},
		{"worktree", `{"container":{"worktree":"true"}}`, `:1:26: container.worktree: must be true, false or "auto", not "true"`},
		{"network", `{"container":{"addressPool":["10.0.0.0/8", "10.0.0.0"]}}`, `:1:44: container.addressPool[1]: "10.0.0.0" is not an IPv4 network (as in 10.200.0.0/16)`},
		{"network of the other kind", `{"container":{"addressPool":"fd00::/48"}}`, `:1:29: container.addressPool: "fd00::/48" is not an IPv4 network (as in 10.200.0.0/16)`},
		{"small network", `{"container":{"addressPool":"10.0.0.0/25"}}`, `:1:29: container.addressPool: "10.0.0.0/25" is smaller than a /24`},
		{"network is a number", `{"container":{"addressPool":10}}`, `:1:29: container.addressPool: 10 is neither a string nor an array of strings`},
		{"share is a string", `{"container":{"share":"a"}}`, `:1:23: container.share: "a" is not an array of strings`},
		{"an element of isolate", `{"container":{"isolate":["a", 5]}}`, `:1:31: container.isolate[1]: 5 is not a string`},
		{"base port", `{"capabilities":{"web":{"basePort":70000}}}`, `:1:36: capabilities.web.basePort: 70000 is not a port (1–65535)`},
		{"web", `{"capabilities":{"web":true}}`, `:1:24: capabilities.web: true is not an object`},
		{"capabilities as iloom's array", `{"capabilities":["web"]}`, `:1:17: capabilities: an array is not an object`},
		{"empty main branch", `{"mainBranch":""}`, `:1:15: mainBranch: "" is not a branch`},
		{"prefix", `{"worktreePrefix":5}`, `:1:19: worktreePrefix: 5 is not a string`},
		{"top is an array", ` [1]`, `:1:2: an array is not an object`},
		{"column counts characters after the mark", "\ufeff{\"äöü\": 1, \"mainBranch\": 5}", `:1:26: mainBranch: 5 is not a string`},
		{"long value", `{"mainBranch":` + strings.Repeat("1", 100) + `}`, `:1:15: mainBranch: ` + strings.Repeat("1", 60) + `… is not a string`},
		{"syntax", "{\n  \"a\" 5\n}", `:2:7: invalid character '5' after object name`},
		{"syntax after a wide character", "{\"ä\" 5}", `:1:6: invalid character '5' after object name`},
		{"cut off", "{\n\"a\": [1,", `:2:9: parsing value: unexpected EOF`},
		{"cut off after a line", "{\n\"a\": [1,\n", `:3:1: parsing value: unexpected EOF`},
		{"only a comment", "// nothing", `:1:11: parsing value: unexpected EOF`},
		{"two values", "{} {}", `:1:4: invalid character '{' after top-level value`},
		{"empty", " \n", `: empty, not even {}`},
		{"UTF-16", "\xff\xfe{\x00}\x00", `:1:1: invalid character '\xff' at start of value`},
		{"too many brackets", strings.Repeat("[", 1<<19), `: more than 10000 objects and arrays`},
		{"too long", strings.Repeat(" ", 1<<20) + "{}", `: more than 1048576 bytes`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			src := layers{shared: tc.text}.write(t)
			_, err := Read(src)
			path := filepath.Join(src.WorkTree, ".iloom", "settings.json")
			assert.Error(t, err, path+tc.want)
			var e *Error
			assert.Assert(t, errors.As(err, &e))
			assert.Equal(t, e.File, path)
		})
	}
}

func TestErrorsNameTheFileThatTheValueCameFrom(t *testing.T) {
	t.Parallel()
	src := layers{
		user:   `{"container": {"ports": {"WEB": 0}}}`,
		shared: `{"container": {"ports": {"API": 80}}}`,
		local:  `{"container": {"keepAlive": true}}`,
	}.write(t)
	_, err := Read(src)
	assert.Error(t, err, src.User+`:1:33: container.ports.WEB: 0 is not a port (1–65535)`)
}

func TestReplacedValueIsNotChecked(t *testing.T) {
	t.Parallel()
	s, err := Read(layers{
		user:   `{"container": {"ports": {"WEB": 0}}, "mainBranch": 5}`,
		shared: `{"container": {"ports": {"WEB": 80}}, "mainBranch": "x"}`,
	}.write(t))
	assert.NilError(t, err)
	assert.Equal(t, s.Container.Ports["WEB"], 80)
}

func TestWhatIsNoRegularFileIsNotOpened(t *testing.T) {
	t.Parallel()
	src := layers{}.write(t)
	path := filepath.Join(src.WorkTree, ".iloom", "settings.json")
	assert.NilError(t, os.MkdirAll(path, 0o755))
	_, err := Read(src)
	assert.Error(t, err, path+": no regular file")
}

func TestUnreadableFileIsAnError(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("everything is readable here")
	}
	src := layers{shared: `{}`}.write(t)
	assert.NilError(t, os.Chmod(filepath.Join(src.WorkTree, ".iloom", "settings.json"), 0))
	_, err := Read(src)
	assert.Assert(t, errors.Is(err, fs.ErrPermission), "%v", err)
}

func TestDotIloomMayBeAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".iloom"), nil, 0o644))
	_, err := Read(Sources{WorkTree: dir})
	assert.NilError(t, err)
}

func TestBadInputGivesAnErrorThatHasItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "settings.json")
	parts := []string{
		"{", "}", "[", "]", ":", ",", `"container"`, `"ports"`, `"WEB"`, `"addressPool"`, "80", "0", "true", "null",
		"//", "/*", "*/", "\n", "\r", " ", "\ufeff", "ä", "\x00", "\xff", `"`, `\`,
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(parts)).Draw(t, "parts"), "")
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := Read(Sources{User: path})
		if err == nil {
			return
		}
		var e *Error
		assert.Assert(t, errors.As(err, &e))
		lines := 1 + strings.Count(text, "\n")
		assert.Assert(t, e.Line >= 0 && e.Line <= lines, "%v", err)
		assert.Assert(t, e.Line == 0 || e.Column >= 1 && e.Column <= len(text)+1, "%v", err)
	})
}
