package settings

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Agent is the configuration of a coding agent's sandbox: container.agent, or an entry of container.agents merged into
// it.
type Agent struct {
	// Command runs if the user gives no command; nil is the default command.
	Command []string
	// Image is the sandbox's image; "" means that of the environment, of the dev container, or the built-in one.
	Image  string
	Egress AgentEgress
	// ServicesEgress is restricted or open: how the loom's services reach the outside; "" is restricted.
	ServicesEgress string
	// Credentials are presets, such as claude and git.
	Credentials []string
	Mounts      []AgentMount
	// DockerAccess is none or socket; "" is none.
	DockerAccess string
	// Runtime is a runtime of the engine, such as runsc; "" is the engine's default.
	Runtime string
	// Memory is in bytes or with a unit, as in 4g; "" is the default. CPUs and PIDs are 0 for the default.
	Memory string
	CPUs   float64
	PIDs   int
	// Vault names a folder in vaults/ beside the user's settings.
	Vault string
	// ReadOnly shows the agent the work tree without letting it write.
	ReadOnly bool
	// Findings name the unknown keys. Whatever they should say is not obeyed.
	Findings []finding.Finding
}

// AgentEgress is what the agent reaches.
type AgentEgress struct {
	// Mode is none, restricted or open; "" is restricted.
	Mode string
	// Allow are hosts on top of the default ones.
	Allow []string
}

// AgentMount is a folder or file of the host that the agent sees.
type AgentMount struct {
	Source, Target string
	// ReadOnly is true unless the settings say false.
	ReadOnly bool
}

// The presets of container.agent.credentials.
var credentials = []string{"claude", "git", "gh", "npm"}

var agentNamePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,29}$`)

// AgentName reports whether a name is valid for an agent. The agent's containers, networks and volume are named after
// it.
func AgentName(name string) bool {
	taken := []string{"egress", "out", "home", "git"}
	return agentNamePattern.MatchString(name) && !slices.ContainsFunc(taken, func(part string) bool {
		return name == part || strings.HasSuffix(name, "-"+part)
	})
}

// agents reads container.agents, each on top of container.agent.
func (d *decoder) agents(base, list *jsonc.Node) map[string]Agent {
	if list == nil {
		return nil
	}
	agents := map[string]Agent{}
	d.Object(list)
	for _, m := range sorted(list) {
		if !AgentName(m.Name) {
			d.Fail(m.Value.AtName(), "%s is not a name for an agent (lower-case letters, digits, - and _; "+
				"the names egress, git, home and out, and ends such as -out, are taken)", jsonc.Quote(m.Name))
		}
		d.Object(m.Value)
		agents[m.Name] = d.agent(jsonc.Merge(base, m.Value))
	}
	return agents
}

// The keys of an agent, its egress and each of its mounts. Docker loom knows all keys there; elsewhere in the files
// unknown keys are iloom's.
var (
	agentKeys = []string{
		"command", "image", "egress", "servicesEgress", "credentials", "mounts", "dockerAccess", "runtime", "memory", "cpus",
		"pids", "vault", "readOnly",
	}
	egressKeys = []string{"mode", "allow"}
	mountKeys  = []string{"source", "target", "readOnly"}
)

// unknownKeys returns a finding for each member that has none of these names.
func unknownKeys(n *jsonc.Node, keys []string) []finding.Finding {
	var list []finding.Finding
	for _, m := range sorted(n) {
		if slices.Contains(keys, m.Name) {
			continue
		}
		f := finding.Finding{
			Level: finding.Warning, Subject: m.Value.AtName().Place(), Message: m.Value.Key() + " is not known and not obeyed",
		}
		if meant := nearest(m.Name, keys); meant != "" {
			f.Remedy = "did you mean " + meant + "?"
		}
		list = append(list, f)
	}
	return list
}

// nearest returns the word that name is probably a misspelling of, "" if no word is similar.
func nearest(name string, words []string) string {
	best, least := "", 3
	for _, word := range words {
		if d := distance(strings.ToLower(name), strings.ToLower(word)); d < least && d < len(word)/2 {
			best, least = word, d
		}
	}
	return best
}

// distance returns the number of letters to insert, delete or change that turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (d *decoder) agent(n *jsonc.Node) Agent {
	var a Agent
	d.Object(n)
	a.Command = d.command(n.Lookup("command"))
	d.filled(n.Lookup("image"), &a.Image)
	egress := n.Lookup("egress")
	d.Object(egress)
	d.oneOf(egress.Lookup("mode"), &a.Egress.Mode, "none", "restricted", "open")
	d.texts(egress.Lookup("allow"), &a.Egress.Allow)
	d.oneOf(n.Lookup("servicesEgress"), &a.ServicesEgress, "restricted", "open")
	d.texts(n.Lookup("credentials"), &a.Credentials)
	a.Mounts = d.mounts(n.Lookup("mounts"))
	d.oneOf(n.Lookup("dockerAccess"), &a.DockerAccess, "none", "socket")
	d.filled(n.Lookup("runtime"), &a.Runtime)
	a.Memory = d.memory(n.Lookup("memory"))
	a.CPUs = d.cpus(n.Lookup("cpus"))
	a.PIDs = d.count(n.Lookup("pids"))
	d.filled(n.Lookup("vault"), &a.Vault)
	d.boolean(n.Lookup("readOnly"), &a.ReadOnly)
	for i, name := range a.Credentials {
		if !slices.Contains(credentials, name) {
			d.Fail(n.Lookup("credentials").Elements[i], "must be one of %s, not %s",
				strings.Join(credentials, ", "), jsonc.Quote(name))
		}
	}
	a.Findings = slices.Concat(unknownKeys(n, agentKeys), unknownKeys(egress, egressKeys))
	if mounts := n.Lookup("mounts"); mounts != nil {
		for _, m := range mounts.Elements {
			a.Findings = append(a.Findings, unknownKeys(m, mountKeys)...)
		}
	}
	return a
}

// command reads an array of words, or a line for the shell.
func (d *decoder) command(n *jsonc.Node) []string {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case '"':
		var line string
		d.filled(n, &line)
		return []string{"/bin/sh", "-c", line}
	case '[':
		words := d.Texts(n)
		if len(words) == 0 || words[0] == "" {
			d.Fail(n, "it names no program")
		}
		return words
	}
	d.Fail(n, "%s is neither a string nor an array of strings", n.Show())
	return nil
}

// memory reads a number of bytes, or a text with a unit.
func (d *decoder) memory(n *jsonc.Node) string {
	switch {
	case n == nil:
		return ""
	case n.Kind == '"':
		var text string
		d.filled(n, &text)
		return text
	case n.Kind != '0':
		d.Fail(n, `%s is neither a number of bytes nor a text such as "4g"`, n.Show())
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || f < 1 || f != float64(int64(f)) {
		d.Fail(n, "%s is not a number of bytes", n.Show())
	}
	return strconv.FormatInt(int64(f), 10)
}

func (d *decoder) cpus(n *jsonc.Node) float64 {
	if n == nil {
		return 0
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if n.Kind != '0' || err != nil || f <= 0 {
		d.Fail(n, "%s is not a number of CPUs", n.Show())
	}
	return f
}

func (d *decoder) count(n *jsonc.Node) int {
	if n == nil {
		return 0
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if n.Kind != '0' || err != nil || f < 1 || f > 1<<22 || f != float64(int(f)) {
		d.Fail(n, "%s is not a whole number above 0", n.Show())
	}
	return int(f)
}

func (d *decoder) mounts(n *jsonc.Node) []AgentMount {
	var mounts []AgentMount
	for _, e := range d.Array(n, "mounts") {
		if e.Kind != '{' {
			d.Fail(e, "%s is not an object with source and target", e.Show())
		}
		m := AgentMount{ReadOnly: true}
		d.filled(e.Lookup("source"), &m.Source)
		d.filled(e.Lookup("target"), &m.Target)
		d.boolean(e.Lookup("readOnly"), &m.ReadOnly)
		if m.Source == "" {
			d.Fail(e, "it has no source")
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// Agent returns the settings of the agent of this name. An agent that they do not name has those of container.agent.
func (s *Settings) Agent(name string) Agent {
	if a, ok := s.Container.Agents[name]; ok {
		return a
	}
	return s.Container.Agent
}

// Wrong returns the error for a value whose meaning is checked later, by its user. The error names the value's place in
// the files. keys are the path to the value, names and indexes; the place is the last of them that exists.
func Wrong(src Sources, cause error, keys ...any) error {
	files, err := ReadFiles(src)
	if err != nil {
		return err
	}
	n := merged(files.nodes)
	for _, key := range keys {
		var next *jsonc.Node
		switch key := key.(type) {
		case string:
			next = n.Lookup(key)
		case int:
			if n != nil && key < len(n.Elements) {
				next = n.Elements[key]
			}
		}
		if next == nil {
			break
		}
		n = next
	}
	if n == nil {
		return cause
	}
	return asError(n.Errorf("%w", cause))
}
