package trust_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// devContainerExamples are values of the properties of a devcontainer.json that a text does not do for, and those that
// ask for something of the host.
var devContainerExamples = map[string]any{
	"features.*": object{}, "forwardPorts[]": 3000, "portsAttributes.*.onAutoForward": "silent",
	"portsAttributes.*.elevateIfNeeded": true, "portsAttributes.*.requireLocalPort": true,
	"portsAttributes.*.protocol": "https", "otherPortsAttributes.onAutoForward": "ignore",
	"otherPortsAttributes.elevateIfNeeded": true, "otherPortsAttributes.requireLocalPort": true,
	"otherPortsAttributes.protocol": "https", "updateRemoteUserUID": false, "init": true, "privileged": true,
	"mounts[]": "type=bind,source=/srv,target=/x", "mounts[].type": "bind", "mounts[].source": "/srv", "mounts[].target": "/y",
	"capAdd[]": "SYS_PTRACE", "securityOpt[]": "seccomp=unconfined", "waitFor": "postCreateCommand", "userEnvProbe": "none",
	"hostRequirements.cpus": 1, "hostRequirements.memory": "1gb", "hostRequirements.storage": "1gb",
	"hostRequirements.gpu": true, "hostRequirements.gpu.cores": 1, "hostRequirements.gpu.memory": "1gb",
	"customizations.*": object{"settings": object{"a": "b"}}, "appPort": "8080:80", "appPort[]": "8080:80",
	"runArgs[]": "--init", "shutdownAction": "none", "overrideCommand": true, "workspaceFolder": "/srv",
	"workspaceMount": "type=bind,source=/srv,target=/x", "build.dockerfile": "Dockerfile", "build.context": "/srv",
	"build.args.*": "a", "build.options[]": "--no-cache", "dockerFile": "Dockerfile", "context": "/srv",
	"dockerComposeFile": "other.yaml", "dockerComposeFile[]": "other.yaml", "service": "db", "runServices[]": "db",
	"build.cacheFrom": "type=local,src=/srv", "build.cacheFrom[]": "type=local,src=/srv", "devPort": 3000,
	"settings.*": "a", "initializeCommand[]": "touch", "initializeCommand.*[]": "touch",
}

// devContainerBeside is what an object needs beside the property.
var devContainerBeside = map[string]object{
	"mounts[].type": {"source": "/srv", "target": "/x"}, "mounts[].source": {"type": "bind", "target": "/x"},
	"mounts[].target": {"type": "volume", "source": "data"}, "context": {"dockerFile": "Dockerfile"},
}

// devContainerDangerous are properties that give a container, its build or this machine more, by the documentation of
// the same options of docker run and docker build, and of the specification. Those of a build count for a Dockerfile;
// those of docker run not for a Compose project, whose file has them.
var (
	devContainerDangerous = strings.Fields(`privileged capAdd[] securityOpt[] mounts[] mounts[].source initializeCommand
		initializeCommand[] initializeCommand.* initializeCommand.*[] runArgs[] build.options[] features.*
		hostRequirements.gpu`)
	dangerousInRun   = strings.Fields(`workspaceMount appPort appPort[]`)
	dangerousInBuild = strings.Fields(`build.context context build.cacheFrom build.cacheFrom[]`)
)

// devContainerMutations sets each property of the specification's schema once, and one that it does not have.
func devContainerMutations(t *testing.T) []mutation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "devcontainer.properties"))
	assert.NilError(t, err)
	list := []mutation{{"invented", object{"invented": false}}}
	for field := range strings.Lines(string(text)) {
		if field = strings.TrimSpace(field); field == "" || field[0] == '#' {
			continue
		}
		value, own := devContainerExamples[field]
		if !own {
			value = "a"
		}
		parts := strings.Split(field, ".")
		for i := len(parts) - 1; i >= 0; i-- {
			name, isList := strings.CutSuffix(parts[i], "[]")
			if isList {
				value = []any{value}
			}
			if name == "*" {
				name = map[string]string{"features": "./feature", "portsAttributes": "3000"}[parts[0]]
				if name == "" {
					name = "a"
				}
			}
			one := object{name: value}
			if i == len(parts)-1 {
				one = merge(devContainerBeside[field], one)
			}
			value = one
		}
		list = append(list, mutation{field, value.(object)})
	}
	assert.Assert(t, len(list) > 70)
	return list
}
