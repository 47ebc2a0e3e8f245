package ports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/ports"
)

func TestOffsetIsTheTrailingDigits(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]int{
		"123": 123, "#123": 123, "1": 1, "0": 0, "007": 7, "62536": 62536, "123456": 123456,
		"MARK-324": 324, "ENG_7": 7, "eng-7": 7, "issue42": 42, "feat/issue-0012": 12, "pr/7": 7, "-5": 5, "v1.0": 0,
		"9223372036854775807":                    math.MaxInt64,
		"00000000000000000000000000000000000009": 9,
	} {
		got, err := ports.Offset(id)
		assert.NilError(t, err, id)
		assert.Equal(t, got, want, id)
	}
}

func TestOffsetOfOtherNamesIsTheirHash(t *testing.T) {
	t.Parallel()
	for id, host := range map[string]int{"main": 3828, "feat/my-feature": 3859, "feature/login": 3330, "fix/bug": 3930} {
		got, err := ports.Offset(id)
		assert.NilError(t, err, id)
		assert.Equal(t, ports.Shift(3000, got), host, id)
	}
	for _, id := range []string{"9223372036854775808", "ENG-99999999999999999999999", "12x", "٣", "日本", "🚀", "a\xff"} {
		got, err := ports.Offset(id)
		assert.NilError(t, err, id)
		assert.Assert(t, got >= 1 && got <= 999, "%s: %d", id, got)
	}
}

func TestOffsetRefusesWhatNamesNothing(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "#", "--", " ", "./", "$+", "\x00", "—"} {
		_, err := ports.Offset(id)
		assert.ErrorContains(t, err, fmt.Sprintf("id %q names nothing", id))
	}
}

func FuzzOffset(f *testing.F) {
	for _, id := range []string{"123", "#123", "ENG-324", "feat/x", "", "#", "99999999999999999999", "\xff0"} {
		f.Add(id, 3000)
	}
	f.Fuzz(func(t *testing.T, id string, base int) {
		offset, err := ports.Offset(id)
		if err != nil {
			return
		}
		again, err := ports.Offset(id)
		assert.NilError(t, err)
		assert.Equal(t, again, offset)
		assert.Assert(t, offset >= 0)
		host := ports.Shift(base, offset)
		if base >= ports.Min && base <= ports.Max {
			assert.Assert(t, host >= ports.Min && host <= ports.Max, "%d", host)
		}
	})
}

func TestShiftWrapsAsIloomDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, offset, want int }{
		{3000, 123, 3123},
		{3000, 62535, 65535},
		{3000, 62536, 3001},
		{3000, 65000, 5465},
		{65530, 5, 65535},
		{65530, 10, 65535},
		{65530, 6, 65531},
		{5432, 99999, 45328},
		{65534, 1, 65535},
		{65534, 1000, 65535},
		{65535, 1, 1025},
		{65535, 64511, 65535},
		{65535, 64512, 1025},
		{65535, 0, 65535},
		{3000, 0, 3000},
		{3000, -1, 3000},
		{80, 42, 122},
		{70000, 1, 1025},
		{1024, math.MaxInt, 1025 + (math.MaxInt-1)%64511},
	} {
		assert.Equal(t, ports.Shift(c.base, c.offset), c.want, "%d+%d", c.base, c.offset)
	}
}

func TestShiftNeverLeavesTheUnprivilegedPorts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.IntRange(ports.Min, ports.Max).Draw(t, "base")
		offset := rapid.OneOf(rapid.IntRange(0, 200000), rapid.IntMin(0)).Draw(t, "offset")
		host := ports.Shift(base, offset)
		if host < ports.Min || host > ports.Max {
			t.Fatalf("%d", host)
		}
		if offset > 0 && base < ports.Max && host <= base {
			t.Fatalf("%d is not above its base %d", host, base)
		}
	})
}

