package looms

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

func TestListIsADockerList(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	list := []inventory.Listed{
		{
			ID: "123", Repository: filepath.Join(home, "shop"), Project: "iloom-shop-123", WorkTree: filepath.Join(home, "shop-looms", "x"), State: "running", Running: 2, Containers: 2, Offset: 123,
			Created: time.Now().Add(-3 * time.Hour), Ports: []loom.Port{{Service: "web", Published: 8203, Protocol: "tcp"}, {Service: "dns", Published: 5300, Protocol: "udp"}},
		},
		{ID: "main", Repository: "/src/shop", Project: "shop", WorkTree: "/src/shop", State: "down", Ports: []loom.Port{{Published: 8080, Protocol: "tcp"}}},
	}
	const table = "table {{.Name}}\t{{.State}}\t{{.Ports}}\t{{.WorkTree}}\t{{.Created}}"
	got := func(format string, list []inventory.Listed) string {
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
	theirs := []*loom.Remains{{Loom: "123", Volumes: []string{"x"}}}
	ended := []*loom.Remains{{Loom: "123", Removed: []string{"volume p_data"}}}
	for _, tc := range []struct {
		name    string
		o       downOptions
		remains []*loom.Remains
		want    string
	}{
		{"down", downOptions{}, kept, "loom 123 is down\n  kept volume p_data\n  kept volume p_cache\n  kept ports 8203/tcp, 5555/tcp\nloom main is down\n"},
		{"the end", downOptions{volumes: true}, ended, "loom 123 ended\n"},
		{"the end of one with another's volume", downOptions{volumes: true}, theirs, "loom 123 ended\n  kept volume x, which was not made for the loom\n"},
		{"a dry run", downOptions{dryRun: true}, kept, "loom 123 would go down\n  remove container p-web-1\n  remove file /x/.env\n  kept volume p_data\n  kept volume p_cache\n  kept ports 8203/tcp, 5555/tcp\nloom main would go down\n"},
		{"a dry run of the end", downOptions{dryRun: true, volumes: true}, ended, "loom 123 would go down\n  remove volume p_data\n"},
		{"one project", downOptions{project: "apps/web"}, kept[1:], "project apps/web of loom main is down\n"},
		{"nothing", downOptions{}, nil, ""},
	} {
		got := printed(func(w io.Writer) { tellDown(w, tc.o, tc.remains) })
		assert.Check(t, got == tc.want, "%s: %s", tc.name, got)
	}
	hint := func(env *command.Environment, kept ...string) string {
		return printed(func(w io.Writer) { hintKept(w, kept, env.WithProject) })
	}
	assert.Equal(t, hint(&command.Environment{}, "123", "'a;b'"), "hint: docker loom down 123 'a;b' --volumes ends what was kept\n")
	assert.Equal(t, hint(&command.Environment{Project: "apps/web"}, "123"),
		"hint: docker loom --project apps/web down 123 --volumes ends what was kept\n")
	assert.Equal(t, hint(&command.Environment{}), "")
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

func TestNextStepsAreAboutTheProjectThatCameUp(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "loom"}
	for _, name := range []string{"open", "logs", "exec", "down"} {
		root.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	run := func(name string) loom.Service { return loom.Service{Name: name, Container: name, State: "running"} }
	r := &loom.Result{Loom: "7", Ports: []loom.Port{{Service: "web", URL: "http://7.localhost:3007"}}, Services: []loom.Service{run("bare"), run("web")}}
	next := func(r *loom.Result, loom, folder string) string {
		hasShell := func(container string) bool { return container != "bare" }
		return printed(func(w io.Writer) { nextSteps(w, root, nextStep{r, loom, folder, hasShell}) }) + "\n"
	}
	text := next(r, "7", "apps/web")
	for _, want := range []string{"loom open 7 --project apps/web\n", "loom logs 7 --project apps/web -f\n", "loom exec 7 --project apps/web web -- sh\n", "loom down 7\n"} {
		assert.Check(t, strings.Contains(text, want), "%q is not in %q", want, text)
	}
	text = next(r, "'a;b'", "")
	assert.Check(t, !strings.Contains(text, "--project") && strings.Contains(text, "loom down 'a;b'\n"), "%s", text)
	r.Services = r.Services[:1]
	r.Ports = append(r.Ports, loom.Port{Service: "mail", URL: "http://7.localhost:8025"})
	text = next(r, "7", "")
	assert.Check(t, !strings.Contains(text, "exec") && strings.Contains(text, "loom open 7 web\n"), "%s", text)
}
