package sandbox

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

// linkedSpec is the sandbox of a loom in a linked work tree.
func linkedSpec() Spec {
	return Spec{
		Policy: Policy{
			Agent: DefaultAgent, Egress: egress.Restricted, Allow: []string{"api.anthropic.com", "*.npmjs.org"}, Credentials: []string{"claude"},
			Mounts: []Mount{{Source: "/home/me/notes", Target: "/notes", ReadOnly: true}},
		},
		Project: "iloom-shop-123", Loom: "123", Repository: "/src/shop",
		Labels:   map[string]string{"ai.iloom.loom": "123", "ai.iloom.repo": "/src/shop"},
		WorkTree: "/src/shop-123",
		Git:      &gitview.Repository{Common: "/src/shop/.git", Dir: "/src/shop/.git/worktrees/shop-123", DotGitFile: true, Submodules: []string{"/src/shop-123/libs/ui"}},
		UID:      1000, GID: 1000, Image: "loom-agent:base", ImageID: "sha256:1", EgressImage: "docker-loom-egress:1",
		State:  "/home/me/.docker/loom/sandbox/iloom-shop-123/agent",
		Subnet: netip.MustParsePrefix("10.90.1.0/24"), OuterSubnet: netip.MustParsePrefix("10.90.2.0/24"), IsolatedGateway: true,
		Services: []string{"web", "db"},
		Files: []StagedFile{
			{Source: "/home/me/.docker/loom/sandbox/iloom-shop-123/agent/claude", Target: "/home/agent/.claude", Writable: true},
			{Source: "/home/me/.docker/loom/sandbox/iloom-shop-123/agent/passwd", Target: "/etc/passwd"},
		},
		Env:  map[string]string{"CLAUDE_CONFIG_DIR": "/home/agent/.claude"},
		Hint: "docker loom agent allow 123",
	}
}

// mainSpec is the sandbox of another agent in a main checkout, on an older engine.
func mainSpec() Spec {
	s := linkedSpec()
	s.Agent, s.WorkTree, s.IsolatedGateway, s.Runtime, s.Egress = "reviewer", "/src/shop", false, "runsc", egress.None
	s.Mounts, s.Files, s.Credentials, s.Env = nil, nil, nil, nil
	s.Limits = Limits{Memory: 1 << 30, CPUs: 0.5, PIDs: 100}
	s.Git = &gitview.Repository{Common: "/src/shop/.git", Dir: "/src/shop/.git", Main: true, Trees: []string{"/src/shop/.trees/7"}, Others: []string{"description"}}
	return s
}

func TestCompileMakesAProjectThatAReaderCanRead(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Spec{"linked": linkedSpec(), "main": mainSpec()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, fs, err := Compile(s)
			assert.NilError(t, err)
			assert.Equal(t, len(fs), 0)
			text, err := p.MarshalYAML()
			assert.NilError(t, err)
			golden.Assert(t, string(text), name+".yaml")
		})
	}
}

func TestCompileRefusesWhatIsNoSandbox(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Spec){
		"an agent must not run as root":              func(s *Spec) { s.UID = 0 },
		"user 1000:0":                                func(s *Spec) { s.GID = 0 },
		`none, restricted or open, not ""`:           func(s *Spec) { s.Egress = "" },
		"the image of the sidecar must not be empty": func(s *Spec) { s.EgressImage = "" },
		"must be a clean absolute path":              func(s *Spec) { s.WorkTree = "/src/../etc" },
		"work tree /home is a folder of the system":  func(s *Spec) { s.WorkTree = "/home" },
		"overlap":                                        func(s *Spec) { s.OuterSubnet = s.Subnet },
		"must be of IPv4 with at least 16":               func(s *Spec) { s.Subnet = netip.Prefix{} },
		`agent name "egress" must not end in`:            func(s *Spec) { s.Agent = "egress" },
		`agent name "a-out" must not end in`:             func(s *Spec) { s.Agent = "a-out" },
		"/notes: mounted twice, from /home/me/notes and": func(s *Spec) { s.Mounts = append(s.Mounts, Mount{Source: "/x", Target: "/notes"}) },
	} {
		s := linkedSpec()
		change(&s)
		_, _, err := Compile(s)
		assert.Check(t, err != nil && strings.Contains(err.Error(), want), "%v, wanted %s", err, want)
	}
}

