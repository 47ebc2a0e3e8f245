package trust

import (
	"strings"
)

// composeFields says which fields of a Compose project may change without a question. It names every property of
// Compose's schema; a test walks the schema. Whatever is not here is host access.
var composeFields = tableOf(
	fieldGroup{"", "name version", always, "", "docker loom chooses the project's name"},
	fieldGroup{
		"", "include[].path include[].env_file include[].project_directory", always, "",
		"loaded already: the files were read below the work tree, and what they say is judged",
	},
	fieldGroup{
		"services.*.", "name container_name hostname domainname profiles[] attach scale depends_on.*.condition " +
			"depends_on.*.required depends_on.*.restart links[] restart stop_signal stop_grace_period platform pull_policy " +
			"pull_refresh_after expose[] extends.file extends.service", always, "",
		"how Compose names, orders and starts the loom's own containers",
	},
	fieldGroup{
		"services.*.", "command[] entrypoint[] environment.* working_dir user group_add[] tty stdin_open init " +
			"read_only tmpfs[] shm_size dns[] dns_opt[] dns_search[] extra_hosts.*[] cap_drop[] " +
			"healthcheck.disable healthcheck.interval healthcheck.retries healthcheck.start_interval " +
			"healthcheck.start_period healthcheck.test[] healthcheck.timeout", always, "",
		"what goes on in the loom's own container",
	},
	fieldGroup{"services.*.", "cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset mem_limit " +
		"mem_reservation mem_swappiness memswap_limit pids_limit ulimits.*.single ulimits.*.soft ulimits.*.hard " +
		"blkio_config.weight", always, "", "bounds what the container may take"},
	fieldGroup{
		"services.*.", "secrets[].source secrets[].target secrets[].uid secrets[].gid secrets[].mode " +
			"configs[].source configs[].target configs[].uid configs[].gid configs[].mode", always, "",
		"the secret or config that is named is judged itself",
	},
	fieldGroup{"services.*.post_start[].", hookFields, always, "", "a command in the loom's own container"},
	fieldGroup{"services.*.pre_stop[].", hookFields, always, "", "a command in the loom's own container"},
	fieldGroup{
		"services.*.", "post_start[].privileged pre_stop[].privileged", nil, "runs a privileged hook",
		"a privileged process reaches the host's devices",
	},

	fieldGroup{"services.*.", "image", always, "", "judged: what its build may overwrite"},
	fieldGroup{
		"services.*.", "env_file[].path env_file[].required env_file[].format label_file[]", always, "",
		"judged: where the file is",
	},
	fieldGroup{
		"services.*.volumes[].", "source target read_only consistency type bind.create_host_path bind.recursive " +
			"bind.propagation bind.selinux volume.nocopy volume.subpath tmpfs.size tmpfs.mode image.subpath", always, "",
		"judged: what is mounted",
	},
	fieldGroup{"services.*.", "volumes_from[] network_mode provider.type ports[].host_ip", always, "", "judged"},
	fieldGroup{
		"services.*.ports[].", "app_protocol mode name protocol published target", always, "",
		"judged: the loom's own host ports",
	},
	fieldGroup{
		"services.*.networks.*.", "aliases[] gw_priority interface_name priority ipv4_address ipv6_address",
		always, "", "judged: networks of the loom's own, whose addresses docker loom leases",
	},
	fieldGroup{
		"services.*.networks.*.", "driver_opts link_local_ips[] mac_address", nil, "",
		"acts on the network's link, which others may share",
	},
	fieldGroup{"services.*.", "mac_address", nil, "", "acts on the network's link, which others may share"},

	fieldGroup{"services.*.", "privileged", nil, "is privileged", "has all that the host has"},
	fieldGroup{"services.*.", "cap_add[]", always, "", "judged: each is more than a container has"},
	fieldGroup{
		"services.*.", "security_opt[]",
		oneOf("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"), "has the security option %s",
		"takes a wall away, or reads a profile of the host",
	},
	fieldGroup{
		"services.*.", "devices[].source devices[].target devices[].permissions", always, "",
		"judged: each is a device of the host",
	},
	fieldGroup{"services.*.", "device_cgroup_rules[]", nil, "has the device rule %s", "devices of the host"},
	fieldGroup{
		"services.*.", "gpus deploy.resources.reservations.devices", nil, "has devices such as GPUs: %s",
		"devices of the host",
	},
	fieldGroup{"services.*.", "cgroup_parent", nil, "has the control group %s", "a control group of the host"},
	fieldGroup{"services.*.", "runtime", nil, "has the runtime %s", "a program of the host"},
	fieldGroup{
		"services.*.", "ipc", oneOf("none", "private", "shareable", "service:*"), "joins the ipc namespace %s",
		"a namespace of the host, or of a container that is not the loom's",
	},
	fieldGroup{"services.*.", "pid", oneOf("service:*"), "joins the pid namespace %s", "as ipc"},
	fieldGroup{"services.*.", "cgroup", oneOf("private"), "joins the cgroup namespace %s", "as ipc"},
	fieldGroup{"services.*.", "uts", nil, "joins the uts namespace %s", "as ipc"},
	fieldGroup{"services.*.", "userns_mode", nil, "joins the user namespace %s", "as ipc"},
	fieldGroup{
		"services.*.", "isolation credential_spec.config credential_spec.file credential_spec.registry", nil, "",
		"accounts and isolation of a Windows host",
	},
	fieldGroup{"services.*.", "sysctls.*", nil, "", "the kernel's; the engine decides which are the container's"},
	fieldGroup{"services.*.", "storage_opt", nil, "", "options of the engine's storage driver, by free names"},
	fieldGroup{"services.*.", "oom_kill_disable", nil, "is spared if memory runs out", "others are killed in its place"},
	fieldGroup{
		"services.*.", "oom_score_adj", func(value string) bool { return !strings.HasPrefix(value, "-") },
		"is spared if memory runs out, by %s", "others are killed in its place",
	},
	fieldGroup{"services.*.", "cpu_rt_period cpu_rt_runtime", nil, "", "real time is taken from all others"},
	fieldGroup{"services.*.blkio_config.", "device_read_bps[] device_read_iops[] device_write_bps[] " +
		"device_write_iops[] weight_device[]", nil, "", "names devices of the host"},
	fieldGroup{
		"services.*.", "logging.driver", oneOf("json-file", "local", "none"),
		"sends its log by the driver %s, from this machine", "a log driver runs on the host",
	},
	fieldGroup{"services.*.", "logging.options", nil, "", "free names: addresses and files of the host"},
	fieldGroup{"services.*.", "use_api_socket", nil, "has the Docker socket", "the engine is the host"},
	fieldGroup{"services.*.", "external_links[]", nil, "", "containers that are not the loom's"},
	fieldGroup{"services.*.", "annotations.*", nil, "has the annotation %s", "free names that runtimes act on"},
	fieldGroup{"services.*.", "models.* provider.options.*", nil, "", "a program on this machine gets it"},
	fieldGroup{"models.*.", "context_size model name runtime_flags[]", nil, "", "a program on this machine runs it"},
	fieldGroup{"", labelledFields, isOwnLabel, "", "other programs act on labels; Compose puts its own in"},

	fieldGroup{
		"services.*.deploy.", "mode replicas endpoint_mode placement.constraints[] " +
			"placement.max_replicas_per_node placement.preferences[].spread resources.limits.cpus resources.limits.memory " +
			"resources.limits.pids resources.reservations.cpus resources.reservations.memory restart_policy.condition " +
			"restart_policy.delay restart_policy.max_attempts restart_policy.window", always, "",
		"counts and bounds the loom's own containers; placement is a cluster's, which a loom does not use",
	},
	fieldGroup{"services.*.deploy.update_config.", updateFields, always, "", "a cluster's, which a loom does not use"},
	fieldGroup{"services.*.deploy.rollback_config.", updateFields, always, "", "a cluster's, which a loom does not use"},
	fieldGroup{"services.*.deploy.", "resources.reservations.generic_resources[]", nil, "", "resources of the host"},
	fieldGroup{"services.*.develop.watch[].", "path action target include[] ignore[] initial_sync exec.command[] " +
		"exec.environment.* exec.user exec.working_dir", always, "", "judged: which path; docker loom does not watch"},
	fieldGroup{"services.*.develop.watch[].", "exec.privileged", nil, "runs a privileged hook", "as post_start"},

	fieldGroup{"services.*.build.", "context dockerfile additional_contexts.*", always, "", "judged: where it is"},
	fieldGroup{"services.*.build.", "args.* dockerfile_inline extra_hosts.*[] no_cache platforms[] pull shm_size target " +
		"ulimits.*.single ulimits.*.soft ulimits.*.hard", always, "", "what goes on in the build's own containers"},
	fieldGroup{
		"services.*.build.", "secrets[].source secrets[].target secrets[].uid secrets[].gid secrets[].mode",
		always, "", "the secret that is named is judged itself",
	},
	fieldGroup{"services.*.build.", "tags[]", nil, "is built as the image %s", "a name that others may run"},
	fieldGroup{
		"services.*.build.", "cache_from[]", func(value string) bool { return !strings.Contains(value, "=") },
		"is built with the cache %s", "free names: files and addresses",
	},
	fieldGroup{"services.*.build.", "cache_to[]", nil, "keeps its build's cache in %s", "free names: files and addresses"},
	fieldGroup{"services.*.build.", "entitlements[]", nil, "is built with privileges %s", "privileges on the builder"},
	fieldGroup{"services.*.build.", "privileged", nil, "is built with privileges", "privileges on the builder"},
	fieldGroup{
		"services.*.build.", "network", oneOf("none", "default"), "is built in the network %s",
		"the host's network, or another one",
	},
	fieldGroup{"services.*.build.", "ssh[]", nil, "is built with the SSH agent or key %s", "keys of the user's"},
	fieldGroup{
		"services.*.build.", "provenance sbom", oneOf("true", "false", "mode=min", "mode=max"), "",
		"free names: an image that reads all of the build",
	},
	fieldGroup{"services.*.build.", "isolation", nil, "", "the isolation of a Windows host"},

	fieldGroup{
		"networks.*.", "name external attachable internal enable_ipv4 enable_ipv6 ipam.config[].subnet " +
			"ipam.config[].gateway ipam.config[].ip_range ipam.config[].aux_addresses.*", always, "",
		"judged: whose network it is; docker loom leases the addresses",
	},
	fieldGroup{"networks.*.", "driver", oneOf("bridge"), "has the driver %s", "other drivers reach the host's links"},
	fieldGroup{"networks.*.", "driver_opts ipam.driver ipam.options", nil, "", "free names: links of the host"},
	fieldGroup{"volumes.*.", "name external", always, "", "judged: whose volume it is"},
	fieldGroup{"volumes.*.", "driver", oneOf("local"), "has the driver %s", "a program on the host"},
	fieldGroup{"volumes.*.", "driver_opts", nil, "", "free names: the kernel mounts what they say"},
	fieldGroup{"secrets.*.", objectFields, always, "", "judged: where its value is from"},
	fieldGroup{"configs.*.", objectFields, always, "", "judged: where its value is from"},
	fieldGroup{"secrets.*.", "driver driver_opts template_driver", nil, "", "a program on the host"},
	fieldGroup{"configs.*.", "driver driver_opts template_driver", nil, "", "a program on the host"},
)

const (
	hookFields     = "command[] environment.* user working_dir"
	updateFields   = "delay failure_action max_failure_ratio monitor order parallelism"
	objectFields   = "name external file environment content"
	labelledFields = "services.*.labels.* services.*.build.labels.* services.*.deploy.labels.* " +
		"services.*.volumes[].volume.labels.* networks.*.labels.* volumes.*.labels.* secrets.*.labels.* configs.*.labels.*"
)
