package registry_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	is "gotest.tools/v3/assert/cmp"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// TestMain lets the test binary be the other processes of a test: REGISTRY_TEST_CHILD says which, the arguments are its own.
func TestMain(m *testing.M) {
	children := map[string]func(dir string, args []string) error{"add": add, "hang": hang, "spin": spin, "wait": wait}
	if child := children[os.Getenv("REGISTRY_TEST_CHILD")]; child != nil {
		if err := child(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// add leases ports to one loom, as docker loom up does.
func add(dir string, args []string) error {
	return registry.Open(dir).Update(context.Background(), func(s *registry.State) error { return lease(s, "/src/shop", args[0]) })
}

func lease(s *registry.State, repository, id string) error {
	got, err := ports.Allocate(ports.Request{
		Ports:  []ports.Port{{Service: "web", Base: 80}, {Service: "api", Base: 3000}, {Service: "db", Base: 3001}},
		Offset: 42,
		Taken:  s.Ports(&registry.Loom{Space: "local", Repository: repository, ID: id}),
	})
	if err != nil {
		return err
	}
	s.Put(registry.Loom{ID: id, Repository: repository, Space: "local", Ports: got.Leases})
	return nil
}

// hang takes the lock, says so and never gives it back.
func hang(dir string, _ []string) error {
	return registry.Open(dir).Update(context.Background(), func(*registry.State) error {
		return untilKilled()
	})
}

// spin changes the registry for ever.
func spin(dir string, _ []string) error {
	for i := 0; ; i++ {
		err := registry.Open(dir).Update(context.Background(), func(s *registry.State) error {
			s.Put(registry.Loom{ID: "spin", Repository: "/src/shop", DevContainer: strings.Repeat("x", i%50_000)})
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println("wrote")
	}
}

// wait holds the lock of one loom until it is killed.
func wait(dir string, args []string) error {
	release, err := registry.Open(dir).Lock(context.Background(), "/src/shop", args[0])
	if err != nil {
		return err
	}
	defer release()
	return untilKilled()
}

// untilKilled says that the lock is held and then waits, in the end for the parent's end too.
func untilKilled() error {
	fmt.Println("locked")
	_, err := io.ReadAll(os.Stdin)
	return err
}

func start(t *testing.T, child string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "REGISTRY_TEST_CHILD="+child)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	assert.NilError(t, err)
	_, err = cmd.StdinPipe()
	assert.NilError(t, err)
	assert.NilError(t, cmd.Start())
	return cmd, bufio.NewReader(out)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	assert.NilError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

func read(t *testing.T, dir string) *registry.State {
	t.Helper()
	s, err := registry.Open(dir).Read(t.Context())
	assert.NilError(t, err)
	return s
}

func update(t *testing.T, dir string, fn func(*registry.State)) {
	t.Helper()
	assert.NilError(t, registry.Open(dir).Update(t.Context(), func(s *registry.State) error { fn(s); return nil }))
}

func TestManyProcessesLoseNoUpdateAndShareNoPort(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "loom")
	const n = 20
	var all []*exec.Cmd
	for i := range n {
		cmd, _ := start(t, "add", dir, fmt.Sprint(i))
		all = append(all, cmd)
	}
	for _, cmd := range all {
		assert.NilError(t, cmd.Wait())
	}
	s := read(t, dir)
	assert.Equal(t, len(s.Looms), n)
	var every []ports.Lease
	for _, l := range s.Looms {
		every = append(every, l.Ports...)
	}
	assert.Equal(t, len(every), 3*n)
	for i, a := range every {
		for _, b := range every[:i] {
			assert.Assert(t, !a.Overlaps(b), "%v %v", a, b)
		}
	}
}

func TestAKilledProcessBlocksNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	update(t, dir, func(s *registry.State) { s.Put(registry.Loom{ID: "1", Repository: "/src/shop"}) })
	cmd, out := start(t, "hang", dir)
	_, err := out.ReadString('\n')
	assert.NilError(t, err)

	// While it lives it does hold the lock, and who waits can give up.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = registry.Open(dir).Update(ctx, func(*registry.State) error { t.Error("called"); return nil })
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, filepath.Join(dir, "registry.json"))
	assert.Equal(t, len(read(t, dir).Looms), 1, "a reader waits for nobody")

	kill(t, cmd)
	update(t, dir, func(s *registry.State) { s.Put(registry.Loom{ID: "2", Repository: "/src/shop"}) })
	assert.Equal(t, len(read(t, dir).Looms), 2)
}

func TestAProcessKilledWhileWritingLeavesAGoodFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 8 {
		cmd, out := start(t, "spin", dir)
		for range 3 + round*5 {
			_, err := out.ReadString('\n')
			assert.NilError(t, err)
			assert.Equal(t, len(read(t, dir).Looms), 1)
		}
		kill(t, cmd)
		assert.Equal(t, len(read(t, dir).Looms), 1)
	}
	update(t, dir, func(s *registry.State) { s.Remove("/src/shop", "spin") })
	entries, err := os.ReadDir(dir)
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 2, "registry.json and registry.lock: %v", entries)
}

