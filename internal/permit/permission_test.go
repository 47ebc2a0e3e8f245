package permit

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
)

func TestAVariableCountsIfTheUserHasSetIt(t *testing.T) {
	t.Parallel()
	p := Permission{Process: host.Process{Environ: []string{"LOOM_TEST_TOKEN=x"}}}
	all := []string{trust.ReadsVariable + "LOOM_TEST_TOKEN", trust.ReadsVariable + "LOOM_TEST_OTHER"}
	assert.DeepEqual(t, p.NotAccepted(Request{
		Entry: &registry.Loom{ID: "pr/5", Repository: "/r"}, State: &registry.State{}, Access: all,
	}), all[:1])
}

// A process that works on several projects of a loom asks for each.
func TestWhatOneProjectMayAnotherNeedNot(t *testing.T) {
	t.Parallel()
	p := Permission{Given: &Given{}}
	of := func(folder string) *registry.Loom {
		p.WorkOn(&survey.Target{ID: "pr/5", Repository: "/r", Source: stack.Source{Dir: "/r/" + folder}})
		return &registry.Loom{ID: "pr/5", Repository: "/r", WorkTree: "/r", Dir: "/r/" + folder}
	}
	wanted := []string{"service db is privileged"}
	assert.NilError(t, p.Ask(Request{Entry: of("web"), State: &registry.State{}, Access: wanted, Trusted: true}))
	p.Locks = 1
	assert.NilError(t, p.Ask(Request{Entry: of("web"), State: &registry.State{}, Access: wanted}))
	assert.ErrorType(t, p.Ask(Request{Entry: of("api"), State: &registry.State{}, Access: wanted}), &QuestionError{})
}
