package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/plugin/command"
)

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
		assert.NilError(t, Write(&b, format, document, func(w io.Writer) { fmt.Fprintln(w, "the table") }))
		assert.Check(t, b.String() == want, "%s: %q", format, b.String())
	}
	for _, format := range []string{"{{.Name", "{{.Nothing}}", "{{nothing .Name}}"} {
		var b bytes.Buffer
		err := Write(&b, format, document, nil)
		var usage command.UsageError
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
	assert.Equal(t, printed(func(w io.Writer) { ResultTable(w, r) }), strings.TrimPrefix(`
SERVICE   STATE               ADDRESS                           CONTAINER PORT
api       running (healthy)   http://123.localhost:8203         80/tcp
                              127.0.0.1:5555                    5432/tcp
dns       running             localhost:5300/udp                53/udp
migrate   exited (0)
web       running             localhost:8204 (nobody answers)   81/tcp
web       exited (137)
`, "\n"))
	assert.Equal(t, printed(func(w io.Writer) { ResultTable(w, &loom.Result{}) }), "SERVICE   STATE     ADDRESS   CONTAINER PORT\n")
}

func TestOnlyFindingsThatNeedSomethingAreShown(t *testing.T) {
	t.Parallel()
	list := []finding.Finding{
		{Level: finding.Info, Subject: "volume data", Message: "is isolated"},
		{Level: finding.Warning, Subject: "service web", Message: "shares", Remedy: "do not"},
		{Level: finding.Error, Subject: "service db", Message: "cannot"},
	}
	none := &command.Environment{}
	assert.Equal(t, printed(func(w io.Writer) { Findings(w, none, "7", list, false) }),
		"warning: service web: shares (do not)\nerror: service db: cannot\n1 finding(s) that need nothing: docker loom config 7 --explain shows them\n")
	assert.Equal(t, printed(func(w io.Writer) { Findings(w, none, "7", list, true) }), "warning: service web: shares (do not)\nerror: service db: cannot\n")
	assert.Equal(t, printed(func(w io.Writer) { Findings(w, none, "7", nil, false) }), "")
	named := &command.Environment{Project: "apps/web"}
	assert.Equal(t, printed(func(w io.Writer) { Findings(w, named, "7", list[:1], false) }),
		"1 finding(s) that need nothing: docker loom --project apps/web config 7 --explain shows them\n")
}

func TestResultTableTellsProjectsApart(t *testing.T) {
	t.Parallel()
	r := &loom.Result{Projects: []report.Project{
		{
			ProjectName: report.ProjectName{Folder: "apps/web", Project: "p-web"},
			Services:    []loom.Service{{Name: "db", State: "running"}, {Name: "web", State: "running"}},
			Ports:       []loom.Port{{Service: "web", Target: 80, Published: 3007, Protocol: "tcp"}, {Service: "web", Target: 81, Published: 3008, Protocol: "tcp"}},
		},
		{ProjectName: report.ProjectName{Folder: ".", Project: "p"}, Services: []loom.Service{{Name: "db", State: "exited", ExitCode: 1}}},
	}}
	assert.Equal(t, printed(func(w io.Writer) { ResultTable(w, r) }), strings.TrimPrefix(`
PROJECT    SERVICE   STATE        ADDRESS          CONTAINER PORT
apps/web   db        running
apps/web   web       running      localhost:3007   80/tcp
                                  localhost:3008   81/tcp
.          db        exited (1)
`, "\n"))
}
