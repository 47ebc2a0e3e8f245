package sandbox

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
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
		Git:      &Git{Common: "/src/shop/.git", Dir: "/src/shop/.git/worktrees/shop-123", File: true, Submodules: []string{"/src/shop-123/libs/ui"}},
		UID:      1000, GID: 1000, Image: "loom-agent:base", ImageID: "sha256:1", EgressImage: "docker-loom-egress:1",
		State:  "/home/me/.docker/loom/sandbox/iloom-shop-123/agent",
		Subnet: netip.MustParsePrefix("10.90.1.0/24"), OuterSubnet: netip.MustParsePrefix("10.90.2.0/24"), IsolatedGateway: true,
		Services: []string{"web", "db"},
		Files: []Staged{
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
	s.Git = &Git{Common: "/src/shop/.git", Dir: "/src/shop/.git", Main: true, Trees: []string{"/src/shop/.trees/7"}, Others: []string{"description"}}
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
		"an agent never runs as root":               func(s *Spec) { s.UID = 0 },
		"user 1000:0":                               func(s *Spec) { s.GID = 0 },
		`egress "": allowed are`:                    func(s *Spec) { s.Egress = "" },
		"no image of the sidecar":                   func(s *Spec) { s.EgressImage = "" },
		"is no clean absolute path":                 func(s *Spec) { s.WorkTree = "/src/../etc" },
		"work tree /home is a folder of the system": func(s *Spec) { s.WorkTree = "/home" },
		"overlap":                                        func(s *Spec) { s.OuterSubnet = s.Subnet },
		"wanted is one of IPv4 with 16":                  func(s *Spec) { s.Subnet = netip.Prefix{} },
		`agent "egress": names that end in`:              func(s *Spec) { s.Agent = "egress" },
		`agent "a-out": names that end in`:               func(s *Spec) { s.Agent = "a-out" },
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
		git  *Git
		want []string
	}{
		"linked": {linkedSpec().Git, []string{
			"/src/shop-123/libs", "/src/shop-123/libs/ui",
			"/src/shop/.git/logs", "/src/shop/.git/objects", "/src/shop/.git/refs", "/src/shop/.git/worktrees/shop-123",
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

func TestDecide(t *testing.T) {
	t.Parallel()
	running := func() Facts {
		return Facts{
			Exists: true, Running: true, Hash: "h", WantHash: "h", ID: "i", StartedAt: "s", CheckedID: "i", CheckedStart: "s",
			Egress: EgressFacts{Exists: true, Running: true, Hash: "e", WantHash: "e", ID: "ei", StartedAt: "es", CheckedID: "ei", CheckedStart: "es"},
		}
	}
	for name, tc := range map[string]struct {
		change func(*Facts)
		want   Action
	}{
		"same":                    {func(*Facts) {}, Action{}},
		"nothing there":           {func(f *Facts) { *f = Facts{WantHash: "h", Egress: EgressFacts{WantHash: "e"}} }, Action{Sandbox: Create, Egress: Create, Check: true}},
		"stopped":                 {func(f *Facts) { f.Running = false }, Action{Sandbox: Start, Check: true}},
		"drift":                   {func(f *Facts) { f.WantHash = "x" }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"drift while stopped":     {func(f *Facts) { f.WantHash, f.Running = "x", false }, Action{Sandbox: Recreate, Check: true}},
		"paused":                  {func(f *Facts) { f.Paused = true }, Action{Sandbox: Unpause, Check: true}},
		"drift while paused":      {func(f *Facts) { f.WantHash, f.Paused = "x", true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"guard replaced, paused":  {func(f *Facts) { f.Unguarded, f.Paused = true, true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"started by someone else": {func(f *Facts) { f.StartedAt = "later" }, Action{Check: true}},
		"never checked":           {func(f *Facts) { f.CheckedID, f.CheckedStart = "", "" }, Action{Check: true}},
		"guard replaced":          {func(f *Facts) { f.Unguarded = true }, Action{Sandbox: Recreate, Check: true, EndsCommands: true}},
		"sidecar gone":            {func(f *Facts) { f.Egress = EgressFacts{WantHash: "e"} }, Action{Egress: Create, Check: true}},
		"sidecar stopped":         {func(f *Facts) { f.Egress.Running = false }, Action{Egress: Start, Check: true}},
		"sidecar paused":          {func(f *Facts) { f.Egress.Paused = true }, Action{Egress: Unpause, Check: true}},
		"rules drifted":           {func(f *Facts) { f.Egress.WantHash = "x" }, Action{Egress: Recreate, Check: true}},
		"sidecar started again":   {func(f *Facts) { f.Egress.StartedAt = "later" }, Action{Check: true}},
	} {
		f := running()
		tc.change(&f)
		assert.Check(t, Decide(f) == tc.want, "%s: %+v", name, Decide(f))
	}
	assert.Check(t, Decide(running()).Nothing())
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	l, err := ParseLimits("", "", "")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{4 << 30, 2, 512})
	l, err = ParseLimits("512m", "0.5", "64")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{512 << 20, 0.5, 64})
	l, err = ParseLimits("1073741824", " 4 ", "")
	assert.NilError(t, err)
	assert.Equal(t, l, Limits{1 << 30, 4, 512})
	for _, bad := range [][3]string{{"4x"}, {"-1"}, {"1m"}, {"99999999999g"}, {"", "0"}, {"", "two"}, {"", "NaN"}, {"", "Inf"}, {"", "", "0"}, {"", "", "1.5"}, {"", "", "-1"}} {
		_, err := ParseLimits(bad[0], bad[1], bad[2])
		assert.Check(t, err != nil && strings.Contains(err.Error(), strings.Join(bad[:], "")) && strings.Contains(err.Error(), "allowed"), "%v: %v", bad, err)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	services := []ServiceAccess{{Name: "web", Open: true, Ways: []string{"writes /srv/uploads"}}, {Name: "db"}}
	for name, s := range map[string]Spec{"linked": linkedSpec(), "main": mainSpec()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := Access(s, services, []string{"GH_TOKEN"})
			assert.NilError(t, err)
			golden.Assert(t, a.Text()+"\n"+strings.Join(a.Lines(), "\n")+"\n", name+"-access.txt")
			text, err := json.MarshalIndent(a, "", "  ")
			assert.NilError(t, err)
			golden.Assert(t, string(text)+"\n", name+"-access.json")
		})
	}
}

func TestWhatIsReplacedOnTheHostIsSeen(t *testing.T) {
	t.Parallel()
	main, linked := repository(t)
	for _, at := range []struct {
		tree, dir string
		want      []string
	}{
		{main, main + "/.git", []string{
			"main/.iloom", "main/.git/branches", "main/.git/commondir", "main/.git/config", "main/.git/config.worktree", "main/.git/hooks", "main/.git/info",
			"main/.git/modules", "main/.git/remotes", "main/.git/worktrees", "main/deep/lib/.git", "main/trees/other",
		}},
		{linked, main + "/.git/worktrees/linked", []string{
			"linked/.git", "linked/.iloom", "main/.git/worktrees/linked/commondir", "main/.git/worktrees/linked/config.worktree",
			"main/.git/worktrees/linked/gitdir", "main/.git/worktrees/linked/modules",
		}},
	} {
		g, _, err := ReadGit(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		assert.NilError(t, PrepareGit(at.tree, g))
		s := linkedSpec()
		s.WorkTree, s.Git = at.tree, g
		got, err := Guarded(s)
		assert.NilError(t, err)
		var rel []string
		for _, p := range got {
			rel = append(rel, strings.TrimPrefix(p, strings.TrimSuffix(main, "main")))
		}
		slices.Sort(rel)
		slices.Sort(at.want)
		assert.DeepEqual(t, rel, at.want)

		stamp := Stamp(got)
		git(t, at.tree, "commit", "-q", "--allow-empty", "-m", "two")
		git(t, at.tree, "gc", "-q")
		assert.Equal(t, Stamp(got), stamp)
		git(t, at.tree, "config", "a.b", "c")
		assert.Equal(t, Stamp(got) != stamp, g.Main, "the configuration is in the common dir")
	}
}

// Compose puts the proxies of ~/.docker/config.json, passwords and all, into each container that does not set them.
func TestNoProxyOfTheUsersIsBrought(t *testing.T) {
	t.Parallel()
	env := Spec{}.environment("loom-agent-egress")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"} {
		for _, key := range []string{name, strings.ToLower(name)} {
			_, set := env[key]
			assert.Assert(t, set, key)
		}
	}
}
