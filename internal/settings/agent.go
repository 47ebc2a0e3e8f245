package settings

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Agent is how a coding agent's sandbox is made: container.agent, or an entry of container.agents on top of it.
type Agent struct {
	// Command is what runs where the user gives no command; nil leaves it to the default.
	Command []string
	// Image is the sandbox's; "" leaves it to the environment, the dev container or the built-in one.
	Image  string
	Egress AgentEgress
	// ServicesEgress is restricted or open: how the loom's services reach the outside; "" is restricted.
	ServicesEgress string
	// Credentials are presets, such as claude and git.
	Credentials []string
	Mounts      []AgentMount
	// DockerAccess is none or socket; "" is none.
	DockerAccess string
	// Runtime is one of the engine's; "" is its default.
	Runtime string
	// Memory is in bytes or with a unit, as in 4g; "" is the default. CPUs and PIDs are 0 for the default.
	Memory string
	CPUs   float64
	PIDs   int
	// Vault is a folder of the user's vaults.
	Vault string
	// ReadOnly shows the agent the work tree without letting it write.
	ReadOnly bool
	// Findings name the keys that are none of these: what they were to say is not obeyed.
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

var agentName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,29}$`)

// AgentName tells whether an agent can be called so: its containers, networks and volume are named after it.
func AgentName(name string) bool {
	return agentName.MatchString(name) && !slices.ContainsFunc([]string{"egress", "out", "home", "git"}, func(part string) bool {
		return name == part || strings.HasSuffix(name, "-"+part)
	})
}

// agents reads container.agent and container.agents.
func (c *Container) agents(container *node) error {
	base := container.get("agent")
	if err := base.agent(&c.Agent); err != nil {
		return err
	}
	list := container.get("agents")
	if err := list.object(); list == nil || err != nil {
		return err
	}
	c.Agents = map[string]Agent{}
	for _, name := range slices.Sorted(maps.Keys(list.members)) {
		m := list.members[name]
		if !AgentName(name) {
			return m.at(m.name).errorf("%s is no name for an agent (lower-case letters, digits, - and _; the names egress, git, home and out, and ends such as -out, are taken)", quote(name))
		}
		if err := m.object(); err != nil {
			return err
		}
		var a Agent
		if err := merge(base, m).agent(&a); err != nil {
			return err
		}
		c.Agents[name] = a
	}
	return nil
}

// The keys of an agent, its egress and each of its mounts. All are docker loom's own, unlike those elsewhere in the files.
var (
	agentKeys = []string{
		"command", "image", "egress", "servicesEgress", "credentials", "mounts", "dockerAccess", "runtime", "memory", "cpus", "pids", "vault",
		"readOnly",
	}
	egressKeys = []string{"mode", "allow"}
	mountKeys  = []string{"source", "target", "readOnly"}
)

// unknown are the findings on members that have none of these names.
func (n *node) unknown(keys []string) []finding.Finding {
	if n == nil {
		return nil
	}
	var list []finding.Finding
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		if slices.Contains(keys, name) {
			continue
		}
		m := n.members[name]
		line, column := m.file.position(m.name)
		f := finding.Finding{Level: finding.Warning, Subject: fmt.Sprintf("%s:%d:%d", m.file.path, line, column), Message: m.key + " is not known and not obeyed"}
		if meant := nearest(name, keys); meant != "" {
			f.Remedy = "did you mean " + meant + "?"
		}
		list = append(list, f)
	}
	return list
}

// nearest is the one of the words that name is a slip of, "" where it is like none of them.
func nearest(name string, words []string) string {
	best, least := "", 3
	for _, word := range words {
		if d := distance(strings.ToLower(name), strings.ToLower(word)); d < least && d < len(word)/2 {
			best, least = word, d
		}
	}
	return best
}

// distance is how many letters are to be put in, taken out or changed to make b of a.
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

func (n *node) agent(to *Agent) error {
	egress := n.get("egress")
	for _, err := range []error{
		n.object(),
		n.get("command").command(&to.Command),
		n.get("image").filled(&to.Image),
		egress.object(),
		egress.get("mode").oneOf(&to.Egress.Mode, "none", "restricted", "open"),
		egress.get("allow").texts(&to.Egress.Allow),
		n.get("servicesEgress").oneOf(&to.ServicesEgress, "restricted", "open"),
		n.get("credentials").texts(&to.Credentials),
		n.get("mounts").mounts(&to.Mounts),
		n.get("dockerAccess").oneOf(&to.DockerAccess, "none", "socket"),
		n.get("runtime").filled(&to.Runtime),
		n.get("memory").amount(&to.Memory),
		n.get("cpus").cpus(&to.CPUs),
		n.get("pids").count(&to.PIDs),
		n.get("vault").filled(&to.Vault),
		n.get("readOnly").boolean(&to.ReadOnly),
	} {
		if err != nil {
			return err
		}
	}
	for i, name := range to.Credentials {
		if !slices.Contains(credentials, name) {
			return n.get("credentials").elements[i].errorf("%s is none of %s", quote(name), strings.Join(credentials, ", "))
		}
	}
	to.Findings = slices.Concat(n.unknown(agentKeys), egress.unknown(egressKeys))
	if mounts := n.get("mounts"); mounts != nil {
		for _, m := range mounts.elements {
			to.Findings = append(to.Findings, m.unknown(mountKeys)...)
		}
	}
	return nil
}

// filled is a text that is not empty.
func (n *node) filled(to *string) error {
	if err := n.text(to); n == nil || err != nil {
		return err
	}
	if strings.TrimSpace(*to) == "" {
		return n.errorf("it is empty")
	}
	return nil
}

// command is an array of words, or a line for the shell.
func (n *node) command(to *[]string) error {
	if n == nil {
		return nil
	}
	if n.kind == '"' {
		var line string
		if err := n.filled(&line); err != nil {
			return err
		}
		*to = []string{"/bin/sh", "-c", line}
		return nil
	}
	if n.kind != '[' {
		return n.errorf("%s is neither a string nor an array of strings", n.show())
	}
	if err := n.texts(to); err != nil {
		return err
	}
	if len(*to) == 0 || (*to)[0] == "" {
		return n.errorf("it names no program")
	}
	return nil
}

func (n *node) oneOf(to *string, values ...string) error {
	if err := n.text(to); n == nil || err != nil {
		return err
	}
	if !slices.Contains(values, *to) {
		return n.errorf("%s is none of %s", n.show(), strings.Join(values, ", "))
	}
	return nil
}

// amount is a number of bytes, or a text with a unit.
func (n *node) amount(to *string) error {
	switch {
	case n == nil:
		return nil
	case n.kind == '"':
		return n.filled(to)
	case n.kind != '0':
		return n.errorf(`%s is neither a number of bytes nor a text such as "4g"`, n.show())
	}
	f, err := strconv.ParseFloat(string(n.literal), 64)
	if err != nil || f < 1 || f != float64(int64(f)) {
		return n.errorf("%s is no number of bytes", n.show())
	}
	*to = strconv.FormatInt(int64(f), 10)
	return nil
}

func (n *node) cpus(to *float64) error {
	if n == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(n.literal), 64)
	if n.kind != '0' || err != nil || f <= 0 {
		return n.errorf("%s is no number of CPUs", n.show())
	}
	*to = f
	return nil
}

func (n *node) count(to *int) error {
	if n == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(n.literal), 64)
	if n.kind != '0' || err != nil || f < 1 || f > 1<<22 || f != float64(int(f)) {
		return n.errorf("%s is no whole number above 0", n.show())
	}
	*to = int(f)
	return nil
}

func (n *node) mounts(to *[]AgentMount) error {
	if n == nil {
		return nil
	}
	if n.kind != '[' {
		return n.errorf("%s is no array of mounts", n.show())
	}
	for _, e := range n.elements {
		m := AgentMount{ReadOnly: true}
		if e.kind != '{' {
			return e.errorf("%s is no object with source and target", e.show())
		}
		for _, err := range []error{e.get("source").filled(&m.Source), e.get("target").filled(&m.Target), e.get("readOnly").boolean(&m.ReadOnly)} {
			if err != nil {
				return err
			}
		}
		if m.Source == "" {
			return e.errorf("it has no source")
		}
		*to = append(*to, m)
	}
	return nil
}

// Agent gives what the settings say of the agent of this name. One that they do not name is as container.agent says.
func (s *Settings) Agent(name string) Agent {
	if a, ok := s.Container.Agents[name]; ok {
		return a
	}
	return s.Container.Agent
}

// Wrong is the error for a value that is found wrong later, by those who know what it means: it names the place. keys lead
// to it, by name or index; where one is missing the way ends.
func Wrong(src Sources, cause error, keys ...any) error {
	top, _, err := src.merged()
	if err != nil {
		return err
	}
	n := top
	for _, key := range keys {
		var next *node
		switch key := key.(type) {
		case string:
			next = n.get(key)
		case int:
			if n != nil && key < len(n.elements) {
				next = n.elements[key]
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
	return n.errorf("%w", cause)
}