func TestLockKeepsOtherCommandsFromOneLoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := registry.Open(dir)
	cmd, out := start(t, "wait", dir, "123")
	_, err := out.ReadString('\n')
	assert.NilError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = r.Lock(ctx, "/src/shop", "123")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "lock of loom shop/123")

	// Others, and the registry, are not concerned.
	for _, other := range [][2]string{{"/src/shop", "124"}, {"/src/shop2", "123"}, {"/src/shop\x00", "123"}} {
		release, err := r.Lock(t.Context(), other[0], other[1])
		assert.NilError(t, err)
		defer release()
	}
	update(t, dir, func(s *registry.State) { s.Put(registry.Loom{ID: "1", Repository: "/src/shop"}) })

	kill(t, cmd)
	release, err := r.Lock(t.Context(), "/src/shop/", "123")
	assert.NilError(t, err)
	release()
	release()
	release, err = r.Lock(t.Context(), "/src/shop", "123")
	assert.NilError(t, err)
	release()
}

func TestOneLockHolderAtATimeWithinAProcess(t *testing.T) {
	t.Parallel()
	r := registry.Open(t.TempDir())
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			release, err := r.Lock(t.Context(), "/src/shop", "1")
			assert.Check(t, err)
			assert.Check(t, inside.Add(1) == 1)
			runtime.Gosched()
			inside.Add(-1)
			release()
		})
	}
	wg.Wait()
}

func TestNoFileIsAFreshState(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "no", "such")
	s := read(t, dir)
	assert.DeepEqual(t, s, &registry.State{Version: 1, Fresh: true})
	_, err := os.Stat(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist, "reading makes no folder")

	update(t, dir, func(s *registry.State) { assert.Assert(t, s.Fresh) })
	assert.Assert(t, read(t, dir).Fresh, "a change that changes nothing leaves it so")
	update(t, dir, func(s *registry.State) { s.Fresh = false })
	assert.Assert(t, !read(t, dir).Fresh, "rebuilt, if empty")

	if runtime.GOOS != "windows" {
		for path, mode := range map[string]fs.FileMode{dir: 0o700, registry.Open(dir).Path(): 0o600} {
			info, err := os.Stat(path)
			assert.NilError(t, err)
			assert.Equal(t, info.Mode().Perm(), mode, path)
		}
	}
}

// full is a loom with something in every field.
func full(id string) registry.Loom {
	return registry.Loom{
		ID: id, Repository: "/src/<shop> & co", Project: "iloom-shop-" + id, WorkTree: "/src/shop-" + id, Dir: "/src/shop-" + id + "/app",
		Files: true, Offset: 123, Pinned: true, Space: "local", Created: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC),
		Ports: []ports.Lease{
			{Protocol: "tcp", Base: 3000, Count: 1, Host: 3123},
			{IP: "::1", Protocol: "udp", Base: 9100, Count: 11, Host: 9223},
		},
		Subnets:   map[string][]string{"default": {"10.200.0.0/24"}, "back": {"10.200.1.0/24", "fd00::/64"}},
		Variables: map[string]string{"WEB_PORT": "3000", "A": ""},
	}
}

