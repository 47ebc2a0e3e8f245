package registry_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
)

func ids(looms []*registry.Loom) []string {
	var all []string
	for _, l := range looms {
		all = append(all, l.Name())
	}
	return all
}

func TestALoomIsItsRepositoryAndID(t *testing.T) {
	t.Parallel()
	var s registry.State
	s.Put(registry.Loom{ID: "1", Repository: "/src/a", WorkTree: "/src/a", Dir: "/src/a/app"})
	s.Put(registry.Loom{ID: "1", Repository: "/src/b", WorkTree: "/src/b", Dir: "/src/b"})
	s.Put(registry.Loom{ID: "2", Repository: "/src/a", WorkTree: "/src/a", Dir: "/src/a/app", Files: true})
	s.Put(registry.Loom{ID: "1", Repository: "/src/a/", WorkTree: "/src/a/", Dir: "/src/a/app", Offset: 9})
	assert.Equal(t, len(s.Looms), 3)
	assert.Equal(t, s.Find("/src/a", "1").Offset, 9)
	assert.Equal(t, s.Find("/src/b/.", "1").Offset, 0)
	assert.Assert(t, s.Find("/src/a", "3") == nil)

	assert.DeepEqual(t, ids(s.InFolder("/src/a")), []string{"a/1", "a/2"})
	assert.DeepEqual(t, ids(s.InFolder("/src/a/")), []string{"a/1", "a/2"})
	assert.Assert(t, s.InFolder("/src") == nil)
	assert.Equal(t, s.FilesOwner("/src/a/app").ID, "2")
	assert.Assert(t, s.FilesOwner("/src/b") == nil)

	s.Find("/src/b", "1").Offset = 5
	assert.Equal(t, s.Find("/src/b", "1").Offset, 5)
	assert.Assert(t, s.Remove("/src/a", "1"))
	assert.Assert(t, !s.Remove("/src/a", "1"))
	assert.DeepEqual(t, ids(s.Looms), []string{"b/1", "a/2"})
}

func TestLeasesOfOthersInTheSpaceAreTaken(t *testing.T) {
	t.Parallel()
	var s registry.State
	put := func(space, repository, id string, host int, cidr ...string) {
		s.Put(registry.Loom{
			ID: id, Repository: repository, Space: space, Ports: []ports.Lease{{Protocol: "tcp", Count: 1, Host: host}},
			Subnets: map[string][]string{"default": cidr},
		})
	}
	put("local", "/src/shop", "1", 3001, "10.0.1.0/24")
	put("local", "/src/shop", "2", 3002, "10.0.2.0/24", "fd00::/64")
	put("local", "/src/blog", "1", 3003, "10.0.3.0/24")
	put("remote", "/src/shop", "3", 3004, "10.0.4.0/24")
	for _, c := range []struct {
		space, repository, id string
		holders               map[int]string
		subnets               []string
	}{
		{"local", "/src/shop", "1", map[int]string{3002: "loom shop/2", 3003: "loom blog/1"}, []string{"10.0.2.0/24", "10.0.3.0/24", "fd00::/64"}},
		{"local", "", "", map[int]string{3001: "loom shop/1", 3002: "loom shop/2", 3003: "loom blog/1"}, []string{"10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "fd00::/64"}},
		{"remote", "/src/shop", "1", map[int]string{3004: "loom shop/3"}, []string{"10.0.4.0/24"}},
		{"other", "", "", nil, nil},
	} {
		taken := s.Ports(&registry.Loom{Space: c.space, Repository: c.repository, ID: c.id})
		for host := 3000; host < 3006; host++ {
			holder, is := taken(ports.Lease{IP: "127.0.0.1", Protocol: "tcp", Count: 1, Host: host})
			assert.Equal(t, holder, c.holders[host])
			assert.Equal(t, is, holder != "")
		}
		var subnets []string
		for _, p := range s.Subnets(&registry.Loom{Space: c.space, Repository: c.repository, ID: c.id}) {
			subnets = append(subnets, p.String())
		}
		slices.Sort(subnets)
		assert.DeepEqual(t, subnets, c.subnets)
	}
}

func prefixes(cidrs ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, c := range cidrs {
		all = append(all, netip.MustParsePrefix(c))
	}
	return all
}

func TestSubnetIsTheLowestThatIsFree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pool  []netip.Prefix
		bits  int
		taken []netip.Prefix
		want  string
	}{
		{prefixes("10.200.0.0/16"), 24, nil, "10.200.0.0/24"},
		{prefixes("10.200.7.9/16"), 24, nil, "10.200.0.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.1.0/24", "10.200.0.0/24"), "10.200.2.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.1.0/24"), "10.200.0.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.0.0/24", "10.200.2.0/24"), "10.200.1.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.0.0/20"), "10.200.16.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.0.7/32", "10.200.1.255/32"), "10.200.2.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.0.0/22", "10.200.0.0/24", "10.200.1.0/24"), "10.200.4.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.200.0.99/24"), "10.200.1.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("10.199.0.0/16", "10.201.0.0/16", "fd00::/8"), "10.200.0.0/24"},
		{prefixes("10.200.0.0/24"), 24, nil, "10.200.0.0/24"},
		{prefixes("10.200.0.0/24", "10.9.0.0/24"), 24, prefixes("10.200.0.8/29"), "10.9.0.0/24"},
		{prefixes("10.200.0.0/25", "10.9.0.0/23"), 24, prefixes("10.9.0.0/24"), "10.9.1.0/24"},
		{prefixes("10.200.0.0/16", "10.9.0.0/23"), 24, prefixes("0.0.0.0/5", "10.200.0.0/16"), "10.9.0.0/24"},
		{prefixes("255.255.254.0/23"), 24, prefixes("255.255.254.0/24"), "255.255.255.0/24"},
		{prefixes("fd00::/48"), 64, prefixes("fd00::/64", "fd00:0:0:1::5/128", "10.0.0.0/8"), "fd00:0:0:2::/64"},
		{prefixes("::ffff:10.200.0.0/112"), 24, prefixes("10.200.0.0/24"), "10.200.1.0/24"},
		{prefixes("10.200.0.0/16"), 24, prefixes("::ffff:10.200.0.0/120"), "10.200.1.0/24"},
		{[]netip.Prefix{{}, netip.MustParsePrefix("10.0.0.0/8")}, 24, []netip.Prefix{{}}, "10.0.0.0/24"},
	} {
		pool, taken := slices.Clone(c.pool), slices.Clone(c.taken)
		got, err := registry.Subnet(c.pool, c.bits, c.taken)
		assert.NilError(t, err)
		assert.Equal(t, got.String(), c.want)
		assert.Assert(t, slices.Equal(pool, c.pool) && slices.Equal(taken, c.taken), "arguments are not changed")
	}
}

func TestSubnetSaysWhichPoolIsFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pool  []netip.Prefix
		bits  int
		taken []netip.Prefix
	}{
		{nil, 24, nil},
		{prefixes("10.0.0.0/25"), 24, nil},
		{prefixes("10.0.0.0/24"), 33, nil},
		{prefixes("10.0.0.0/24"), -1, nil},
		{prefixes("10.0.0.0/23"), 24, prefixes("10.0.0.0/32", "10.0.1.255/32")},
		{prefixes("255.255.255.0/24"), 24, prefixes("255.255.255.255/32")},
		{prefixes("10.0.0.0/23"), 24, prefixes("0.0.0.0/0")},
		{prefixes("10.0.0.0/23"), 24, prefixes("::ffff:0.0.0.0/96")},
	} {
		_, err := registry.Subnet(c.pool, c.bits, c.taken)
		assert.Error(t, err, fmt.Sprintf("no free subnet of length /%d in the address pool %v", c.bits, c.pool))
	}
}

func TestSubnetAgreesWithTryingEveryOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			a := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 7).Draw(t, "c")), rapid.Byte().Draw(t, "d")})
			return netip.PrefixFrom(a, rapid.IntRange(21, 32).Draw(t, "bits"))
		})
		pool := rapid.SliceOfN(prefix, 1, 3).Draw(t, "pool")
		taken := rapid.SliceOfN(prefix, 0, 20).Draw(t, "taken")
		bits := rapid.IntRange(21, 32).Draw(t, "bits")
		var want netip.Prefix
		for _, p := range pool {
			for a := p.Masked().Addr(); !want.IsValid() && bits >= p.Bits() && p.Contains(a); a = a.Next() {
				s := netip.PrefixFrom(a, bits)
				if s == s.Masked() && !slices.ContainsFunc(taken, s.Overlaps) {
					want = s
				}
			}
		}
		got, err := registry.Subnet(pool, bits, taken)
		assert.Equal(t, err == nil, want.IsValid())
		assert.Equal(t, got, want)
	})
}