func TestLiftTakesTheNextNumberThatIsNoBase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bases []int
		want  map[int]int
	}{
		{nil, map[int]int{}},
		{[]int{80, 443, 3000}, map[int]int{80: 8080, 443: 8443, 3000: 3000}},
		{[]int{80, 8080}, map[int]int{80: 8081, 8080: 8080}},
		{[]int{8081, 81, 80, 8080, 80}, map[int]int{80: 8082, 81: 8083, 8080: 8080, 8081: 8081}},
		{[]int{81, 80}, map[int]int{80: 8080, 81: 8081}},
		{[]int{80, 81, 8080}, map[int]int{80: 8081, 81: 8082, 8080: 8080}},
		{[]int{1023, 1024}, map[int]int{1023: 9023, 1024: 1024}},
		{[]int{1}, map[int]int{1: 8001}},
		{[]int{80, 9000}, map[int]int{80: 8080, 9000: 9000}},
		{[]int{-9000, 70000}, map[int]int{-9000: 1024, 70000: 70000}},
	} {
		spans := map[int]int{}
		for _, base := range c.bases {
			spans[base] = 1
		}
		assert.DeepEqual(t, ports.Lift(spans), c.want)
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	at := func(ip, protocol string, host, count int) ports.Lease {
		return ports.Lease{IP: ip, Protocol: protocol, Host: host, Count: count}
	}
	for _, c := range []struct {
		a, b ports.Lease
		want bool
	}{
		{at("", "tcp", 80, 1), at("", "tcp", 80, 1), true},
		{at("", "tcp", 80, 1), at("", "tcp", 81, 1), false},
		{at("", "tcp", 80, 0), at("", "", 80, 1), true},
		{at("", "tcp", 80, 0), at("", "tcp", 81, 0), false},
		{at("", "tcp", 80, 1), at("", "udp", 80, 1), false},
		{at("", "TCP", 80, 1), at("", "tcp", 80, 1), true},
		{at("", "tcp", 80, 3), at("", "tcp", 82, 1), true},
		{at("", "tcp", 80, 3), at("", "tcp", 83, 1), false},
		{at("", "tcp", 80, 3), at("", "tcp", 78, 2), false},
		{at("", "tcp", 80, 3), at("", "tcp", 78, 3), true},
		{at("127.0.0.1", "tcp", 80, 1), at("127.0.0.1", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("127.0.0.2", "tcp", 80, 1), false},
		{at("127.0.0.1", "tcp", 80, 1), at("::1", "tcp", 80, 1), false},
		{at("127.0.0.1", "tcp", 80, 1), at("::ffff:127.0.0.1", "tcp", 80, 1), true},
		{at("::1", "tcp", 80, 1), at("[0:0:0:0:0:0:0:1]", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("0.0.0.0", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("::", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("::ffff:0.0.0.0", "tcp", 80, 1), true},
		{at("127.0.0.1", "tcp", 80, 1), at("localhost", "tcp", 80, 1), true},
		{at("::", "tcp", 80, 1), at("0.0.0.0", "tcp", 80, 1), true},
	} {
		assert.Equal(t, c.a.Overlaps(c.b), c.want, "%v %v", c.a, c.b)
		assert.Equal(t, c.b.Overlaps(c.a), c.want, "%v %v", c.b, c.a)
		var x ports.Index
		x.Add("x", c.a)
		_, taken := x.Taken(c.b)
		assert.Equal(t, taken, c.want, "index: %v %v", c.a, c.b)
	}
}

func TestLeaseReadsAsDockerWritesPorts(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]ports.Lease{
		"3123/tcp":           {Host: 3123, Count: 1, Protocol: "tcp"},
		"9223-9233/udp":      {Host: 9223, Count: 11, Protocol: "udp"},
		"127.0.0.1:3123/tcp": {Host: 3123, IP: "127.0.0.1"},
		"[::1]:3123/sctp":    {Host: 3123, IP: "::1", Protocol: "SCTP"},
		"[::]:3123-3124/tcp": {Host: 3123, IP: "[::]", Count: 2},
	} {
		assert.Equal(t, l.String(), want)
	}
}

func TestLeaseJSONIsStable(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal([]ports.Lease{{IP: "::1", Protocol: "udp", Base: 1, Count: 2, Host: 3}, {Protocol: "tcp"}})
	assert.NilError(t, err)
	assert.Equal(t, string(b), `[{"ip":"::1","protocol":"udp","base":1,"count":2,"host":3},{"protocol":"tcp","base":0,"count":0,"host":0}]`)
}

func TestFindGivesTheLeaseOfThePortAndNoOther(t *testing.T) {
	t.Parallel()
	leases := []ports.Lease{
		{Protocol: "tcp", Base: 53, Count: 1, Host: 1},
		{Protocol: "udp", Base: 53, Count: 1, Host: 2},
		{Protocol: "tcp", Base: 53, Count: 3, Host: 3},
		{Protocol: "tcp", Base: 53, Count: 1, Host: 4, IP: "127.0.0.1"},
		{Protocol: "tcp", Base: 53, Count: 1, Host: 5, IP: "0.0.0.0"},
		{Protocol: "tcp", Base: 54, Count: 1, Host: 6, IP: "::1"},
	}
	for want, p := range map[int]ports.Port{
		1: {Base: 53}, 2: {Base: 53, Protocol: "UDP", Count: 1, Service: "x", Target: 9}, 3: {Base: 53, Count: 3},
		4: {Base: 53, HostIP: "127.0.0.1"}, 5: {Base: 53, HostIP: "0.0.0.0"}, 6: {Base: 54, HostIP: "0:0::1"},
	} {
		l, ok := ports.Find(leases, p)
		assert.Assert(t, ok)
		assert.Equal(t, l.Host, want)
	}
	for _, p := range []ports.Port{{Base: 53, Count: 2}, {Base: 54}, {Base: 55}, {Base: 53, Protocol: "sctp"}, {Base: 53, HostIP: "::"}} {
		_, ok := ports.Find(leases, p)
		assert.Assert(t, !ok, "%v", p)
	}
}

func TestIndexNamesTheFirstHolder(t *testing.T) {
	t.Parallel()
	var x ports.Index
	_, taken := x.Taken(ports.Lease{Host: 80})
	assert.Assert(t, !taken)
	x.Add("b", ports.Lease{Host: 90, Count: 20})
	x.Add("c", ports.Lease{Host: 90, Count: 20})
	x.Add("a", ports.Lease{Host: 89, IP: "127.0.0.1"})
	x.Add("far", ports.Lease{Host: 65535, Count: 9})
	for _, c := range []struct {
		lease ports.Lease
		want  string
	}{
		{ports.Lease{Host: 109, Count: 9}, "b"},
		{ports.Lease{Host: 88, Count: 5}, "a"},
		{ports.Lease{Host: 88, Count: 5, IP: "127.0.0.2"}, "b"},
		{ports.Lease{Host: 110}, ""},
		{ports.Lease{Host: 65535}, "far"},
	} {
		got, taken := x.Taken(c.lease)
		assert.Equal(t, got, c.want)
		assert.Equal(t, taken, c.want != "")
	}
}

// hosts gives the host port of every lease in order.
func hosts(leases []ports.Lease) []int {
	var all []int
	for _, l := range leases {
		all = append(all, l.Host)
	}
	return all
}

func takenBy(holder string, held ...int) func(ports.Lease) (string, bool) {
	var x ports.Index
	for _, h := range held {
		x.Add(holder, ports.Lease{Protocol: "tcp", Host: h})
	}
	return x.Taken
}

func TestAllocateMovesAllPortsByOneOffset(t *testing.T) {
	t.Parallel()
	web, api := ports.Port{Service: "web", Base: 80}, ports.Port{Service: "api", Base: 3000}
	tiny := ports.Port{Service: "tiny", Base: 65533}
	for _, c := range []struct {
		name   string
		ports  []ports.Port
		wanted int
		held   []int
		offset int
		hosts  []int
	}{
		{"wanted", []ports.Port{web, api}, 123, nil, 123, []int{8203, 3123}},
		{"a lifted base beside its like", []ports.Port{web, {Base: 8080}}, 1, nil, 1, []int{8082, 8081}},
		{"one taken moves both", []ports.Port{web, api}, 123, []int{3123}, 1123, []int{9203, 4123}},
		{"again", []ports.Port{web, api}, 123, []int{3123, 9203, 5123}, 3123, []int{11203, 6123}},
		{"0 is 1000", []ports.Port{api}, 0, nil, 1000, []int{4000}},
		{"0 moves on from 1000", []ports.Port{api}, 0, []int{4000}, 2000, []int{5000}},
		{"no ports", nil, 7, nil, 7, nil},
		{"a wrapped offset", []ports.Port{api}, 62536, nil, 62536, []int{3001}},
		{"high offsets go on to the lowest", []ports.Port{api}, 65000, []int{5465, 3001}, 2, []int{3002}},
		{"offsets above 65535 too", []ports.Port{api}, 65536, []int{6001}, 1, []int{3001}},
		{"+1000 up to the last port", []ports.Port{api}, 64535, []int{5000}, 65535, []int{6000}},
		{"a range that would end above 65535", []ports.Port{{Base: 65000, Count: 11}}, 530, nil, 1530, []int{65460}},
		{"a range that just fits", []ports.Port{{Base: 65000, Count: 11}}, 525, nil, 525, []int{65525}},
		// 9 puts both on 65534, and so does 9+1000k.
		{"two that wrap onto one", []ports.Port{tiny, {Base: 65530}}, 9, nil, 1, []int{65531, 65534}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ports.Allocate(ports.Request{Ports: c.ports, Offset: c.wanted, Taken: takenBy("x", c.held...)})
			assert.NilError(t, err)
			assert.Equal(t, got.Offset, c.offset)
			assert.DeepEqual(t, hosts(got.Leases), c.hosts)
		})
	}
}

func TestAllocateGivesTheSameBaseTheSameNumber(t *testing.T) {
	t.Parallel()
	dns := []ports.Port{
		{Service: "dns", Base: 53, Protocol: "udp", HostIP: "127.0.0.1"},
		{Service: "dns", Base: 53, Protocol: "tcp"},
		{Service: "dns", Base: 53, Protocol: "udp"},
		{Service: "other", Base: 53, Count: 3, Protocol: "udp"},
		{Service: "again", Base: 53, Protocol: "TCP", Count: 1},
	}
	taken := func(l ports.Lease) (string, bool) {
		return "x", l.Protocol == "udp" && l.Host+l.Count > 8056 && l.Host < 8060
	}
	got, err := ports.Allocate(ports.Request{Ports: dns, Offset: 1, Taken: taken})
	assert.NilError(t, err)
	want := []ports.Lease{
		{Protocol: "tcp", Base: 53, Count: 1, Host: 9054},
		{Protocol: "udp", Base: 53, Count: 1, Host: 9054},
		{Protocol: "udp", Base: 53, Count: 3, Host: 9054},
		{Protocol: "udp", Base: 53, Count: 1, Host: 9054, IP: "127.0.0.1"},
	}
	assert.DeepEqual(t, got, ports.Result{Offset: 1001, Leases: want})
	for _, p := range dns {
		_, ok := ports.Find(got.Leases, p)
		assert.Assert(t, ok, "%v", p)
	}

	// The last one is added later: alone it would fit at 9054, beside the others it is moved no more than it must.
	kept := got.Leases[:3]
	got, err = ports.Allocate(ports.Request{Ports: dns, Offset: got.Offset, Keep: kept})
	assert.NilError(t, err)
	assert.DeepEqual(t, got.Leases, want)
	got, err = ports.Allocate(ports.Request{Ports: dns, Offset: got.Offset, Keep: kept[:1], Taken: takenUDP(9055)})
	assert.NilError(t, err)
	assert.DeepEqual(t, hosts(got.Leases), []int{9054, 9056, 9056, 9056})
}

func takenUDP(host int) func(ports.Lease) (string, bool) {
	var x ports.Index
	x.Add("x", ports.Lease{Protocol: "udp", Host: host})
	return x.Taken
}

func TestAllocateKeepsWhatTheLoomHolds(t *testing.T) {
	t.Parallel()
	kept := []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 7777}, {Protocol: "tcp", Base: 9, Count: 1, Host: 9}}
	web := ports.Port{Service: "web", Base: 3000}
	for _, c := range []struct {
		name   string
		ports  []ports.Port
		offset int
		held   []int
		hosts  []int
	}{
		{"unchecked", []ports.Port{web}, 123, []int{7777, 9}, nil},
		{"even where the files no longer name it", nil, 123, nil, nil},
		{"added", []ports.Port{web, {Base: 80}, {Base: 4000}}, 123, nil, []int{8203, 4123}},
		{"added with no offset", []ports.Port{web, {Base: 4000}}, 0, nil, []int{4000}},
		{"alone the next", []ports.Port{web, {Base: 80}, {Base: 4000}}, 123, []int{4123, 4124}, []int{8203, 4125}},
		{"not on a number of its own", []ports.Port{web, {Base: 7654}}, 123, nil, []int{7778}},
		{"not on a new number of its own", []ports.Port{web, {Base: 4000}, {Base: 4001}}, 123, []int{4123}, []int{4124, 4125}},
		{"around the end", []ports.Port{web, {Base: 65412}}, 123, []int{65535}, []int{1024}},
		{"a range around the end", []ports.Port{web, {Base: 65410, Count: 5}}, 123, []int{1026}, []int{1027}},
		{"a range past what is held in its middle", []ports.Port{web, {Base: 4000, Count: 5}}, 123, []int{4125}, []int{4126}},
		{"a range that has grown takes its number", []ports.Port{{Base: 3000, Count: 5}}, 123, nil, []int{7777}},
		{"or the next", []ports.Port{{Base: 3000, Count: 5}}, 123, []int{7780}, []int{7781}},
		{"a second address takes its number", []ports.Port{web, {Base: 3000, HostIP: "127.0.0.1"}}, 123, nil, []int{7777}},
		{"never the low number of a main", []ports.Port{{Base: 9, HostIP: "127.0.0.1"}}, 123, nil, []int{1024}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ports.Allocate(ports.Request{Ports: c.ports, Offset: c.offset, Keep: kept, Taken: takenBy("x", c.held...)})
			assert.NilError(t, err)
			assert.Equal(t, got.Offset, c.offset)
			assert.DeepEqual(t, got.Leases[:2], kept)
			assert.DeepEqual(t, hosts(got.Leases[2:]), c.hosts)
		})
	}
}