const fullFile = `{
  "looms": [
    {
      "id": "123",
      "repository": "/src/<shop> & co",
      "project": "iloom-shop-123",
      "workTree": "/src/shop-123",
      "dir": "/src/shop-123/app",
      "files": true,
      "offset": 123,
      "pinned": true,
      "space": "local",
      "created": "2026-02-03T04:05:06.000000007Z",
      "ports": [
        {
          "protocol": "tcp",
          "base": 3000,
          "count": 1,
          "host": 3123
        },
        {
          "ip": "::1",
          "protocol": "udp",
          "base": 9100,
          "count": 11,
          "host": 9223
        }
      ],
      "subnets": {
        "back": [
          "10.200.1.0/24",
          "fd00::/64"
        ],
        "default": [
          "10.200.0.0/24"
        ]
      },
      "variables": {
        "A": "",
        "WEB_PORT": "3000"
      }
    },
    {
      "id": "2",
      "repository": "/src/a",
      "project": "",
      "workTree": "",
      "dir": "",
      "files": false,
      "offset": 0,
      "space": "",
      "created": "0001-01-01T00:00:00Z",
      "ports": []
    },
    {
      "id": "1",
      "repository": "/src/b",
      "project": "",
      "workTree": "",
      "dir": "",
      "files": false,
      "offset": 0,
      "space": "",
      "created": "0001-01-01T00:00:00Z",
      "ports": []
    }
  ],
  "version": 1
}
`

func TestTheFileIsStableAndReadsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	update(t, dir, func(s *registry.State) {
		s.Put(registry.Loom{ID: "1", Repository: "/src/b"})
		s.Put(registry.Loom{ID: "2", Repository: "/src/a"})
		s.Put(full("123"))
	})
	got, err := os.ReadFile(registry.Open(dir).Path())
	assert.NilError(t, err)
	assert.Equal(t, string(got), fullFile)
	s := read(t, dir)
	assert.Assert(t, !s.Fresh)
	assert.DeepEqual(t, *s.Looms[0], full("123"))
}

func TestTheOutermostPortsCanBePromised(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := registry.Loom{ID: "1", Repository: "/a", Ports: []ports.Lease{{Host: 1}, {Host: 65535, Count: 1}, {Host: 1, Count: 65535}}}
	update(t, dir, func(s *registry.State) { s.Put(l) })
	assert.DeepEqual(t, read(t, dir).Find("/a", "1").Ports, l.Ports)
}

func write(t *testing.T, text string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = registry.Open(dir).Path()
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
	return dir, path
}

func TestWhatALaterDockerLoomWroteSurvivesAChange(t *testing.T) {
	t.Parallel()
	dir, path := write(t, `{"version":1,"hosts":{"a":[1,2]},"looms":[
		{"id":"1","repository":"/src/a","colour":"<red>","ports":[]},{"id":"2","repository":"/src/a"}]}`)
	update(t, dir, func(s *registry.State) {
		assert.Equal(t, len(s.Find("/src/a", "2").Unknown), 0)
		s.Put(registry.Loom{ID: "1", Repository: "/src/a", Offset: 7})
	})
	s := read(t, dir)
	assert.Equal(t, string(s.Find("/src/a", "1").Unknown["colour"]), `"<red>"`)
	assert.Equal(t, len(s.Find("/src/a", "1").Unknown), 1)
	assert.Equal(t, s.Find("/src/a", "1").Offset, 7)
	got, err := os.ReadFile(path)
	assert.NilError(t, err)
	assert.Assert(t, is.Contains(string(got), "\"colour\": \"<red>\""))
	assert.Assert(t, is.Contains(string(got), "\"hosts\": {\n    \"a\": [\n      1,\n"))
}

