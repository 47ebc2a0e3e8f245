package settings

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// decoder stores values in their fields. A key that no file has leaves its field unchanged; null is a wrong value.
type decoder struct{ jsonc.Decoder }

// decodeSettings turns the merged tree, which may be nil, into settings.
func decodeSettings(top *jsonc.Node) (*Settings, error) {
	s := &Settings{Container: Container{Enabled: true, Submodules: true, GitUser: true}, MainBranch: "main"}
	d := &decoder{}
	d.Object(top)
	d.container(top.Lookup("container"), &s.Container)
	capabilities := top.Lookup("capabilities")
	d.Object(capabilities)
	web := capabilities.Lookup("web")
	d.Object(web)
	if n := web.Lookup("basePort"); n != nil {
		port := d.port(n)
		s.Capabilities.Web.BasePort = &port
	}
	if n := top.Lookup("worktreePrefix"); n != nil {
		prefix := d.Text(n)
		s.WorktreePrefix = &prefix
	}
	d.text(top.Lookup("mainBranch"), &s.MainBranch)
	if s.MainBranch == "" {
		d.Fail(top.Lookup("mainBranch"), `"" is not a branch`)
	}
	d.texts(top.Lookup("protectedBranches"), &s.ProtectedBranches)
	d.texts(top.Lookup("copyGitIgnoredPatterns"), &s.CopyGitIgnoredPatterns)
	if d.Err != nil {
		return nil, asError(d.Err)
	}
	if top.Lookup("protectedBranches") == nil {
		for _, b := range []string{s.MainBranch, "main", "master", "develop"} {
			if !slices.Contains(s.ProtectedBranches, b) {
				s.ProtectedBranches = append(s.ProtectedBranches, b)
			}
		}
	}
	return s, nil
}

func (d *decoder) container(n *jsonc.Node, to *Container) {
	d.Object(n)
	d.boolean(n.Lookup("enabled"), &to.Enabled)
	d.text(n.Lookup("configPath"), &to.ConfigPath)
	to.Ports = d.ports(n.Lookup("ports"))
	d.boolean(n.Lookup("keepAlive"), &to.KeepAlive)
	d.text(n.Lookup("projectName"), &to.ProjectName)
	d.texts(n.Lookup("projects"), &to.Projects)
	to.AddressPool = d.networks(n.Lookup("addressPool"))
	d.texts(n.Lookup("share"), &to.Share)
	d.texts(n.Lookup("isolate"), &to.Isolate)
	d.boolean(n.Lookup("rewriteLocalhost"), &to.RewriteLocalhost)
	d.boolean(n.Lookup("submodules"), &to.Submodules)
	d.boolean(n.Lookup("gitUser"), &to.GitUser)
	to.Dotfiles = d.dotfiles(n.Lookup("dotfiles"))
	to.Worktree = d.worktree(n.Lookup("worktree"))
	base := n.Lookup("agent")
	to.Agent = d.agent(base)
	to.Agents = d.agents(base, n.Lookup("agents"))
}

// dotfiles are a repository alone, or an object with further keys.
func (d *decoder) dotfiles(n *jsonc.Node) (to Dotfiles) {
	if n != nil && n.Kind == '"' {
		d.filled(n, &to.Repository)
		return to
	}
	d.Object(n)
	d.filled(n.Lookup("repository"), &to.Repository)
	d.filled(n.Lookup("installCommand"), &to.InstallCommand)
	d.filled(n.Lookup("targetPath"), &to.TargetPath)
	if n != nil && to.Repository == "" && d.Err == nil {
		d.Fail(n, "no repository")
	}
	return to
}

func (d *decoder) boolean(n *jsonc.Node, to *bool) {
	if b := d.Boolean(n); b != nil {
		*to = *b
	}
}

func (d *decoder) text(n *jsonc.Node, to *string) {
	if n != nil {
		*to = d.Text(n)
	}
}

// texts stores an empty list for an empty array: it is a setting, unlike nil.
func (d *decoder) texts(n *jsonc.Node, to *[]string) {
	if n != nil {
		*to = append([]string{}, d.Texts(n)...)
	}
}

// filled stores a text that is not empty.
func (d *decoder) filled(n *jsonc.Node, to *string) {
	if n == nil {
		return
	}
	if *to = d.Text(n); strings.TrimSpace(*to) == "" {
		d.Fail(n, "it is empty")
	}
}

func (d *decoder) oneOf(n *jsonc.Node, to *string, values ...string) {
	if n == nil {
		return
	}
	if *to = d.Text(n); !slices.Contains(values, *to) {
		d.Fail(n, "must be one of %s, not %s", strings.Join(values, ", "), n.Show())
	}
}

func (d *decoder) worktree(n *jsonc.Node) string {
	switch {
	case n == nil || n.Kind == 'f':
		return ""
	case n.Kind == 't':
		return "true"
	case n.Kind == '"' && n.Text == "auto":
		return "auto"
	}
	d.Fail(n, `must be true, false or "auto", not %s`, n.Show())
	return ""
}

func (d *decoder) port(n *jsonc.Node) int {
	if n.Kind != '0' {
		d.Fail(n, "%s is not a number", n.Show())
	}
	return d.Number(n, 1, 65535, "port")
}

var portName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (d *decoder) ports(n *jsonc.Node) map[string]int {
	if n == nil {
		return nil
	}
	ports := map[string]int{}
	d.Object(n)
	for _, m := range sorted(n) {
		if !portName.MatchString(m.Name) {
			d.Fail(m.Value.AtName(), "%s is not a name for a port (letters, digits and _, no digit first)", jsonc.Quote(m.Name))
		}
		ports[m.Name] = d.port(m.Value)
	}
	return ports
}

// sorted returns the members by name, so that the first error does not depend on the files' order.
func sorted(n *jsonc.Node) []jsonc.Member {
	if n == nil {
		return nil
	}
	byName := func(a, b jsonc.Member) int { return strings.Compare(a.Name, b.Name) }
	return slices.SortedFunc(slices.Values(n.Members), byName)
}

func (d *decoder) networks(n *jsonc.Node) []string {
	if n == nil {
		return nil
	}
	elements := n.Elements
	switch n.Kind {
	case '"':
		elements = []*jsonc.Node{n}
	case '[':
	default:
		d.Fail(n, "%s is neither a string nor an array of strings", n.Show())
	}
	networks := []string{}
	for _, e := range elements {
		p, err := netip.ParsePrefix(d.Text(e))
		switch {
		case err != nil || !p.Addr().Is4():
			d.Fail(e, "%s is not an IPv4 network (as in 10.200.0.0/16)", e.Show())
		case p.Bits() > 24:
			d.Fail(e, "%s is smaller than a /24", e.Show())
		}
		networks = append(networks, p.Masked().String())
	}
	return networks
}
