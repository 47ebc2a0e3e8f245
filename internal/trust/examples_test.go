package trust_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"gotest.tools/v3/assert"
)

// object is a part of a document.
type object = map[string]any

// base is a compose file that has something of each kind, so that a property of it can be set alone.
func base() object {
	return object{
		"services": object{
			"web": object{
				"image": "nginx:1", "build": object{"context": "."}, "networks": object{"front": object{}},
				"volumes": []any{object{"type": "volume", "source": "data", "target": "/data"}},
			},
			"db": object{
				"image": "postgres:16", "networks": object{"front": object{}}, "secrets": []any{"own"}, "configs": []any{"own"},
				"models": object{"llm": object{}},
			},
		},
		"networks": object{"front": object{}},
		"volumes":  object{"data": object{}},
		"secrets":  object{"own": object{"file": "./own.txt"}},
		"configs":  object{"own": object{"file": "./own.txt"}},
		"models":   object{"llm": object{"model": "ai/model"}},
	}
}

// unchanging are properties that change nothing in a project: Compose's loader or docker loom has no use for them.
var unchanging = strings.Fields(`version services.*.pull_refresh_after networks.*.ipam.options.* include[].env_file
	include[].env_file[] include[].project_directory`)

// dangerous are properties that give a container, or a build, more of its host: by Docker's documentation of docker run
// ("Runtime privilege and Linux capabilities", "Bind mounts", "Volume drivers", "Network drivers", "Configure logging
// drivers"), of docker buildx build (--allow, --cache-to, --ssh) and of Compose's file. The list was written without
// the table, and their examples must be asked about.
var dangerous = strings.Fields(`services.*.privileged services.*.cap_add[] services.*.security_opt[] services.*.devices[]
	services.*.devices[].source services.*.devices[].permissions services.*.device_cgroup_rules[] services.*.gpus
	services.*.cgroup services.*.cgroup_parent services.*.ipc services.*.pid services.*.uts services.*.userns_mode
	services.*.network_mode services.*.runtime services.*.sysctls.* services.*.storage_opt services.*.oom_kill_disable
	services.*.oom_score_adj services.*.volumes[] services.*.volumes[].source services.*.volumes[].type
	services.*.volumes[].bind.propagation services.*.volumes_from[] services.*.external_links[] services.*.use_api_socket
	services.*.logging.driver services.*.logging.options.* services.*.annotations.* services.*.labels.* services.*.labels[]
	services.*.credential_spec.file services.*.env_file services.*.env_file[].path services.*.label_file
	services.*.environment[] services.*.provider.type services.*.post_start[].privileged services.*.pre_stop[].privileged
	services.*.mac_address services.*.networks.*.driver_opts.* services.*.blkio_config.device_read_bps[].path
	services.*.build.context services.*.build.dockerfile services.*.build.additional_contexts.*
	services.*.build.cache_to[] services.*.build.cache_from[] services.*.build.entitlements[] services.*.build.privileged
	services.*.build.network services.*.build.ssh[] services.*.build.provenance services.*.build.sbom
	services.*.develop.watch[].path services.*.deploy.resources.reservations.devices[].count services.*.ports[]
	networks.*.driver networks.*.driver_opts.* networks.*.ipam.driver volumes.*.driver volumes.*.driver_opts.*
	secrets.*.file secrets.*.environment configs.*.file configs.*.environment`)

// dangerousInMain are dangerous where names of the files are those of the engine's objects.
var dangerousInMain = strings.Fields(`services.*.image services.*.build.tags[] networks.*.name networks.*.external
	volumes.*.name volumes.*.external`)

// freeNames are the names that stand for a * at a place of the schema; elsewhere it is "a".
var freeNames = map[string]string{
	"services": "web", "networks": "front", "volumes": "data", "secrets": "own", "configs": "own", "models": "llm",
	"services.*.networks": "front", "services.*.depends_on": "db", "services.*.models": "llm", "services.*.ulimits": "nofile",
	"services.*.build.ulimits": "nofile", "services.*.sysctls": "net.core.somaxconn", "services.*.extra_hosts": "other.test",
	"services.*.build.extra_hosts": "other.test", "services.*.build.additional_contexts": "other",
}

