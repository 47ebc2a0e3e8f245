package egress

import (
	"net/netip"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestRulesListWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		rule, host string
		port       int
		want       bool
	}{
		{"example.com", "example.com", 443, true},
		{"example.com", "example.com", 80, true},
		{"example.com", "example.com", 8443, false},
		{"example.com", "EXAMPLE.com.", 443, true},
		{"Example.COM.", "example.com", 443, true},
		{"example.com", "www.example.com", 443, false},
		{"example.com", "notexample.com", 443, false},
		{"example.com", "example.com.evil.test", 443, false},
		{"*.example.com", "www.example.com", 443, true},
		{"*.example.com", "a.b.example.com", 80, true},
		{"*.example.com", "example.com", 443, false},
		{"*.example.com", "notexample.com", 443, false},
		{"*.example.com", ".example.com", 443, false},
		{"*.example.com:8443", "www.example.com", 8443, true},
		{"*.example.com:8443", "www.example.com", 443, false},
		{"example.com:22", "example.com", 22, true},
		{"example.com:22", "example.com", 443, false},
		{"münchen.example", "xn--mnchen-3ya.example", 443, true},
		{"xn--mnchen-3ya.example", "MÜNCHEN.example", 443, true},
		{"192.0.2.7", "192.0.2.7", 443, true},
		{"192.0.2.7", "::ffff:192.0.2.7", 443, true},
		{"192.0.2.7:8080", "192.0.2.7", 8080, true},
		{"192.0.2.7", "192.0.2.8", 443, false},
		{"2001:db8::1", "2001:DB8:0::1", 443, true},
		{"[2001:db8::1]:8080", "2001:db8::1", 8080, true},
		{"[2001:db8::1]", "2001:db8::1", 80, true},
		{"*.2.7", "192.0.2.7", 443, false},
	} {
		t.Run(c.rule+" "+c.host, func(t *testing.T) {
			r, err := ParseRule(c.rule)
			if err != nil {
				assert.Assert(t, !c.want, err)
				return
			}
			h, err := ParseHost(c.host)
			assert.Equal(t, err == nil && r.Matches(h, c.port), c.want)
			again, err := ParseRule(r.String())
			assert.NilError(t, err)
			assert.Equal(t, again, r)
		})
	}
}