func TestAllocateBesideOtherProjectsKeepsTheOffset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ports  []ports.Port
		offset int
		held   []int
		hosts  []int
	}{
		{"nothing held", []ports.Port{{Base: 80}, {Base: 3000}}, 7, nil, []int{8087, 3007}},
		{"one held", []ports.Port{{Base: 80}, {Base: 3000}}, 7, []int{3007}, []int{8087, 3008}},
		{"one that moves takes no other's number", []ports.Port{{Base: 3000}, {Base: 3001}}, 7, []int{3007}, []int{3009, 3008}},
		{"all held", []ports.Port{{Base: 3000}, {Base: 3001}}, 7, []int{3007, 3008}, []int{3009, 3010}},
		{"offset 0, which main has when it is pinned", []ports.Port{{Base: 3000}}, 0, []int{3000}, []int{3001}},
	} {
		got, err := ports.Allocate(ports.Request{Ports: c.ports, Offset: c.offset, Fixed: true, Taken: takenBy("x", c.held...)})
		assert.NilError(t, err, c.name)
		assert.Check(t, got.Offset == c.offset, "%s: %d", c.name, got.Offset)
		assert.Check(t, slices.Equal(hosts(got.Leases), c.hosts), "%s: %v", c.name, hosts(got.Leases))
	}
}

func TestLeasesBesideOtherProjectsHoldTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawPorts(t, "ports")
		held := drawHeld(t)
		offset := rapid.OneOf(rapid.IntRange(0, 2000), rapid.IntRange(60000, 70000)).Draw(t, "offset")
		// The other projects have the same bases, and most of what this one wants.
		bases := map[int]int{}
		for _, p := range all {
			bases[p.Base] = max(bases[p.Base], p.Count, 1)
		}
		from := ports.Lift(bases)
		for _, p := range all {
			if rapid.Bool().Draw(t, "of a sibling") {
				held.Add("sibling", ports.Lease{IP: p.HostIP, Protocol: p.Protocol, Count: 1, Host: ports.Shift(from[p.Base], offset)})
			}
		}
		got, err := ports.Allocate(ports.Request{Ports: all, Offset: offset, Fixed: true, Taken: held.Taken})
		assert.NilError(t, err)
		assert.Equal(t, got.Offset, offset)
		for i, l := range got.Leases {
			assert.Assert(t, l.Host >= ports.Min && l.Host+l.Count-1 <= ports.Max, "%v", l)
			_, taken := held.Taken(l)
			assert.Assert(t, !taken, "%v is held", l)
			for _, o := range got.Leases[:i] {
				inFiles, other := l, o
				inFiles.Host, other.Host = l.Base, o.Base
				assert.Assert(t, !l.Overlaps(o) || inFiles.Overlaps(other), "%v meets %v", l, o)
			}
		}
		// A base whose number is free has it. Wrapping and ranges may bring two of them together.
		for base, count := range bases {
			wanted := ports.Shift(from[base], offset)
			free := wanted+count-1 <= ports.Max
			for other, of := range bases {
				at := ports.Shift(from[other], offset)
				free = free && (other == base || at+of <= wanted || wanted+count <= at)
			}
			for _, l := range got.Leases {
				if l.Base == base {
					l.Host = wanted
					_, taken := held.Taken(l)
					free = free && !taken
				}
			}
			for _, l := range got.Leases {
				assert.Assert(t, !free || l.Base != base || l.Host == wanted, "%v could be on %d", l, wanted)
			}
		}
		for _, p := range all {
			_, ok := ports.Find(got.Leases, p)
			assert.Assert(t, ok, "%v has no lease", p)
		}

		// None of it moves when a port comes or goes.
		later, err := ports.Allocate(ports.Request{
			Ports: slices.Concat(all[len(all)/2:], drawPorts(t, "later")), Offset: got.Offset, Fixed: true, Keep: got.Leases,
		})
		assert.NilError(t, err)
		assert.Equal(t, later.Offset, got.Offset)
		assert.Assert(t, slices.Equal(later.Leases[:len(got.Leases)], got.Leases))
	})
}