// examples are values for which the type in the schema is not enough: words of a format, names of what there is, and
// those that ask for something of the host. nil is for a property that cannot be set alone.
var examples = map[string]any{
	"name": "other", "include[].path[]": "./third.yaml", "include[].path": "./third.yaml",
	"include[]": "./third.yaml", "include[].env_file": "./other.env", "include[].env_file[]": "./other.env",
	"include[].project_directory": ".",

	"networks.*.driver": "macvlan", "networks.*.ipam.config[].subnet": "10.9.0.0/24", "networks.*.external": true,
	"networks.*.external.name": nil, "networks.*.name": "other", "networks.*.labels[]": "traefik.enable=true",
	"volumes.*.driver": "other", "volumes.*.external": true, "volumes.*.external.name": nil, "volumes.*.name": "other",
	"volumes.*.labels[]": "traefik.enable=true", "secrets.*.labels[]": "a=b", "configs.*.labels[]": "a=b",
	"secrets.*.file": "/etc/shadow", "configs.*.file": "/etc/shadow", "secrets.*.external": true, "secrets.*.external.name": nil,
	"configs.*.external": true, "configs.*.external.name": nil, "secrets.*.environment": "LOOM_TEST_SECRET",
	"configs.*.environment": "LOOM_TEST_SECRET",

	"services.*.env_file[].format": "raw", "services.*.provider.type": "other", "services.*.extends": "db", "services.*.extends.file": "./other.yaml",
	"services.*.extends.service": "db", "services.*.container_name": "loom-egress", "services.*.hostname": "loom-egress",
	"services.*.networks.*.aliases[]": "loom-egress", "services.*.links[]": "db:loom-egress",
	"services.*.depends_on[]": "db", "services.*.models[]": "llm",
	"services.*.volumes_from[]": "container:other", "services.*.network_mode": "host", "services.*.pull_policy": "build",
	"services.*.cpu_count": 1, "services.*.cpu_percent": 1, "services.*.oom_score_adj": -500,
	"services.*.env_file": "/etc/hostname", "services.*.env_file[]": "/etc/hostname", "services.*.env_file[].path": "/etc/hostname",
	"services.*.label_file": "/etc/hostname", "services.*.label_file[]": "/etc/hostname",
	"services.*.healthcheck.test[]": "NONE", "services.*.extra_hosts[]": "other.test=10.0.0.1",
	"services.*.secrets[]": "own", "services.*.secrets[].source": "own", "services.*.configs[]": "own",
	"services.*.configs[].source": "own", "services.*.ports[]": "8080:80", "services.*.ports[].host_ip": "0.0.0.0",
	"services.*.volumes[]": "/srv:/mounted", "services.*.volumes[].source": "/srv", "services.*.volumes[].type": "npipe",
	"services.*.volumes[].bind.propagation": "rshared", "services.*.cap_add[]": "NET_RAW",
	"services.*.security_opt[]": "seccomp=./seccomp.json", "services.*.devices[]": "/dev/kvm",
	"services.*.devices[].source": "/dev/kvm", "services.*.devices[].permissions": "r",
	"services.*.ipc": "host", "services.*.pid": "host", "services.*.uts": "host", "services.*.userns_mode": "host",
	"services.*.cgroup": "host", "services.*.logging.driver": "syslog", "services.*.labels[]": "traefik.enable=true",
	"services.*.build.labels[]": "traefik.enable=true", "services.*.deploy.labels[]": "traefik.enable=true",
	"services.*.expose[]": "80", "services.*.tmpfs": "/x", "services.*.tmpfs[]": "/x", "services.*.image": "other:1",
	"services.*.develop.watch[].path": "/srv", "services.*.develop.watch[].action": "rebuild",
	"services.*.external_links[]": "other:web", "services.*.gpus[]": nil,
	"services.*.storage_opt": object{"size": "1g"}, "services.*.networks[]": "default", "services.*.build.args[]": "A=b",

	"services.*.build.context": "/srv", "services.*.build": "/srv", "services.*.build.dockerfile": "/srv/Dockerfile",
	"services.*.build.additional_contexts[]": "other=/srv", "services.*.build.additional_contexts.*": "/srv",
	"services.*.build.extra_hosts[]": "other.test=10.0.0.1", "services.*.build.secrets[]": "own",
	"services.*.build.secrets[].source": "own", "services.*.build.ssh[]": "default",
	"services.*.build.ssh.*":          nil, // compose-go writes JSON of it that cannot be read
	"services.*.build.network":        "host",
	"services.*.build.entitlements[]": "security.insecure", "services.*.build.cache_from[]": "type=local,src=/srv",
	"services.*.build.cache_to[]": "type=local,dest=/srv", "services.*.build.tags[]": "redis:7",
	"services.*.build.provenance": "generator=other", "services.*.build.sbom": "generator=other",
}

