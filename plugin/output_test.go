package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/doctor"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/loom"
)

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	assert.NilError(t, err)
	return d
}

// printed is what f writes, without the blanks that end a table's lines.
func printed(f func(io.Writer)) string {
	var b bytes.Buffer
	f(&b)
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestADocumentIsATableOrJSONOrATemplate(t *testing.T) {
	t.Parallel()
	document := struct {
		Name string   `json:"name"`
		List []string `json:"list"`
	}{"<a & b>", []string{"x"}}
	for format, want := range map[string]string{
		"": "the table\n", "table": "the table\n",
		"json":                 "{\n  \"name\": \"<a & b>\",\n  \"list\": [\n    \"x\"\n  ]\n}\n",
		"{{.Name}}":            "<a & b>\n",
		"{{json .List}}":       "[\"x\"]\n",
		"{{upper .Name}}":      "<A & B>\n",
		"{{join .List \",\"}}": "x\n",
	} {
		var b bytes.Buffer
		assert.NilError(t, write(&b, format, document, func(w io.Writer) { fmt.Fprintln(w, "the table") }))
		assert.Check(t, b.String() == want, "%s: %q", format, b.String())
	}
	for _, format := range []string{"{{.Name", "{{.Nothing}}", "{{nothing .Name}}"} {
		var b bytes.Buffer
		err := write(&b, format, document, nil)
		var usage usageError
		assert.Check(t, errors.As(err, &usage) && strings.HasPrefix(err.Error(), "--format: "), "%s: %v", format, err)
		assert.Check(t, b.Len() == 0, "%s: half of it was printed: %q", format, b.String())
	}
}

func TestResultTableHasARowForEachPort(t *testing.T) {
	t.Parallel()
	r := &loom.Result{
		Services: []loom.Service{
			{Name: "api", Container: "p-api-1", State: "running", Health: "healthy"},
			{Name: "dns", Container: "p-dns-1", State: "running"},
			{Name: "migrate", Container: "p-migrate-1", State: "exited", ExitCode: 0},
			{Name: "web", Container: "p-web-1", State: "running"},
			{Name: "web", Container: "p-web-2", State: "exited", ExitCode: 137},
		},
		Ports: []loom.Port{
			{Service: "api", Target: 80, Published: 8203, Protocol: "tcp", URL: "http://123.localhost:8203"},
			{Service: "api", Target: 5432, Published: 5555, Protocol: "tcp", HostIP: "127.0.0.1"},
			{Service: "dns", Target: 53, Published: 5300, Protocol: "udp"},
			{Service: "web", Target: 81, Published: 8204, Protocol: "tcp", Silent: true},
		},
	}
	assert.Equal(t, printed(func(w io.Writer) { resultTable(w, r) }), strings.TrimPrefix(`
SERVICE   STATE               ADDRESS                           CONTAINER PORT
api       running (healthy)   http://123.localhost:8203         80/tcp
                              127.0.0.1:5555                    5432/tcp
dns       running             localhost:5300/udp                53/udp
migrate   exited (0)
web       running             localhost:8204 (nobody answers)   81/tcp
web       exited (137)
`, "\n"))
	assert.Equal(t, printed(func(w io.Writer) { resultTable(w, &loom.Result{}) }), "SERVICE   STATE     ADDRESS   CONTAINER PORT\n")
}

func TestListIsADockerList(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	list := []loom.Listed{
		{
			ID: "123", Repository: filepath.Join(home, "shop"), Project: "iloom-shop-123", WorkTree: filepath.Join(home, "shop-looms", "x"), State: "running", Running: 2, Containers: 2, Offset: 123,
			Created: time.Now().Add(-3 * time.Hour), Ports: []loom.Port{{Service: "web", Published: 8203, Protocol: "tcp"}, {Service: "dns", Published: 5300, Protocol: "udp"}},
		},
		{ID: "main", Repository: "/src/shop", Project: "shop", WorkTree: "/src/shop", State: "down", Ports: []loom.Port{{Published: 8080, Protocol: "tcp"}}},
	}
	const table = "table {{.Name}}\t{{.State}}\t{{.Ports}}\t{{.WorkTree}}\t{{.Created}}"
	got := func(format string, list []loom.Listed) string {
		return printed(func(w io.Writer) { assert.NilError(t, listContext(w, format, list)) })
	}
	tree := filepath.Join("~", "shop-looms", "x")
	assert.Equal(t, got(table, list), strings.TrimPrefix(`
LOOM        STATE         PORTS                    WORK TREE        CREATED
shop/123    running (2)   web:8203, dns:5300/udp   `+tree+`   3 hours ago
shop/main   down          8080                     /src/shop
`, "\n"))
	assert.Equal(t, got(table, nil), "LOOM      STATE     PORTS     WORK TREE   CREATED\n")
	assert.Equal(t, got("{{.Name}}", list), "shop/123\nshop/main\n")
	assert.Equal(t, got("{{.ID}} {{.Project}} {{.Offset}} {{.Repository}}", list), "123 iloom-shop-123 123 "+filepath.Join("~", "shop")+"\nmain shop 0 /src/shop\n")
	assert.Equal(t, got("{{.Name}}", nil), "")
	assert.Assert(t, listContext(io.Discard, "{{.Name", list) != nil)
	assert.Assert(t, listContext(io.Discard, "{{.Nothing}}", list) != nil)
	row := newListRow(list[1])
	b, err := row.MarshalJSON()
	assert.NilError(t, err)
	assert.Equal(t, string(b), `{"ActiveSources":"","Created":"","Health":"","HeldUntil":"","ID":"main","LastActivity":"","Name":"shop/main","Offset":"0","Ports":"8080","Project":"shop","Repository":"/src/shop","State":"down","WorkTree":"/src/shop"}`)
}

func TestDownTellsWhatWentAndWhatWasKept(t *testing.T) {
	t.Parallel()
	kept := []*loom.Remains{
		{Loom: "123", Volumes: []string{"p_data", "p_cache"}, Ports: []string{"8203/tcp", "5555/tcp"}, Removed: []string{"container p-web-1", "file /x/.env"}},
		{Loom: "main"},
	}
	ended := []*loom.Remains{{Loom: "123", Removed: []string{"volume p_data"}}}
	for _, tc := range []struct {
		name    string
		o       downOptions
		remains []*loom.Remains
		want    string
	}{
		{"down", downOptions{}, kept, "loom 123 is down\n  kept volume p_data\n  kept volume p_cache\n  kept ports 8203/tcp, 5555/tcp\nloom main is down\n"},
		{"the end", downOptions{volumes: true}, ended, "loom 123 ended\n"},
		{"a dry run", downOptions{dryRun: true}, kept, "loom 123 would go down\n  remove container p-web-1\n  remove file /x/.env\n  kept volume p_data\n  kept volume p_cache\n  kept ports 8203/tcp, 5555/tcp\nloom main would go down\n"},
		{"a dry run of the end", downOptions{dryRun: true, volumes: true}, ended, "loom 123 would go down\n  remove volume p_data\n"},
		{"nothing", downOptions{}, nil, ""},
	} {
		got := printed(func(w io.Writer) { tellDown(w, tc.o, tc.remains) })
		assert.Check(t, got == tc.want, "%s: %s", tc.name, got)
	}
	assert.Equal(t, printed(func(w io.Writer) { hintKept(w, kept) }), "hint: docker loom down 123 --volumes ends what was kept\n")
	assert.Equal(t, printed(func(w io.Writer) { hintKept(w, ended) }), "")
}

func TestOnlyFindingsThatNeedSomethingAreShown(t *testing.T) {
	t.Parallel()
	list := []finding.Finding{
		{Level: finding.Info, Subject: "volume data", Message: "is isolated"},
		{Level: finding.Warning, Subject: "service web", Message: "shares", Remedy: "do not"},
		{Level: finding.Error, Subject: "service db", Message: "cannot"},
	}
	assert.Equal(t, printed(func(w io.Writer) { findings(w, list, false) }),
		"warning: service web: shares (do not)\nerror: service db: cannot\n1 finding(s) that need nothing: docker loom config --explain shows them\n")
	assert.Equal(t, printed(func(w io.Writer) { findings(w, list, true) }), "warning: service web: shares (do not)\nerror: service db: cannot\n")
	assert.Equal(t, printed(func(w io.Writer) { findings(w, nil, false) }), "")
}

func TestADiagnosisIsTold(t *testing.T) {
	t.Parallel()
	d := &doctor.Diagnosis{Docker: doctor.DockerState{SocketConnected: true, Version: "28.5.1", APIVersion: "1.51", Host: "unix:///x", Context: "default", Compose: "2.40.3"}}
	assert.Equal(t, printed(func(w io.Writer) { tellDiagnosis(w, d) }), "engine 28.5.1 (API 1.51) at unix:///x, context default; compose 2.40.3 inside docker loom\nnothing to report\n")
	d = &doctor.Diagnosis{Findings: []finding.Finding{{Level: finding.Error, Subject: "engine", Message: "is away"}}}
	assert.Equal(t, printed(func(w io.Writer) { tellDiagnosis(w, d) }), "error: engine: is away\n")
}