func TestAllocatePlacesAloneWhatNoOffsetCan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		ports []ports.Port
		held  []int
		hosts []int
	}{
		{"a base with one number above it", []ports.Port{{Base: 3000}, {Base: 65534}}, []int{65535}, []int{3123, 1024}},
		{"a range at the end", []ports.Port{{Base: 3000}, {Base: 65530, Count: 6}}, []int{3123}, []int{3124, 1024}},
		{"a range too long for any offset", []ports.Port{{Base: 2000, Count: 63000}}, nil, []int{2123}},
		{"a range with one place", []ports.Port{{Base: 1024, Count: 64512}}, nil, []int{1024}},
		{"a range too long above its base", []ports.Port{{Base: 2400, Count: 63136}}, nil, []int{1024}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ports.Allocate(ports.Request{Ports: c.ports, Offset: 123, Taken: takenBy("x", c.held...)})
			assert.NilError(t, err)
			assert.Equal(t, got.Offset, 123)
			assert.DeepEqual(t, hosts(got.Leases), c.hosts)
		})
	}
}

func TestAllocateLiftsARangeClearOfTheOtherPorts(t *testing.T) {
	t.Parallel()
	got, err := ports.Allocate(ports.Request{Ports: []ports.Port{{Base: 80, Count: 11}, {Base: 8085}, {Base: 1020, Count: 9}}, Offset: 1})
	assert.NilError(t, err)
	assert.DeepEqual(t, hosts(got.Leases), []int{8087, 9021, 8086})
	// A short one still goes where a longer one had no room.
	got, err = ports.Allocate(ports.Request{Ports: []ports.Port{{Base: 80, Count: 5}, {Base: 83}, {Base: 8084}}, Offset: 1})
	assert.NilError(t, err)
	assert.DeepEqual(t, hosts(got.Leases), []int{8086, 8084, 8085})
}

