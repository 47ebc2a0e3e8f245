package inside

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// t0 is a moment.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestMain(m *testing.M) { worldtest.Main(m) }

// monorepo is a machine with loom 7, whose projects are apps/web, apps/api and apps/job.
type monorepo struct {
	*worldtest.World
	looms *loom.Looms
	repo  string
}

func newMonorepo(t *testing.T) *monorepo {
	t.Helper()
	w := &monorepo{World: worldtest.New(t, worldtest.Local)}
	w.looms = &loom.Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	}
	w.repo = w.Repo("mono")
	assert.NilError(t, os.Remove(filepath.Join(w.repo, "compose.yaml")))
	for i, folder := range []string{"web", "api", "job"} {
		dir := w.Path("mono", "apps", folder)
		assert.NilError(t, os.MkdirAll(dir, 0o755))
		w.Know(registry.Loom{ID: "7", Repository: w.repo, Project: "p7-" + folder, WorkTree: w.repo, Dir: dir, Created: t0.AddDate(0, 0, -3+i)})
	}
	return w
}

func (w *monorepo) in(folder string) loom.Where {
	return loom.Where{ID: "7", Source: stack.Source{Dir: filepath.Join(w.repo, filepath.FromSlash(folder))}}
}

func container(folder, service, published string, labels map[string]string) worldtest.Container {
	all := map[string]string{engine.LabelLoom: "7"}
	for k, v := range labels {
		all[k] = v
	}
	c := worldtest.Container{Name: "p7-" + folder + "-" + service, Project: "p7-" + folder, Service: service, State: "running", Labels: all}
	if published != "" {
		c.Published = []string{published}
	}
	return c
}

func TestOpenTakesTheOldestProjectWithAWebPort(t *testing.T) {
	t.Parallel()
	w := newMonorepo(t)
	w.Run(
		container("web", "db", "0.0.0.0:5439:5432/tcp", nil), container("api", "api", "0.0.0.0:4007:4000/tcp", nil),
		container("job", "ui", "0.0.0.0:8087:4000/tcp", nil),
	)
	ports := &Ports{Looms: w.looms}
	for _, tc := range []struct{ folder, asked, want string }{
		{"", "", "p7-api"},
		{"apps/job", "", "p7-job"},
		{"", "ui", "p7-job"},
		{"", "8087", "p7-job"},
		{"", "4000", "several"},
		{"", "none", "several"},
	} {
		target, err := ports.Choose(t.Context(), w.in(tc.folder), tc.asked)
		if tc.want == "several" {
			assert.Check(t, errors.As(err, new(*find.SeveralProjectsError)), "%+v: %v", tc, err)
			continue
		}
		assert.NilError(t, err)
		assert.Check(t, target.Known.Project == tc.want, "%+v: %s", tc, target.Known.Project)
	}
	w.Run()
	_, err := ports.Choose(t.Context(), w.in(""), "")
	assert.Check(t, errors.As(err, new(*find.SeveralProjectsError)), "%v", err)
}

func TestCodeOpensTheOnlyDevContainerOfALoom(t *testing.T) {
	t.Parallel()
	w := newMonorepo(t)
	dev := func(folder string) worldtest.Container {
		return container(folder, "dev", "", map[string]string{
			devcontainer.LabelLocalFolder: filepath.Join(w.repo, "apps", folder), engine.LabelDevContainer: `{"workspaceFolder":"/work"}`,
		})
	}
	w.Run(container("web", "web", "", nil), dev("api"))
	uri, err := EditorURI(t.Context(), w.looms, w.in(""))
	assert.NilError(t, err)
	same, err := EditorURI(t.Context(), w.looms, w.in("apps/api"))
	assert.NilError(t, err)
	assert.Equal(t, uri, same)
	_, err = EditorURI(t.Context(), w.looms, w.in("apps/web"))
	assert.Check(t, errors.As(err, new(*loom.NoDevContainerError)), "%v", err)
	w.Run(dev("web"), dev("api"))
	_, err = EditorURI(t.Context(), w.looms, w.in(""))
	assert.Check(t, errors.As(err, new(*find.SeveralProjectsError)), "%v", err)
}

func TestAChangeOfALoomPassesOverProjectsThatHaveNothing(t *testing.T) {
	t.Parallel()
	w := newMonorepo(t)
	where := w.in("")
	where.WholeLoom = true
	target, err := w.looms.Finder().Resolve(t.Context(), where, loom.Reading)
	assert.NilError(t, err)
	l := &Containers{Looms: w.looms}
	running := func(t *loom.Target) (*Acted, error) {
		a, _, err := l.act(context.Background(), t, nil, "running", loom.IsRunning)
		return a, err
	}
	w.Run(container("web", "web", "", nil), container("api", "api", "", nil), container("api", "web", "", nil))
	a, err := l.Each(target, nil, running)
	assert.NilError(t, err)
	assert.DeepEqual(t, a, &Acted{Loom: "7", Project: "p7-web", Services: []string{"api", "web"}})
	w.Run()
	_, err = l.Each(target, nil, running)
	assert.Check(t, errors.As(err, new(*loom.EmptyError)), "%v", err)
	_, err = l.Each(target, nil, func(*loom.Target) (*Acted, error) { return nil, os.ErrClosed })
	assert.ErrorIs(t, err, os.ErrClosed)
}
