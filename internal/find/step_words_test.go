package find

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestNextStepsNameALoomAsOneTypesItHere(t *testing.T) {
	t.Parallel()
	var in InUse
	assert.Equal(t, in.WithLoom("docker loom up ID"), "docker loom up ID")
	in.noteWord("7", "shop/7")
	in.noteWord("7", "7")
	in.noteWord("a;b", "a;b")
	for step, want := range map[string]string{
		"docker loom shell ID looks into it, docker loom up ID goes on": "docker loom shell shop/7 looks into it, docker loom up shop/7 goes on",
		"docker loom logs 7 web shows what it does":                     "docker loom logs shop/7 web shows what it does",
		"docker loom agent run 7 --agent x starts it":                   "docker loom agent run shop/7 --agent x starts it",
		"(docker loom down 7)":                                          "(docker loom down shop/7)",
		"docker loom --progress plain up 7 shows all":                   "docker loom --progress plain up shop/7 shows all",
		"docker loom up a;b continues":                                  "docker loom up 'a;b' continues",
		"docker loom logs 'a;b' 7":                                      "docker loom logs 'a;b' 7",
		"container 7 of docker loom":                                    "container 7 of docker loom",
		"docker loom ls lists them; docker loom up 77 is":               "docker loom ls lists them; docker loom up 77 is",
	} {
		assert.Check(t, in.WithLoom(step) == want, "%s: %s", step, in.WithLoom(step))
	}
	assert.DeepEqual(t, in.Words([]string{"7", "8", "a;b"}), []string{"shop/7", "8", "'a;b'"})
}