func TestTheHashIsOfAllThatMakesAnotherContainer(t *testing.T) {
	t.Parallel()
	hashes := func(change func(*Spec)) (string, string) {
		s := linkedSpec()
		change(&s)
		p, _, err := Compile(s)
		assert.NilError(t, err)
		return Hashes(p, s.Agent)
	}
	box, way := hashes(func(*Spec) {})
	for name, tc := range map[string]struct {
		change   func(*Spec)
		box, way bool
	}{
		"image of the same name":  {func(s *Spec) { s.ImageID = "sha256:2" }, true, false},
		"limits":                  {func(s *Spec) { s.Limits.PIDs = 100 }, true, false},
		"mount":                   {func(s *Spec) { s.Mounts[0].ReadOnly = false }, true, false},
		"submodule":               {func(s *Spec) { s.Git.Submodules = nil }, true, false},
		"credential file":         {func(s *Spec) { s.Files = s.Files[:1] }, true, false},
		"read-only":               {func(s *Spec) { s.ReadOnly = true }, true, false},
		"runtime":                 {func(s *Spec) { s.Runtime = "runsc" }, true, false},
		"subnet":                  {func(s *Spec) { s.Subnet = netip.MustParsePrefix("10.90.9.0/24") }, true, true},
		"host allowed":            {func(s *Spec) { s.Allow = append(s.Allow, "example.com") }, false, true},
		"egress mode":             {func(s *Spec) { s.Egress = egress.None }, false, true},
		"this binary":             {func(s *Spec) { s.EgressImage = "docker-loom-egress:2" }, false, true},
		"service of the loom":     {func(s *Spec) { s.Services = []string{"web", "db", "cache"} }, false, false},
		"file beside git's":       {func(s *Spec) { s.Git.Others = []string{"x"} }, false, false},
		"what commands are given": {func(s *Spec) { s.Command = []string{"x"}; s.Vault = "v" }, false, false},
	} {
		a, b := hashes(tc.change)
		assert.Check(t, (a != box) == tc.box, "%s: sandbox", name)
		assert.Check(t, (b != way) == tc.way, "%s: sidecar", name)
	}
}

func TestTheSocketIsALoudWarning(t *testing.T) {
	t.Parallel()
	s := linkedSpec()
	s.DockerSocket, s.SocketGID = "/var/run/docker.sock", 998
	p, fs, err := Compile(s)
	assert.NilError(t, err)
	assert.Equal(t, finding.Worst(fs), finding.Warning)
	assert.DeepEqual(t, p.Services["loom-agent"].GroupAdd, []string{"998"})
}

func TestNothingOfGitsIsWritableButWhatIsListed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		git  *gitview.Repository
		want []string
	}{
		"linked": {linkedSpec().Git, []string{
			"/src/shop-123/libs", "/src/shop-123/libs/ui",
			"/src/shop/.git/logs/refs", "/src/shop/.git/objects", "/src/shop/.git/refs", "/src/shop/.git/worktrees/shop-123",
		}},
		"main": {mainSpec().Git, []string{"/src/shop/.git", "/src/shop/.git/logs", "/src/shop/.git/objects", "/src/shop/.git/refs", "/src/shop/.trees"}},
	} {
		s := linkedSpec()
		s.Git, s.Mounts, s.Files = tc.git, nil, nil
		if tc.git.Main {
			s.WorkTree = "/src/shop"
		}
		binds, err := s.binds()
		assert.NilError(t, err)
		var got []string
		for _, b := range binds {
			if !b.readOnly && !b.isVolume && b.target != s.WorkTree {
				got = append(got, b.target)
			}
		}
		slices.Sort(got)
		assert.Check(t, slices.Equal(got, tc.want), "%s: %v", name, got)
	}
}

func TestNoServiceTakesAnAddressOfTheSandboxs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"10.0.0.0/24", "10.0.0.0/16", "10.0.0.16/28"} {
		p := netip.MustParsePrefix(s)
		a := SidecarAddress(p)
		assert.Check(t, p.Contains(a) && !p.Contains(a.Next().Next()), "%s", a)
		for _, a := range []netip.Addr{a, Address(p)} {
			assert.Check(t, p.Contains(a) && !netip.MustParsePrefix(addressPool(p).IPRange).Contains(a), "%s", a)
		}
	}
	assert.Equal(t, SidecarAddress(netip.MustParsePrefix("10.0.0.0/24")).String(), "10.0.0.254")
}

// Compose puts the proxies of ~/.docker/config.json, passwords and all, into each container that does not set them.
func TestNoProxyOfTheUsersIsBrought(t *testing.T) {
	t.Parallel()
	env := Spec{}.environment()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"} {
		for _, key := range []string{name, strings.ToLower(name)} {
			_, set := env[key]
			assert.Assert(t, set, key)
		}
	}
}