// Every field of a loom, also a field that is added later, can be cleared in a file that a newer docker loom wrote.
func TestAClearedFieldStaysClearedBesideUnknownOnes(t *testing.T) {
	t.Parallel()
	var names []string
	loom := map[string]any{"colour": "red"}
	for field := range reflect.TypeFor[registry.Loom]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		names = append(names, name)
		value := reflect.New(field.Type)
		if field.Type.Kind() == reflect.Pointer {
			value.Elem().Set(reflect.New(field.Type.Elem()))
		}
		loom[name] = value.Interface()
	}
	loom["id"], loom["repository"] = "1", "/src/a"
	loom["adopted"] = map[string]string{"devcontainer.local_folder": "/src/a"}
	file, err := json.Marshal(map[string]any{"version": 1, "looms": []any{loom}})
	assert.NilError(t, err)
	dir, _ := write(t, string(file))

	unknown := read(t, dir).Find("/src/a", "1").Unknown
	for _, name := range names {
		_, is := unknown[name]
		assert.Check(t, !is, "%s is a known field", name)
	}
	update(t, dir, func(s *registry.State) {
		assert.Equal(t, len(s.Find("/src/a", "1").Adopted), 1)
		s.Find("/src/a", "1").Adopted = nil
	})
	assert.Equal(t, len(read(t, dir).Find("/src/a", "1").Adopted), 0)
	assert.Equal(t, string(read(t, dir).Find("/src/a", "1").Unknown["colour"]), `"red"`)
}

func TestUpdateWritesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := registry.Open(dir).Path()
	update(t, dir, func(s *registry.State) { s.Put(registry.Loom{ID: "1", Repository: "/src/a"}) })
	before, err := os.Stat(path)
	assert.NilError(t, err)
	update(t, dir, func(s *registry.State) { s.Put(*s.Find("/src/a", "1")) })
	after, err := os.Stat(path)
	assert.NilError(t, err)
	assert.Assert(t, os.SameFile(before, after))

	refused := errors.New("no")
	err = registry.Open(dir).Update(t.Context(), func(s *registry.State) error { s.Remove("/src/a", "1"); return refused })
	assert.Equal(t, err, refused)
	assert.Equal(t, len(read(t, dir).Looms), 1)

	func() {
		defer func() { _ = recover() }()
		_ = registry.Open(dir).Update(t.Context(), func(*registry.State) error { panic("a fault") })
	}()
	update(t, dir, func(s *registry.State) { s.Remove("/src/a", "1") })
	assert.Equal(t, len(read(t, dir).Looms), 0)
}

func TestUpdateRefusesWhatCouldNotBeReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, l := range map[string]registry.Loom{
		"is not UTF-8":             {ID: "1", Repository: "/src/\xff"},
		"without id or repository": {ID: "1"},
		"host port 0, count 1":     {ID: "1", Repository: "/a", Ports: []ports.Lease{{Count: 1}}},
		"host port 65535, count 2": {ID: "1", Repository: "/a", Ports: []ports.Lease{{Host: 65535, Count: 2}}},
		"host port 5, count -1":    {ID: "1", Repository: "/a", Ports: []ports.Lease{{Host: 5, Count: -1}}},
		`ParsePrefix("10.0.0.0")`:  {ID: "1", Repository: "/a", Subnets: map[string][]string{"n": {"10.0.0.0"}}},
		"year outside of range":    {ID: "1", Repository: "/a", Created: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		err := registry.Open(dir).Update(t.Context(), func(s *registry.State) error { s.Put(l); return nil })
		assert.ErrorContains(t, err, registry.Open(dir).Path())
		assert.Check(t, is.ErrorContains(err, want))
	}
	assert.Assert(t, read(t, dir).Fresh)
}

func TestADamagedFileIsSetAsideWithItsPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                                     "line 1, column 1: unexpected end of JSON input",
		"{\n  \"version\": 1,\n  x":                            "line 3, column 3: invalid character 'x'",
		"{\"version\":1,\n\"looms\":[]} x":                     "line 2, column 13: invalid character 'x' after top-level value",
		`{"version":1,"looms":[]`:                              "line 1, column 23: unexpected end of JSON input",
		`[]`:                                                   "line 1, column 1: it is not a JSON object",
		`null`:                                                 "line 1, column 1: it is not a JSON object",
		`{"looms":[]}`:                                         "line 1, column 1: it has no version",
		`{"version":0,"looms":[]}`:                             "line 1, column 12: it has no version",
		`{"Version":1,"looms":[]}`:                             "line 1, column 1: it has no version",
		`{"version":"1","looms":[]}`:                           "line 1, column 14: json: cannot unmarshal string",
		`{"version":1}`:                                        "line 1, column 1: it has no list of looms",
		`{"version":1,"looms":[],"looms":[]}`:                  `line 1, column 33: "looms" is there twice`,
		"{\"version\":1,\n\"looms\":{}}":                       "line 2, column 9: looms is not a list",
		"{\"version\":1,\n\"looms\": null}":                    "line 2, column 10: looms is not a list",
		"{\"version\":1,\"looms\":[\n  null]}":                 "line 2, column 3: a loom without id or repository",
		"{\"version\":1,\"looms\":[\n  {}]}":                   "line 2, column 3: a loom without id or repository",
		"{\"version\":1,\"looms\":[\n  7]}":                    "line 2, column 3: json: cannot unmarshal number",
		loomFile(`"offset":"1"`):                               "line 3, column 12: json: cannot unmarshal string into Go struct field Loom.offset",
		loomFile(`"ports":[{"host":70000}]`):                   "line 2, column 1: lease of host port 70000",
		loomFile(`"subnets":{"n":["10.0.0/8"]}`):               "line 2, column 1: subnet: netip.ParsePrefix(\"10.0.0/8\")",
		loomFile(`"created":"yesterday"`):                      "line 2, column 1: parsing time",
		strings.Replace(fullFile, "3123", "70000", 1):          "line 3, column 5: lease of host port 70000",
		"{\n  \"looms\": null,\n  \"version\": 1\n}\n":         "line 2, column 12: looms is not a list",
		"{\n  \"looms\": [\n    null],\n  \"version\": 1\n}\n": "line 3, column 5: a loom without id or repository",
		"{\n  \"looms\": [] [],\n  \"version\": 1\n}\n":        "line 2, column 15: invalid character '['",
		"\x00\x00\x00":                                         "line 1, column 1: invalid character '\\x00'",
	} {
		for name, call := range map[string]func(*registry.Registry) error{
			"read": func(r *registry.Registry) error { _, err := r.Read(t.Context()); return err },
			"update": func(r *registry.Registry) error {
				return r.Update(t.Context(), func(*registry.State) error { t.Error("called"); return nil })
			},
		} {
			dir, path := write(t, text)
			err := call(registry.Open(dir))
			damaged, ok := errors.AsType[*registry.DamagedError](err)
			assert.Assert(t, ok, "%s %q: %v", name, text, err)
			assert.Equal(t, damaged.Path, path)
			assert.ErrorIs(t, err, damaged.Err)
			assert.Check(t, is.Contains(err.Error(), want), "%q", text)
			assert.Equal(t, err.Error(), "registry "+path+" is damaged: "+damaged.Err.Error()+"; it was set aside as "+damaged.Aside)
			assert.Check(t, is.Regexp(`registry\.json\.damaged-\d{8}T\d{6}Z$`, damaged.Aside))
			aside, err := os.ReadFile(damaged.Aside)
			assert.NilError(t, err)
			assert.Equal(t, string(aside), text)
			assert.Assert(t, read(t, dir).Fresh)
		}
	}
}

// loomFile is a registry with one loom that has a member more, on its second and third line.
func loomFile(more string) string {
	return "{\"version\":1,\"looms\":[\n{\"id\":\"1\",\"repository\":\"/a\",\n" + more + "}]}"
}

