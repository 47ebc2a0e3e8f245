package trust

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// devContainerFields says which properties of a devcontainer.json may change without a question. It names every
// property of the specification's schema. What becomes part of the dev container's service is judged there; whatever is
// not here is host access.
var devContainerFields = tableOf(
	fieldGroup{
		"", "$schema name service runServices[] workspaceFolder overrideFeatureInstallOrder[] shutdownAction " +
			"overrideCommand containerUser remoteUser updateRemoteUserUID userEnvProbe waitFor init", always, "",
		"how docker loom makes and names the loom's own container",
	},
	fieldGroup{"", "containerEnv.* remoteEnv.*", always, "", "what goes on in the loom's own container"},
	fieldGroup{
		"", "onCreateCommand updateContentCommand postCreateCommand postStartCommand postAttachCommand", always, "",
		"commands in the loom's own container",
	},
	fieldGroup{"", "initializeCommand", always, "", "judged: it runs on this machine"},
	fieldGroup{"", "image dockerComposeFile dockerComposeFile[] dockerFile context build.dockerfile build.context " +
		"build.target build.args.* build.cacheFrom build.cacheFrom[] workspaceMount mounts[] privileged capAdd[] " +
		"securityOpt[] hostRequirements.gpu appPort appPort[]", always, "", "judged in the service that is made of it"},
	fieldGroup{"", "runArgs", nil, "", "free names: options of docker run"},
	fieldGroup{"", "build.options", nil, "", "free names: options of docker build"},
	fieldGroup{"", "features.*", always, "", "installed in the loom's own image; what a feature adds to the container " +
		"is judged in its service"},
	fieldGroup{"", "forwardPorts[] portsAttributes.*.label portsAttributes.*.onAutoForward portsAttributes.*.protocol " +
		"portsAttributes.*.requireLocalPort portsAttributes.*.elevateIfNeeded otherPortsAttributes.label " +
		"otherPortsAttributes.onAutoForward otherPortsAttributes.protocol otherPortsAttributes.requireLocalPort " +
		"otherPortsAttributes.elevateIfNeeded", always, "", "how the loom's own ports are shown"},
	fieldGroup{
		"", "hostRequirements.cpus hostRequirements.memory hostRequirements.storage", always, "",
		"docker loom only tells of what is missing",
	},
	fieldGroup{"", "secrets.*.description secrets.*.documentationUrl", always, "", "texts; values are the user's"},
	fieldGroup{
		"", "customizations.* extensions[] settings.* devPort", always, "",
		"an editor's, which has a trust of its own for what a folder recommends",
	},
)

// DevContainer lists the properties of a devcontainer.json that are host access whatever stands in them, one line each.
// The document is the file as it was read: a variable of the user's is in it by name.
func DevContainer(document json.RawMessage) ([]string, error) {
	var model map[string]any
	if err := json.Unmarshal(document, &model); err != nil {
		return nil, fmt.Errorf("devcontainer.json: %w", err)
	}
	var list []string
	fieldWalk{table: devContainerFields, isNamed: true, tell: func(at place, says, value string) {
		list = append(list, fmt.Sprintf("devcontainer.json has %s: %s", strings.Join(at.path, "."), value))
	}}.walk(reflect.ValueOf(model), place{})
	slices.Sort(list)
	return list, nil
}
