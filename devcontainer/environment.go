package devcontainer

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
)

// Remote is what a command in a dev container needs to know of its container: who runs it, and with which variables.
type Remote struct {
	User string
	// Probe is userEnvProbe, never "".
	Probe string
	// Env is remoteEnv, with null if a variable is to be unset.
	Env map[string]*string
}

// RemoteOf reads it from the entries of the metadata label, the last one first: later entries win.
func RemoteOf(entries []Metadata) Remote {
	r := Remote{Env: map[string]*string{}}
	for _, e := range entries {
		last(&r.User, e.RemoteUser)
		last(&r.Probe, e.UserEnvProbe)
		lastPerKey(r.Env, e.RemoteEnv)
	}
	if r.Probe == "" {
		r.Probe = DefaultProbe
	}
	return r
}

// ProbeCommand is the command whose output ParseProbe reads: the user's shell, as userEnvProbe wants it started,
// prints its environment between two marks, since what a profile prints comes before and after. It is nil where
// nothing is to be probed (devcontainer.json reference, "userEnvProbe").
func ProbeCommand(probe, shell, mark string) []string {
	const environment = "(cat /proc/self/environ || printenv -0)"
	line := "echo " + mark + "; " + environment + " 2>/dev/null; echo " + mark
	flags := map[string]string{"loginInteractiveShell": "-lic", "loginShell": "-lc", "interactiveShell": "-ic"}[probe]
	if flags == "" {
		return nil
	}
	if name := path.Base(shell); name == "pwsh" || name == "pwsh-preview" {
		if strings.HasPrefix(probe, "login") {
			return []string{shell, "-Login", "-Command", line}
		}
		return []string{shell, "-Command", line}
	}
	return []string{shell, flags, line}
}

// ParseProbe reads the output of ProbeCommand. Without both marks the shell has not come so far, and there is
// nothing. drop names a variable that is not the user's.
func ParseProbe(output, mark, drop string) map[string]string {
	_, rest, begun := strings.Cut(output, mark+"\n")
	text, _, ended := strings.Cut(rest, mark)
	if !begun || !ended {
		return nil
	}
	env := map[string]string{}
	for _, kv := range strings.Split(text, "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && k != "PWD" && k != drop {
			env[k] = v
		}
	}
	return env
}

// Variables are the sources of the environment of a command in a dev container.
type Variables struct {
	// Probed are those that the user's shell has (userEnvProbe).
	Probed map[string]string
	// Container is the container's own environment, which ${containerEnv:NAME} stands for.
	Container map[string]string
	// Remote is remoteEnv. Nil unsets a variable.
	Remote map[string]*string
	// Root is true if the command's user is root.
	Root bool
}

// Environment is what a command in a dev container gets on top of its container's variables: NAME=value, and a bare
// NAME for a variable that must be unset. Probed variables come first, then remote, then more (specification,
// "Environment Variables").
func (v Variables) Environment(more ...map[string]string) []string {
	env := map[string]*string{}
	for name, value := range v.Probed {
		if name == "PATH" && v.Container["PATH"] != "" {
			value = mergePath(value, v.Container["PATH"], v.Root)
		}
		env[name] = &value
	}
	for name, value := range v.Remote {
		env[name] = nil
		if value != nil {
			resolved := SubstituteContainerEnv(*value, v.Container)
			env[name] = &resolved
		}
	}
	for _, m := range more {
		for name, value := range m {
			env[name] = &value
		}
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if env[k] == nil {
			list = append(list, k)
		} else {
			list = append(list, k+"="+*env[k])
		}
	}
	return list
}

// mergePath puts into the PATH of the user's shell what only the container's has: a profile often sets PATH without
// looking. Each goes behind the one that stands before it in the container's; sbin folders are root's only.
func mergePath(shell, container string, root bool) string {
	dirs := strings.Split(shell, ":")
	at := 0
	for _, dir := range strings.Split(container, ":") {
		i := slices.Index(dirs, dir)
		switch {
		case i >= 0:
			at = i + 1
		case root || !strings.HasSuffix(dir, "/sbin") && !strings.Contains(dir, "/sbin/"):
			dirs = slices.Insert(dirs, at, dir)
			at++
		}
	}
	return strings.Join(dirs, ":")
}

// DefaultProbe is userEnvProbe where nothing says another.
const DefaultProbe = "loginInteractiveShell"

// EtcEnvironment is what the lines of /etc/environment are for variables, so that logins have them too. A value that
// goes over a line's end has no form there.
func EtcEnvironment(env map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if !strings.Contains(env[k], "\n") {
			b.WriteString("\n" + k + `="` + env[k] + `"`)
		}
	}
	return b.String()
}

// Mask replaces the values of secrets in a line of text by asterisks. Of a value with several lines each is a secret.
func Mask(secrets map[string]string) *strings.Replacer {
	var values []string
	for _, v := range secrets {
		for _, line := range strings.Split(v, "\n") {
			if line = strings.TrimSuffix(line, "\r"); line != "" {
				values = append(values, line)
			}
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, v := range slices.Compact(values) {
		pairs = append(pairs, v, "********")
	}
	return strings.NewReplacer(pairs...)
}