func TestDamageOfTheSameSecondIsAllKept(t *testing.T) {
	t.Parallel()
	dir, path := write(t, "0")
	for i := range 5 {
		assert.NilError(t, os.WriteFile(path, fmt.Append(nil, i), 0o600))
		_, err := registry.Open(dir).Read(t.Context())
		assert.ErrorContains(t, err, "is damaged")
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	assert.NilError(t, err)
	assert.Equal(t, len(aside), 5)
}

// Everybody finds the damage at once; who repairs it first must not have the repaired file set aside by the others.
func TestDamageFoundByManyAtOnceLosesNoGoodFile(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir, path := write(t, "{")
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, err := registry.Open(dir).Read(t.Context())
				if _, damaged := errors.AsType[*registry.DamagedError](err); err != nil && !damaged {
					t.Error(err)
				}
				assert.Check(t, registry.Open(dir).Update(t.Context(), func(s *registry.State) error {
					s.Put(registry.Loom{ID: fmt.Sprint(i), Repository: "/src/a"})
					return nil
				}))
			})
		}
		wg.Wait()
		assert.Equal(t, len(read(t, dir).Looms), 8)
		aside, err := filepath.Glob(path + ".damaged-*")
		assert.NilError(t, err)
		assert.Equal(t, len(aside), 1)
	}
}

func TestANewerFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	text := `{"version":3,"looms":{"of":"another shape"}}`
	dir, path := write(t, text)
	_, err := registry.Open(dir).Read(t.Context())
	want := "registry " + path + " is of version 3: a newer docker loom wrote it, update this one (it knows version 2)"
	assert.Error(t, err, want)
	err = registry.Open(dir).Update(t.Context(), func(*registry.State) error { t.Error("called"); return nil })
	assert.Error(t, err, want)
	_, newer := errors.AsType[*registry.NewerError](err)
	assert.Assert(t, newer)
	got, err := os.ReadFile(path)
	assert.NilError(t, err)
	assert.Equal(t, string(got), text)
}

func TestAFolderThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	assert.NilError(t, os.WriteFile(file, nil, 0o600))
	dir := filepath.Join(file, "loom")
	nothing := func(*registry.State) error { return nil }
	err := registry.Open(dir).Update(t.Context(), nothing)
	assert.ErrorContains(t, err, "folder "+dir)
	_, err = registry.Open(dir).Lock(t.Context(), "/src/a", "1")
	assert.ErrorContains(t, err, "folder "+filepath.Join(dir, "locks"))

	// A folder where the file should be: no damage, nothing to set aside.
	dir = t.TempDir()
	assert.NilError(t, os.Mkdir(registry.Open(dir).Path(), 0o700))
	_, err = registry.Open(dir).Read(t.Context())
	assert.ErrorContains(t, err, registry.Open(dir).Path())
	assert.ErrorContains(t, registry.Open(dir).Update(t.Context(), nothing), registry.Open(dir).Path())
	_, damaged := errors.AsType[*registry.DamagedError](err)
	assert.Assert(t, !damaged)

	dir = t.TempDir()
	assert.NilError(t, os.Mkdir(filepath.Join(dir, "registry.lock"), 0o700))
	assert.ErrorContains(t, registry.Open(dir).Update(t.Context(), nothing), filepath.Join(dir, "registry.lock"))
}

func TestAChangeThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open lock file keeps its folder there")
	}
	dir := filepath.Join(t.TempDir(), "loom")
	err := registry.Open(dir).Update(t.Context(), func(s *registry.State) error {
		s.Put(full("1"))
		return os.RemoveAll(dir)
	})
	assert.ErrorContains(t, err, "registry "+registry.Open(dir).Path()+": ")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestALeftoverTemporaryFileDisturbsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, ".tmp-registry.json123")
	other := filepath.Join(dir, "mine")
	for _, path := range []string{left, other} {
		assert.NilError(t, os.WriteFile(path, []byte("{"), 0o600))
	}
	update(t, dir, func(s *registry.State) { assert.Assert(t, s.Fresh); s.Put(full("1")) })
	assert.Equal(t, len(read(t, dir).Looms), 1)
	_, err := os.Stat(left)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(other)
	assert.NilError(t, err)
}

func TestReadGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, "{")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := registry.Open(dir).Read(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "is damaged: line 1, column 1: ")
	_, err = registry.Open(dir).Lock(ctx, "/a", "1")
	assert.ErrorIs(t, err, context.Canceled)
}

func FuzzReadNeverPanics(f *testing.F) {
	f.Add([]byte(fullFile))
	f.Add([]byte(loomFile(`"x":[{}],"ID":"2"`)))
	f.Add([]byte(`{"version":1,"looms":[{"id":"1","repository":"/a","ports":[{}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, path := write(t, string(data))
		s, err := registry.Open(dir).Read(t.Context())
		if err != nil {
			return
		}
		// What was read is written without loss: a second change finds what the first left.
		mark := registry.Loom{ID: "fuzz", Repository: "/fuzz"}
		update(t, dir, func(s *registry.State) { s.Put(mark) })
		first, err := os.ReadFile(path)
		assert.NilError(t, err)
		assert.Assert(t, len(read(t, dir).Looms) >= len(s.Looms))
		update(t, dir, func(s *registry.State) { s.Remove("/fuzz", "fuzz") })
		update(t, dir, func(s *registry.State) { s.Put(mark) })
		second, err := os.ReadFile(path)
		assert.NilError(t, err)
		assert.Equal(t, string(first), string(second))
	})
}

func thousand(s *registry.State) {
	for i := range 1000 {
		l := full(fmt.Sprint(i))
		l.Ports = nil
		for k := range 20 {
			l.Ports = append(l.Ports, ports.Lease{Protocol: "tcp", Base: 3000 + 1000*k, Count: 1, Host: 3000 + 1000*k + i})
		}
		for k := range 4 {
			l.Subnets[fmt.Sprint(k)] = []string{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k), byte(i / 4), byte(i % 4 * 64)}), 26).String()}
		}
		s.Put(l)
	}
}

func BenchmarkReadThousandLooms(b *testing.B) {
	r := registry.Open(b.TempDir())
	assert.NilError(b, r.Update(b.Context(), func(s *registry.State) error { thousand(s); return nil }))
	for b.Loop() {
		s, err := r.Read(b.Context())
		if err != nil || len(s.Looms) != 1000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateThousandLooms(b *testing.B) {
	r := registry.Open(b.TempDir())
	assert.NilError(b, r.Update(b.Context(), func(s *registry.State) error { thousand(s); return nil }))
	for i := 0; b.Loop(); i++ {
		if err := r.Update(b.Context(), func(s *registry.State) error { s.Looms[0].Offset = i; return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllocateAmongThousandLooms(b *testing.B) {
	var s registry.State
	thousand(&s)
	var all []ports.Port
	for i := range 1000 {
		all = append(all, ports.Port{Service: "s", Base: 3000 + 20*i})
	}
	for b.Loop() {
		if _, err := ports.Allocate(ports.Request{Ports: all, Offset: 123, Taken: s.Ports(&registry.Loom{Space: "local", Repository: "/src/shop", ID: "123"})}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheFirstLookAtARepositoryStays(t *testing.T) {
	t.Parallel()
	r := registry.Open(t.TempDir())
	have, err := r.Shared("/r/.git")
	assert.Assert(t, have == nil && err == nil)
	for _, id := range []string{"a", "b"} {
		assert.NilError(t, r.KeepShared(registry.SharedRepository{CommonDir: "/r/.git", Commits: []string{id}, Reflogs: true}))
	}
	have, err = r.Shared("/r/.git")
	assert.NilError(t, err)
	assert.DeepEqual(t, have.Commits, []string{"a"})
	assert.Assert(t, have.Reflogs && !have.Since.IsZero())
	// Of a file that makes no sense only that it is there is known.
	paths, err := filepath.Glob(filepath.Join(r.SandboxDir(".repositories"), "*.json"))
	assert.Assert(t, err == nil && len(paths) == 1)
	assert.NilError(t, os.WriteFile(paths[0], []byte("{"), 0o600))
	have, err = r.Shared("/r/.git")
	assert.Assert(t, err == nil && have != nil && len(have.Commits) == 0 && !have.Reflogs)
}