func TestWrongRulesSayWhy(t *testing.T) {
	for rule, want := range map[string]string{
		"":                              "empty",
		"*":                             "mode to open",
		"https://example.com":           "no scheme",
		"example.com/path":              "no path",
		"example.com:":                  "not a port",
		"example.com:0":                 "not a port",
		"example.com:65536":             "not a port",
		"example.com:0443":              "not a port",
		"example.com:https":             "not a port",
		"user@example.com":              "not a host name",
		"exa mple.com":                  "not a host name",
		"a..b":                          "not a host name",
		"-a.test":                       "not a host name",
		"*.*.test":                      "not a host name",
		"www.*.test":                    "not a host name",
		"[example.com]":                 "brackets",
		"[192.0.2.1]":                   "brackets",
		"*.192.0.2.1":                   "no names below",
		"0.0.0.0":                       "no host has",
		"224.0.0.1":                     "no host has",
		"0x7f.1":                        "unusual form",
		"2130706433":                    "unusual form",
		"0177.0.0.1":                    "unusual form",
		"127.1":                         "unusual form",
		"0x7f000001":                    "unusual form",
		"fe80::1%eth0":                  "zone",
		"xn--a.test":                    "not a host name",
		strings.Repeat("a", 64):         "not a host name",
		"a" + strings.Repeat(".a", 130): "longer",
	} {
		t.Run(rule, func(t *testing.T) {
			_, err := ParseRule(rule)
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestDefaultsAreRules(t *testing.T) {
	seen := map[Rule]bool{}
	for _, s := range Defaults() {
		r, err := ParseRule(s)
		assert.NilError(t, err)
		assert.Equal(t, r.String(), s)
		assert.Assert(t, !seen[r], "%s is there twice", s)
		seen[r] = true
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"example.com", "*.a.b:80", "[::1]:443", "192.0.2.1", "MÜNCHEN.example.", "xn--mnchen-3ya.de", "0x7f.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		assert.NilError(t, err, "%q became %q", s, r)
		assert.Equal(t, again, r)
		if !r.Address.IsValid() {
			assert.Assert(t, hasHostCharacters(r.Host) && strings.ToLower(r.Host) == r.Host, "%q", r.Host)
			_, err := netip.ParseAddr(r.Host)
			assert.Assert(t, err != nil, "%q", r.Host)
		}
	})
}

func TestAddressesThatAreNotThePublicInternet(t *testing.T) {
	for address, want := range map[string]class{
		"1.1.1.1": classPublic, "8.8.8.8": classPublic, "172.15.255.255": classPublic, "172.32.0.0": classPublic, "100.63.255.255": classPublic, "100.128.0.0": classPublic,
		"10.0.0.1": classPrivate, "172.16.0.1": classPrivate, "172.31.255.255": classPrivate, "192.168.1.1": classPrivate, "100.64.0.1": classPrivate, "100.127.255.255": classPrivate,
		"0.0.0.0": classClosed, "0.1.2.3": classClosed, "127.0.0.1": classClosed, "127.255.255.255": classClosed, "169.254.1.1": classClosed, "169.254.169.254": classClosed,
		"168.63.129.16": classClosed, "100.100.100.200": classClosed, "192.0.0.192": classClosed, "192.0.0.1": classClosed, "192.0.2.1": classClosed, "198.18.0.1": classClosed,
		"198.51.100.1": classClosed, "203.0.113.1": classClosed, "224.0.0.1": classClosed, "239.255.255.255": classClosed, "240.0.0.1": classClosed, "255.255.255.255": classClosed,
		"192.88.99.1": classClosed,

		"2606:4700:4700::1111": classPublic, "2a00:1450:4001::1": classPublic,
		"::": classClosed, "::1": classClosed, "fe80::1": classClosed, "fe80::1%eth0": classClosed, "fec0::1": classClosed, "ff02::1": classClosed,
		"fc00::1": classPrivate, "fd12:3456::1": classPrivate, "fd00:ec2::254": classClosed, "fd20:ce::254": classClosed, "fd00:42::42": classClosed,
		"2001:db8::1": classClosed, "3fff::1": classClosed, "100::1": classClosed, "5f00::1": classClosed, "4000::1": classClosed,
		// IPv4 in IPv6.
		"::ffff:1.1.1.1": classPublic, "::ffff:10.0.0.1": classPrivate, "::ffff:127.0.0.1": classClosed, "::ffff:169.254.169.254": classClosed,
		"::10.0.0.1": classClosed, "::1.1.1.1": classClosed, "::ffff:0:10.0.0.1": classClosed,
		"64:ff9b::1.1.1.1": classPublic, "64:ff9b::10.0.0.1": classClosed, "64:ff9b::127.0.0.1": classClosed, "64:ff9b::169.254.169.254": classClosed, "64:ff9b:1::1.1.1.1": classClosed,
		"2002:101:101::1": classPublic, "2002:a00:1::1": classClosed, "2002:7f00:1::1": classClosed, "2002:a9fe:a9fe::1": classClosed,
		"2001::1": classClosed, "2001:0:4136:e378:8000:63bf:f5ff:fffe": classClosed, "2001:20::1": classClosed,
	} {
		t.Run(address, func(t *testing.T) {
			got, why := classify(netip.MustParseAddr(address))
			assert.Equal(t, got, want)
			assert.Equal(t, why != "", want != classPublic)
		})
	}
	got, _ := classify(netip.Addr{})
	assert.Equal(t, got, classClosed)
}
