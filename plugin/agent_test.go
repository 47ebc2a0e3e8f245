package plugin

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/plugin/agents"
)

func TestCommandsOfAnAgentAreNotTakenForAgentsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"loom agent -- ls", "loom agent _ -- ls"},
		{"loom agent 123 -- stop", "loom agent 123 _ -- stop"},
		{"loom agent --loom ls -- true", "loom agent --loom ls _ -- true"},
		{"loom --progress plain agent -- log", "loom --progress plain agent _ -- log"},
		{"loom agent allow -- *.example.com", "loom agent allow -- *.example.com"},
		{"loom agent stop -- 123", "loom agent stop -- 123"},
		{"loom agent 123", "loom agent 123"},
		{"loom exec -- ls", "loom exec -- ls"},
	} {
		words := agents.WithoutID(strings.Fields(c.line))
		for i, word := range words {
			if word == "" {
				words[i] = "_"
			}
		}
		assert.Equal(t, strings.Join(words, " "), c.want)
	}
}
