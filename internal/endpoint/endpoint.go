// Package endpoint makes the addresses and URLs by which published ports are reached. It is pure: it asks nobody.
package endpoint

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// Names are the host names by which the published ports of one loom are reached from here.
type Names struct {
	// Host is the engine's host: "localhost" for a local engine.
	Host string
	// Label is the loom's part of a localhost name, as in 123.localhost. It is "" for main and for a remote engine.
	Label string
}

// Browser returns the host name that a browser uses. Browsers keep cookies by host name, not by port: on plain
// localhost all looms would share them.
func (n Names) Browser() string {
	if n.Label == "" {
		return n.Host
	}
	return n.Label + ".localhost"
}

// URL returns where a browser finds a port that is published on ip; "" is all addresses.
func (n Names) URL(scheme, ip string, port int) string {
	host := ip
	if ip == "127.0.0.1" || everywhere(ip) {
		host = n.Browser()
	}
	u := url.URL{Scheme: scheme, Host: join(host, port)}
	return u.String()
}

// Dial returns the address to connect to for a port that is published on ip; "" is all addresses.
func (n Names) Dial(ip string, port int) string {
	if everywhere(ip) {
		ip = n.Host
	}
	return join(ip, port)
}

// Published returns the address as docker port prints it.
func Published(ip string, port int) string {
	if ip == "" {
		ip = "0.0.0.0"
	}
	return join(ip, port)
}

func everywhere(ip string) bool {
	if ip == "" {
		return true
	}
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Unmap().IsUnspecified()
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// Scheme guesses from a container port how a browser reaches it; "" if it does not.
func Scheme(target int, protocol string) string {
	switch {
	case protocol != "tcp" && protocol != "" || notWeb[target]:
		return ""
	case target == 443 || target == 8443:
		return "https"
	}
	return "http"
}

// notWeb are container ports of well-known protocols that no browser speaks.
var notWeb = map[int]bool{
	21: true, 22: true, 25: true, 53: true, 110: true, 143: true, 389: true, 465: true, 587: true, 636: true,
	993: true, 995: true, 1025: true, 1433: true, 1521: true, 1883: true, 2181: true, 3306: true, 4222: true, 5432: true,
	5672: true, 6379: true, 7687: true, 9042: true, 9092: true, 11211: true, 26257: true, 27017: true, 50051: true,
}