func TestAllocateLetsPortsMeetThatMeetInTheFiles(t *testing.T) {
	t.Parallel()
	both := []ports.Port{{Service: "dev", Base: 8080}, {Service: "prod", Base: 8080, HostIP: "127.0.0.1"}, {Service: "range", Base: 8070, Count: 20}}
	got, err := ports.Allocate(ports.Request{Ports: both, Offset: 62000})
	assert.NilError(t, err)
	assert.Equal(t, got.Offset, 62000)
	got, err = ports.Allocate(ports.Request{Ports: both, Offset: 5, Pinned: true})
	assert.NilError(t, err)
	assert.DeepEqual(t, hosts(got.Leases), []int{8075, 8085, 8085})
}

func TestAllocatePinnedTriesNoOtherOffset(t *testing.T) {
	t.Parallel()
	web := ports.Port{Service: "web", Base: 80}
	got, err := ports.Allocate(ports.Request{Ports: []ports.Port{web}, Offset: 0, Pinned: true})
	assert.NilError(t, err)
	assert.DeepEqual(t, got, ports.Result{Offset: 0, Leases: []ports.Lease{{Protocol: "tcp", Base: 80, Count: 1, Host: 8080}}})

	_, err = ports.Allocate(ports.Request{Ports: []ports.Port{web}, Offset: 5, Pinned: true, Taken: takenBy("loom shop/5", 8085)})
	_, ok := errors.AsType[*ports.TakenError](err)
	assert.Assert(t, ok)
	assert.Error(t, err, "port 8085/tcp of service web is held by loom shop/5")

	kept := []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 8085}}
	_, err = ports.Allocate(ports.Request{Ports: []ports.Port{web}, Offset: 5, Pinned: true, Keep: kept})
	assert.Error(t, err, "port 8085/tcp of service web is held by this loom's own port for base 3000")

	two := []ports.Port{{Service: "a", Base: 65533}, {Service: "b", Base: 65534}}
	_, err = ports.Allocate(ports.Request{Ports: two, Offset: 2, Pinned: true})
	assert.Error(t, err, "port 65535/tcp of service b is held by this loom's own port for base 65533")

	long := []ports.Port{{Service: "a", Base: 65000, Count: 11}}
	_, err = ports.Allocate(ports.Request{Ports: long, Offset: 526, Pinned: true})
	assert.Error(t, err, "ports 65526-65536/tcp of service a end above 65535 with offset 526")
}

