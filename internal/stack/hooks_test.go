package stack_test

import (
	"testing"

	"github.com/docker/compose/v2/pkg/api"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestHooksAreFoundAgainInLabels(t *testing.T) {
	t.Parallel()
	m := loadFiles(t, folder(t, map[string]string{"compose.yaml": `
services:
  web:
    image: app
    depends_on: [db]
    pre_stop:
      - {command: [say, "good bye"], user: root, privileged: true, working_dir: /w, environment: {A: "1$$2", B: }}
      - {command: sync}
  db: {image: postgres, pre_stop: [{command: [pg_dump]}]}
  plain: {image: app}
`}), nil)
	p, err := m.Finish(nil, map[string]string{"ours": "1"})
	assert.NilError(t, err)
	before := map[string]string{}
	for name, s := range p.Services {
		before[name], err = stack.ServiceHash(s)
		assert.NilError(t, err)
	}
	assert.NilError(t, stack.RecordHooks(p))
	var containers []map[string]string
	for name, s := range p.Services {
		hash, err := stack.ServiceHash(s)
		assert.NilError(t, err)
		assert.Equal(t, hash, before[name], "the label is not hashed")
		assert.Equal(t, s.CustomLabels[stack.LabelPreStop] != "", name != "plain")
		assert.Equal(t, s.CustomLabels["ours"], "1")
		labels := map[string]string(s.CustomLabels)
		if name == "web" {
			labels[api.DependenciesLabel] = "db:service_started:false,gone:service_healthy:true"
		}
		containers = append(containers, labels, labels)
	}
	oneOff := map[string]string{api.ServiceLabel: "job", api.OneoffLabel: "True", stack.LabelPreStop: `[{"command":["x"]}]`}
	found, err := stack.RecordedHooks("shop", append(containers, oneOff, map[string]string{"foreign": "1"}))
	assert.NilError(t, err)
	assert.Equal(t, found.Name, "shop")
	assert.DeepEqual(t, found.ServiceNames(), []string{"db", "plain", "web"})
	for name, s := range found.Services {
		assert.Equal(t, s.Name, name)
		assert.DeepEqual(t, s.PreStop, p.Services[name].PreStop)
	}
	assert.Equal(t, *found.Services["web"].PreStop[0].Environment["A"], "1$2")
	assert.Equal(t, len(found.Services["web"].DependsOn), 1)
	assert.Equal(t, len(found.Services["web"].GetDependencies()), 1)
}

func TestWithoutRecordedHooksThereIsNoProject(t *testing.T) {
	t.Parallel()
	for _, containers := range [][]map[string]string{nil, {{api.ServiceLabel: "web"}}, {{api.ServiceLabel: "web", stack.LabelPreStop: "[]"}}} {
		p, err := stack.RecordedHooks("shop", containers)
		assert.NilError(t, err)
		assert.Assert(t, p == nil)
	}
	_, err := stack.RecordedHooks("shop", []map[string]string{{api.ServiceLabel: "web", stack.LabelPreStop: "{"}})
	assert.ErrorContains(t, err, "service web")
}