// needed are properties that the loader wants beside others of an object.
var needed = map[string]object{
	"services.*.build.secrets[]": {"source": "own"}, "services.*.secrets[]": {"source": "own"},
	"services.*.configs[]": {"source": "own"},
	"services.*.volumes[]": {"type": "bind", "source": "./own.txt", "target": "/mounted"},
	"services.*.devices[]": {"source": "/dev/sda", "target": "/dev/sda"}, "services.*.ports[]": {"target": 80},
	"services.*.env_file[]": {"path": "./other.env"}, "services.*.extends": {"service": "db"},
	"services.*.develop.watch[]":              {"path": "./own.txt", "action": "sync", "target": "/x"},
	"services.*.blkio_config.weight_device[]": {"path": "/dev/sda"},
}

// units are the ends of fields whose values have a unit.
var units = map[string]string{
	".delay": "10s", ".window": "10s", ".monitor": "10s", "interval": "10s", ".timeout": "10s",
	"start_period": "10s", "grace_period": "10s",
	"memory": "10m", ".memswap_limit": "10m", ".mem_limit": "10m", ".mem_reservation": "10m", ".shm_size": "10m",
	".max_failure_ratio": "0.5", ".tmpfs.size": "10m",
}

// beside is what must be different beside a property for it to be allowed.
var beside = map[string]object{
	"configs.*.content":       {"configs": object{"own": object{"file": nil}}},
	"configs.*.environment":   {"configs": object{"own": object{"file": nil}}},
	"secrets.*.environment":   {"secrets": object{"own": object{"file": nil}}},
	"services.*.network_mode": {"services": object{"web": object{"networks": nil}}},
}

// mutation is a document with one more property than the base.
type mutation struct {
	field string
	// value is what is set in the document.
	value object
}

// composeMutations sets each property of Compose's schema once.
func composeMutations(t *testing.T) []mutation {
	t.Helper()
	var root object
	assert.NilError(t, json.Unmarshal([]byte(schema.Schema), &root))
	w := &schemaWalk{root: root, found: map[string]mutation{}}
	w.walk(root, step{wrap: func(v any) any { return v }})
	assert.Assert(t, len(w.found) > 300, "%d", len(w.found))
	var list []mutation
	for _, field := range slices.Sorted(maps.Keys(w.found)) {
		list = append(list, w.found[field])
	}
	return list
}

// step is a place in the schema, and how a value there becomes a document.
type step struct {
	field  string
	within []string
	wrap   func(any) any
}

func (s step) child(name, key string, beside object) step {
	field := strings.TrimPrefix(s.field+"."+name, ".")
	return step{field, s.within, func(v any) any {
		all := maps.Clone(beside)
		all[key] = v
		return s.wrap(all)
	}}
}

type schemaWalk struct {
	root  object
	found map[string]mutation
}