func BenchmarkSubnetAmongFourThousand(b *testing.B) {
	var taken []netip.Prefix
	for i := range 4000 {
		taken = append(taken, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	rand.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
	for b.Loop() {
		if got, err := registry.Subnet(prefixes("10.0.0.0/8"), 24, taken); err != nil || got.String() != "10.15.160.0/24" {
			b.Fatal(got, err)
		}
	}
}

// drawProject draws ports as collide: bases of different looms that meet under the offsets of small ids, the ends of the port range,
// one base on several addresses.
func drawProject(t *rapid.T) []ports.Port {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ports.Port {
		base := rapid.OneOf(rapid.SampledFrom([]int{80, 443, 3000, 3001, 3042, 4000, 8080, 8443, 65500, 65533, 65534, 65535}),
			rapid.IntRange(3000, 3100)).Draw(t, "base")
		return ports.Port{
			Service:  rapid.SampledFrom([]string{"web", "db"}).Draw(t, "service"),
			Protocol: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "protocol"),
			HostIP:   rapid.SampledFrom([]string{"", "127.0.0.1", "::1"}).Draw(t, "ip"),
			Base:     base,
			Count:    min(rapid.SampledFrom([]int{1, 1, 1, 11}).Draw(t, "count"), ports.Max-base+1),
		}
	}), 0, 6).Draw(t, "project")
}

// binding is a port that a loom listens on. One by one they are the plain way to see who meets, for comparison.
type binding struct {
	protocol string
	port     int
}

func TestNoTwoLoomsEverShareAPortAndNoLeaseEverMoves(t *testing.T) {
	t.Parallel()
	r := registry.Open(t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		s := new(registry.State)
		held := map[string][]ports.Lease{}
		pick := func(t *rapid.T) (repository, id string) {
			return rapid.SampledFrom([]string{"/src/shop", "/src/blog"}).Draw(t, "repository"),
				rapid.SampledFrom([]string{"0", "1", "2", "42", "43", "ENG-42", "OPS-42", "main", "65000", "feat/x"}).Draw(t, "id")
		}
		t.Repeat(map[string]func(*rapid.T){
			"up": func(t *rapid.T) {
				repository, id := pick(t)
				project := drawProject(t)
				offset, err := ports.Offset(id)
				assert.NilError(t, err)
				request := ports.Request{Ports: project, Offset: offset, Taken: s.Ports(&registry.Loom{Space: "local", Repository: repository, ID: id})}
				if l := s.Find(repository, id); l != nil {
					request.Offset, request.Keep = l.Offset, l.Ports
				}
				got, err := ports.Allocate(request)
				assert.NilError(t, err)
				for _, p := range project {
					_, ok := ports.Find(got.Leases, p)
					assert.Assert(t, ok, "%v has no lease", p)
				}
				before := held[repository+id]
				assert.Assert(t, slices.Equal(before, got.Leases[:len(before)]), "%v became %v", before, got.Leases)
				s.Put(registry.Loom{ID: id, Repository: repository, Space: "local", Offset: got.Offset, Ports: got.Leases})
				held[repository+id] = slices.Clone(got.Leases)
			},
			"forget": func(t *rapid.T) {
				repository, id := pick(t)
				_, was := held[repository+id]
				assert.Equal(t, s.Remove(repository, id), was)
				delete(held, repository+id)
			},
			"crash": func(t *rapid.T) {
				assert.NilError(t, r.Update(t.Context(), func(file *registry.State) error { *file = *s; return nil }))
				var err error
				s, err = r.Read(t.Context())
				assert.NilError(t, err)
			},
			"": func(t *rapid.T) {
				assert.Equal(t, len(s.Looms), len(held))
				taken := map[binding]map[string]string{}
				for _, l := range s.Looms {
					name := l.Repository + l.ID
					assert.Assert(t, slices.Equal(l.Ports, held[name]))
					for _, lease := range l.Ports {
						assert.Assert(t, lease.Host >= ports.Min && lease.Host+lease.Count-1 <= ports.Max, "%v", lease)
						for p := lease.Host; p < lease.Host+lease.Count; p++ {
							at := binding{lease.Protocol, p}
							for ip, other := range taken[at] {
								if other != name && (ip == "" || lease.IP == "" || ip == lease.IP) {
									t.Fatalf("%s and %s share %v", other, name, at)
								}
							}
							if taken[at] == nil {
								taken[at] = map[string]string{}
							}
							taken[at][lease.IP] = name
						}
					}
				}
			},
		})
	})
}