func TestAllocatePlainGivesTheBasePorts(t *testing.T) {
	t.Parallel()
	all := []ports.Port{{Service: "web", Base: 80}, {Service: "api", Base: 3000, HostIP: "127.0.0.1"}, {Service: "end", Base: 65535}}
	got, err := ports.Allocate(ports.Request{Ports: all, Offset: 42, Plain: true})
	assert.NilError(t, err)
	assert.Equal(t, got.Offset, 0)
	assert.DeepEqual(t, hosts(got.Leases), []int{80, 3000, 65535})

	_, err = ports.Allocate(ports.Request{Ports: all, Plain: true, Taken: func(l ports.Lease) (string, bool) { return "", l.Host == 3000 }})
	assert.Error(t, err, "port 127.0.0.1:3000/tcp of service api is held by another program")

	added := append(slices.Clone(all), ports.Port{Base: 81})
	again, err := ports.Allocate(ports.Request{Ports: added, Plain: true, Keep: got.Leases})
	assert.NilError(t, err)
	assert.DeepEqual(t, hosts(again.Leases), []int{80, 3000, 65535, 81})
}

func TestAllocateSaysThatNothingIsFree(t *testing.T) {
	t.Parallel()
	everything := func(ports.Lease) (string, bool) { return "loom shop/1", true }
	_, err := ports.Allocate(ports.Request{Ports: []ports.Port{{Service: "web", Base: 3000}}, Offset: 123, Taken: everything})
	taken, ok := errors.AsType[*ports.TakenError](err)
	assert.Assert(t, ok)
	assert.DeepEqual(t, *taken, ports.TakenError{Lease: ports.Lease{Protocol: "tcp", Base: 3000, Count: 1, Host: 3123}, Service: "web", Holder: "loom shop/1"})
	assert.Error(t, err, "no host port is free: port 3123/tcp of service web is held by loom shop/1")

	_, err = ports.Allocate(ports.Request{Ports: []ports.Port{{Service: "web", Base: 1, Count: 65000}}, Offset: 1})
	assert.Error(t, err, "65000 ports from 1 of service web do not fit within 1024-65535")
}

func TestAllocateRefusesWhatIsNoHostPort(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]ports.Port{
		"0/tcp": {}, "65536/tcp": {Base: 65536}, "-1/udp": {Base: -1, Protocol: "udp"}, "65530-65536/tcp": {Base: 65530, Count: 7},
		"80/tcp": {Base: 80, Count: -1}, fmt.Sprintf("2-%d/tcp", math.MaxInt): {Base: 2, Count: math.MaxInt - 1}, fmt.Sprintf("%d/tcp", math.MaxInt): {Base: math.MaxInt},
	} {
		for _, plain := range []bool{false, true} {
			p.Service = "web"
			_, err := ports.Allocate(ports.Request{Ports: []ports.Port{p}, Plain: plain})
			assert.Error(t, err, "port "+want+" of service web is not within 1-65535")
		}
	}
	_, err := ports.Allocate(ports.Request{Offset: -1})
	assert.Error(t, err, "offset -1 is below 0")
}

// A port whose only number is held refuses every offset. Asking for all the others each time would mean millions of questions, and to the
// host a question is a system call.
func TestAllocateAsksLittleWhereOnePortIsStuck(t *testing.T) {
	t.Parallel()
	all := []ports.Port{{Base: 65534}}
	for i := range 1000 {
		all = append(all, ports.Port{Base: 10000 + i})
	}
	asked := 0
	taken := func(l ports.Lease) (string, bool) { asked++; return "x", l.Host == 65535 }
	_, err := ports.Allocate(ports.Request{Ports: all, Offset: 1, Taken: taken})
	assert.NilError(t, err)
	assert.Assert(t, asked < 70_000, "%d questions", asked)
}

