package settings

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAgentKeysAreRead(t *testing.T) {
	t.Parallel()
	s, err := Read(layers{user: `{"container": {"agent": {"image": "base:1", "egress": {"allow": ["a.test"]}}}}`, shared: `{"container": {
		"agent": {
			"command": "claude --continue", "egress": {"mode": "restricted", "allow": ["example.com", "*.example.org:8443"]},
			"servicesEgress": "open", "credentials": ["claude", "git"], "mounts": [{"source": "~/models", "target": "/models"}, {"source": "/srv", "readOnly": false}],
			"dockerAccess": "none", "runtime": "runsc", "memory": 8589934592, "cpus": 1.5, "pids": 100, "vault": "work"
		},
		"agents": {"reviewer": {"command": ["review", "--all"], "memory": "2g", "credentials": [], "readOnly": true, "egress": {"mode": "none"}}}
	}}`}.write(t))
	assert.NilError(t, err)
	want := Agent{
		Command: []string{"/bin/sh", "-c", "claude --continue"}, Image: "base:1",
		Egress:         AgentEgress{Mode: "restricted", Allow: []string{"example.com", "*.example.org:8443"}},
		ServicesEgress: "open", Credentials: []string{"claude", "git"},
		Mounts:       []AgentMount{{Source: "~/models", Target: "/models", ReadOnly: true}, {Source: "/srv"}},
		DockerAccess: "none", Runtime: "runsc", Memory: "8589934592", CPUs: 1.5, PIDs: 100, Vault: "work",
	}
	assert.DeepEqual(t, s.Agent("agent"), want)
	// What a named agent leaves open is as container.agent says.
	want.Command, want.Memory, want.Credentials, want.ReadOnly, want.Egress.Mode = []string{"review", "--all"}, "2g", []string{}, true, "none"
	assert.DeepEqual(t, s.Agent("reviewer"), want)
}

func TestAgentErrorsNameTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"agent": 3`:                              `:2:10: container.agent: 3 is not an object`,
		`"agent": {"command": []}`:                `:2:22: container.agent.command: it names no program`,
		`"agent": {"command": " "}`:               `:2:22: container.agent.command: it is empty`,
		`"agent": {"egress": {"mode": "off"}}`:    `:2:30: container.agent.egress.mode: must be one of none, restricted, open, not "off"`,
		`"agent": {"credentials": ["aws"]}`:       `:2:27: container.agent.credentials[0]: must be one of claude, git, gh, npm, not "aws"`,
		`"agent": {"mounts": [{}]}`:               `:2:22: container.agent.mounts[0]: it has no source`,
		`"agent": {"dockerAccess": true}`:         `:2:27: container.agent.dockerAccess: true is not a string`,
		`"agent": {"memory": -1}`:                 `:2:21: container.agent.memory: -1 is not a number of bytes`,
		`"agent": {"cpus": 0}`:                    `:2:19: container.agent.cpus: 0 is not a number of CPUs`,
		`"agent": {"pids": 1.5}`:                  `:2:19: container.agent.pids: 1.5 is not a whole number above 0`,
		`"agents": []`:                            `:2:11: container.agents: an array is not an object`,
		`"agents": {"A b": {}}`:                   `:2:12: container.agents."A b": "A b" is not a name for an agent`,
		`"agents": {"x-egress": {}}`:              `:2:12: container.agents."x-egress": "x-egress" is not a name for an agent`,
		`"agents": {"reviewer": {"image": ""}}`:   `:2:34: container.agents.reviewer.image: it is empty`,
		`"agents": {"reviewer": {"readOnly": 1}}`: `:2:37: container.agents.reviewer.readOnly: 1 is neither true nor false`,
	} {
		src := layers{shared: "{\"container\": {\n" + text + "\n}}"}.write(t)
		_, err := Read(src)
		assert.Assert(t, err != nil, text)
		got := strings.TrimPrefix(err.Error(), filepath.Join(src.WorkTree, ".iloom", "settings.json"))
		assert.Assert(t, strings.HasPrefix(got, want), "%s: %s", text, got)
	}
}

func TestUnknownKeysOfAgentsAreTold(t *testing.T) {
	t.Parallel()
	src := layers{user: `{"container": {"agent": {"egres": {}, "readonly": true}}, "agent": {"x": 1}}`, shared: `{"iloom": 1, "container": {
"agnt": {},
"agent": {"egress": {"alow": []}, "mounts": [{"source": "/a"}, {"source": "/b", "dest": "/c"}]},
"agents": {"reviewer": {"reedOnly": true, "egres": 1}, "fine": {"image": "x"}}
}}`}.write(t)
	s, err := Read(src)
	assert.NilError(t, err)
	shared := filepath.Join(src.WorkTree, ".iloom", "settings.json")
	told := func(agent string) []string {
		var list []string
		for _, f := range s.Agent(agent).Findings {
			list = append(list, strings.NewReplacer(src.User, "user", shared, "shared").Replace(f.String()))
		}
		return list
	}
	nested := []string{
		"warning: shared:3:22: container.agent.egress.alow is not known and not obeyed (did you mean allow?)",
		"warning: shared:3:81: container.agent.mounts[1].dest is not known and not obeyed",
	}
	readOnly := "warning: user:1:39: container.agent.readonly is not known and not obeyed (did you mean readOnly?)"
	assert.DeepEqual(t, told("agent"), append([]string{
		"warning: user:1:26: container.agent.egres is not known and not obeyed (did you mean egress?)", readOnly,
	}, nested...))
	// What container.agent says holds for the others, too.
	assert.DeepEqual(t, told("fine"), told("agent"))
	assert.DeepEqual(t, told("reviewer"), append([]string{
		"warning: shared:4:43: container.agents.reviewer.egres is not known and not obeyed (did you mean egress?)", readOnly,
		"warning: shared:4:25: container.agents.reviewer.reedOnly is not known and not obeyed (did you mean readOnly?)",
	}, nested...))
}

func TestASlipIsNearToTheWordThatWasMeant(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"egres": "egress", "Egress": "egress", "servicesegress": "servicesEgress", "credential": "credentials", "comand": "command", "cpu": "cpus",
		"pid": "pids", "mount": "mounts", "mem": "", "timeout": "", "x": "", "": "",
	} {
		assert.Equal(t, nearest(name, agentKeys), want, name)
	}
}

func TestWrongNamesThePlaceOfAValue(t *testing.T) {
	t.Parallel()
	src := layers{user: "{\"container\": {\"agent\": {\"egress\": {\"allow\": [\n\"a.test\", \"b c\"]}}}}"}.write(t)
	err := Wrong(src, errors.New("no host"), "container", "agent", "egress", "allow", 1)
	assert.Error(t, err, src.User+`:2:11: container.agent.egress.allow[1]: no host`)
	err = Wrong(src, errors.New("no host"), "container", "agents", "reviewer")
	assert.Error(t, err, src.User+`:1:15: container: no host`)
}