func (w *schemaWalk) resolve(node object) (object, string) {
	ref, ok := node["$ref"].(string)
	if !ok {
		return node, ""
	}
	at := any(w.root)
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(object)[name]
	}
	return at.(object), ref
}

func (w *schemaWalk) walk(node object, at step) {
	node, ref := w.resolve(node)
	if ref != "" {
		if slices.Contains(at.within, ref) {
			return
		}
		at.within = append(slices.Clip(at.within), ref)
	}
	inner := false
	below := func(node any, at step) {
		if m, ok := node.(object); ok {
			w.walk(m, at)
			inner = true
		}
	}
	for _, kind := range []string{"oneOf", "anyOf", "allOf"} {
		list, _ := node[kind].([]any)
		for _, one := range list {
			below(one, at)
		}
	}
	properties, _ := node["properties"].(object)
	for name, one := range properties {
		below(one, at.child(name, name, w.required(node, at.field, name)))
	}
	patterns, _ := node["patternProperties"].(object)
	free := freeNames[at.field]
	if free == "" {
		free = "a"
	}
	for pattern, one := range patterns {
		if pattern != "^x-" {
			below(one, at.child("*", free, object{}))
		}
	}
	below(node["additionalProperties"], at.child("*", free, object{}))
	below(node["items"], step{at.field + "[]", at.within, func(v any) any { return at.wrap([]any{v}) }})
	value, own := examples[at.field]
	if inner && !own || node["type"] == "null" {
		return
	}
	if !own {
		value = w.example(node, at.field)
	}
	if document, ok := at.wrap(value).(object); ok && value != nil {
		if _, twice := w.found[at.field]; !twice {
			w.found[at.field] = mutation{at.field, document}
		}
	}
}

// required are the other properties that an object must have, by the schema or by the loader.
func (w *schemaWalk) required(node object, field, but string) object {
	beside := maps.Clone(needed[field])
	if beside == nil {
		beside = object{}
	}
	names, _ := node["required"].([]any)
	for _, name := range names {
		if _, has := beside[name.(string)]; name != but && !has {
			beside[name.(string)] = w.example(node["properties"].(object)[name.(string)].(object), field+"."+name.(string))
		}
	}
	return beside
}

// example is a value that the schema allows.
func (w *schemaWalk) example(node object, field string) any {
	node, _ = w.resolve(node)
	if words, ok := node["enum"].([]any); ok {
		return words[0]
	}
	for _, kind := range []string{"oneOf", "anyOf"} {
		if list, ok := node[kind].([]any); ok {
			for _, one := range list {
				if one := one.(object); one["type"] != "null" {
					return w.example(one, field)
				}
			}
		}
	}
	kinds, _ := node["type"].([]any)
	if one, ok := node["type"].(string); ok {
		kinds = []any{one}
	}
	unit := ""
	for end, value := range units {
		if strings.HasSuffix(field, end) {
			unit = value
		}
	}
	switch {
	case slices.Contains(kinds, "string") && len(kinds) > 2:
		return "a"
	case unit != "":
		return unit
	case slices.Contains(kinds, "boolean"):
		return true
	case slices.Contains(kinds, "integer"), slices.Contains(kinds, "number"):
		return 1
	case slices.Contains(kinds, "string"):
		return "a"
	case slices.Contains(kinds, "array"):
		return []any{w.example(node["items"].(object), field+"[]")}
	case slices.Contains(kinds, "object"):
		return w.required(node, field, "")
	case len(kinds) == 0:
		return "a"
	}
	panic(fmt.Sprint(field, kinds))
}

// merge puts one document over another. A value replaces another, and nil removes it.
func merge(to, from object) object {
	merged := object{}
	maps.Copy(merged, to)
	for key, value := range from {
		was, isObject := merged[key].(object)
		now, both := value.(object)
		if isObject && both {
			value = merge(was, now)
		}
		merged[key] = value
		if value == nil {
			delete(merged, key)
		}
	}
	return merged
}