func drawPorts(t *rapid.T, label string) []ports.Port {
	base := rapid.OneOf(rapid.SampledFrom([]int{53, 80, 81, 443, 3000, 3001, 8080, 8081, 8443, 65533, 65534, 65535}),
		rapid.IntRange(1, 65535), rapid.IntRange(8000, 8100))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ports.Port {
		b := base.Draw(t, "base")
		return ports.Port{
			Service:  rapid.SampledFrom([]string{"a", "b"}).Draw(t, "service"),
			Protocol: rapid.SampledFrom([]string{"", "tcp", "udp"}).Draw(t, "protocol"),
			HostIP:   rapid.SampledFrom([]string{"", "", "0.0.0.0", "127.0.0.1", "::1"}).Draw(t, "ip"),
			Base:     b,
			Count:    min(rapid.SampledFrom([]int{0, 1, 1, 1, 2, 11, 300}).Draw(t, "count"), ports.Max-b+1),
		}
	}), 0, 12).Draw(t, label)
}

// drawHeld draws host ports that somebody else holds.
func drawHeld(t *rapid.T) *ports.Index {
	var held ports.Index
	for _, p := range drawPorts(t, "held") {
		held.Add("x", ports.Lease{IP: p.HostIP, Protocol: p.Protocol, Count: p.Count, Host: p.Base})
	}
	return &held
}

func TestAllocatedLeasesHoldTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawPorts(t, "ports")
		held := drawHeld(t)
		wanted := rapid.OneOf(rapid.IntRange(0, 2000), rapid.IntRange(60000, 70000)).Draw(t, "wanted")
		request := ports.Request{Ports: all, Offset: wanted, Taken: held.Taken}
		got, err := ports.Allocate(request)
		assert.NilError(t, err)
		request.Ports = rapid.Permutation(all).Draw(t, "permuted")
		again, err := ports.Allocate(request)
		assert.NilError(t, err)
		assert.DeepEqual(t, got, again)

		number := map[int]int{}
		for i, l := range got.Leases {
			assert.Assert(t, l.Host >= ports.Min && l.Host+l.Count-1 <= ports.Max, "%v", l)
			_, taken := held.Taken(l)
			assert.Assert(t, !taken, "%v is held", l)
			assert.Assert(t, number[l.Base] == 0 || number[l.Base] == l.Host, "%v: base elsewhere on %d", l, number[l.Base])
			number[l.Base] = l.Host
			for _, o := range got.Leases[:i] {
				inFiles := l
				inFiles.Host = l.Base
				other := o
				other.Host = o.Base
				assert.Assert(t, !l.Overlaps(o) || inFiles.Overlaps(other), "%v meets %v", l, o)
			}
		}
		for _, p := range all {
			_, ok := ports.Find(got.Leases, p)
			assert.Assert(t, ok, "%v has no lease", p)
		}

		// What is held then, a port that comes or goes, another wish: none of it moves a lease.
		later, err := ports.Allocate(ports.Request{Ports: slices.Concat(all[len(all)/2:], drawPorts(t, "later")), Offset: got.Offset, Keep: got.Leases})
		assert.NilError(t, err)
		if len(got.Leases) > 0 {
			assert.Equal(t, later.Offset, got.Offset)
			assert.DeepEqual(t, later.Leases[:len(got.Leases)], got.Leases)
		}
	})
}

func BenchmarkAllocate(b *testing.B) {
	var all []ports.Port
	for i := range 1000 {
		all = append(all, ports.Port{Service: "s" + strings.Repeat("x", i%7), Base: 3000 + 20*i})
	}
	var held ports.Index
	for loom := range 1000 {
		for i := range 20 {
			held.Add("loom shop/"+fmt.Sprint(loom), ports.Lease{Protocol: "tcp", Host: 3000 + 1000*i + loom})
		}
	}
	for b.Loop() {
		if _, err := ports.Allocate(ports.Request{Ports: all, Offset: 123, Taken: held.Taken}); err != nil {
			b.Fatal(err)
		}
	}
}
