package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
)

// decode turns the merged tree, which may be nil, into settings.
func decode(top *node) (*Settings, error) {
	s := &Settings{Container: Container{Enabled: true}, MainBranch: "main"}
	web := top.get("capabilities").get("web")
	c := top.get("container")
	for _, err := range []error{
		top.object(),
		c.object(),
		c.get("enabled").boolean(&s.Container.Enabled),
		c.get("configPath").text(&s.Container.ConfigPath),
		c.get("ports").ports(&s.Container.Ports),
		c.get("keepAlive").boolean(&s.Container.KeepAlive),
		c.get("projectName").text(&s.Container.ProjectName),
		c.get("addressPool").networks(&s.Container.AddressPool),
		c.get("share").texts(&s.Container.Share),
		c.get("isolate").texts(&s.Container.Isolate),
		c.get("rewriteLocalhost").boolean(&s.Container.RewriteLocalhost),
		c.get("worktree").worktree(&s.Container.Worktree),
		s.Container.agents(c),
		top.get("capabilities").object(),
		web.object(),
		web.get("basePort").optionalPort(&s.Capabilities.Web.BasePort),
		top.get("worktreePrefix").optionalText(&s.WorktreePrefix),
		top.get("mainBranch").branch(&s.MainBranch),
		top.get("protectedBranches").texts(&s.ProtectedBranches),
		top.get("copyGitIgnoredPatterns").texts(&s.CopyGitIgnoredPatterns),
	} {
		if err != nil {
			return nil, err
		}
	}
	if top.get("protectedBranches") == nil {
		for _, b := range []string{s.MainBranch, "main", "master", "develop"} {
			if !slices.Contains(s.ProtectedBranches, b) {
				s.ProtectedBranches = append(s.ProtectedBranches, b)
			}
		}
	}
	return s, nil
}

// The methods below check a node and store its value. On a nil node, a key that no file has, they do nothing.

func (n *node) object() error {
	if n == nil || n.kind == '{' {
		return nil
	}
	return n.errorf("%s is no object", n.show())
}

func (n *node) boolean(to *bool) error {
	switch {
	case n == nil:
		return nil
	case n.kind != 't' && n.kind != 'f':
		return n.errorf("%s is neither true nor false", n.show())
	}
	*to = n.kind == 't'
	return nil
}

func (n *node) text(to *string) error {
	switch {
	case n == nil:
		return nil
	case n.kind != '"':
		return n.errorf("%s is no string", n.show())
	}
	*to = n.literal.String()
	return nil
}

func (n *node) optionalText(to **string) error {
	if n == nil {
		return nil
	}
	*to = new(string)
	return n.text(*to)
}

func (n *node) branch(to *string) error {
	if err := n.text(to); err != nil {
		return err
	}
	if *to == "" {
		return n.errorf("%s is no branch", n.show())
	}
	return nil
}

func (n *node) texts(to *[]string) error {
	switch {
	case n == nil:
		return nil
	case n.kind != '[':
		return n.errorf("%s is no array of strings", n.show())
	}
	*to = make([]string, len(n.elements))
	for i, e := range n.elements {
		if err := e.text(&(*to)[i]); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) worktree(to *string) error {
	switch {
	case n == nil:
	case n.kind == 'f':
		*to = ""
	case n.kind == 't':
		*to = "true"
	case n.kind == '"' && n.literal.String() == "auto":
		*to = "auto"
	default:
		return n.errorf(`%s is none of true, false and "auto"`, n.show())
	}
	return nil
}

func (n *node) port(to *int) error {
	if n == nil {
		return nil
	}
	if n.kind != '0' {
		return n.errorf("%s is no number", n.show())
	}
	// 3e3 and 3000.0 are the same number in JSON.
	f, err := strconv.ParseFloat(string(n.literal), 64)
	if err != nil || f < 1 || f > 65535 || f != float64(int(f)) {
		return n.errorf("%s is no port (1–65535)", n.show())
	}
	*to = int(f)
	return nil
}

func (n *node) optionalPort(to **int) error {
	if n == nil {
		return nil
	}
	*to = new(int)
	return n.port(*to)
}

var portName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (n *node) ports(to *map[string]int) error {
	if n == nil {
		return nil
	}
	if err := n.object(); err != nil {
		return err
	}
	*to = make(map[string]int, len(n.members))
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		m := n.members[name]
		if !portName.MatchString(name) {
			return m.at(m.name).errorf("%s is no name for a port (letters, digits and _, no digit first)", quote(name))
		}
		var p int
		if err := m.port(&p); err != nil {
			return err
		}
		(*to)[name] = p
	}
	return nil
}

func (n *node) networks(to *[]string) error {
	if n == nil {
		return nil
	}
	list := n.elements
	switch n.kind {
	case '"':
		list = []*node{n}
	case '[':
	default:
		return n.errorf("%s is neither a string nor an array of strings", n.show())
	}
	*to = make([]string, len(list))
	for i, e := range list {
		var s string
		if err := e.text(&s); err != nil {
			return err
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil || !p.Addr().Is4():
			return e.errorf("%s is no IPv4 network (as in 10.200.0.0/16)", e.show())
		case p.Bits() > 24:
			return e.errorf("%s is smaller than a /24", e.show())
		}
		(*to)[i] = p.Masked().String()
	}
	return nil
}

// show names the value in an error: a literal as it is written, up to a length that a line can bear.
func (n *node) show() string {
	const most = 60
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	r := []rune(string(n.literal))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// quote gives a name as JSON writes it.
func quote(name string) string {
	b, err := json.Marshal(name)
	if err != nil {
		return fmt.Sprintf("%q", name)
	}
	return string(b)
}
