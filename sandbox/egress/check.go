package egress

// Check says what is tried from inside a sandbox's network namespace. Everything in it but Proxy must be closed.
type Check struct {
	Mode Mode `json:"mode"`
	// Proxy is the sidecar's proxy as the sandbox knows it, name:port. It must answer.
	Proxy string `json:"proxy"`
	// Unlisted is a host that the policy does not list: the proxy must refuse it, but for mode open.
	Unlisted string `json:"unlisted,omitempty"`
	// Hosts are addresses of the machine: gateways of the sandbox's networks and of Docker's others, the machine's own.
	Hosts []string `json:"hosts,omitempty"`
	// Ports are tried on each of Hosts: published ports of other looms, and what often listens (22, 2375 …).
	Ports []int `json:"ports,omitempty"`
	// Closed are further address:port pairs that must not accept a TCP connection.
	Closed []string `json:"closed,omitempty"`
	// Public are addresses of the internet, of which ports 53, 80 and 443 are tried, and DNS over UDP. Empty is a set of well-known ones.
	Public []string `json:"public,omitempty"`
	// Names must not resolve. Empty is a set of well-known ones.
	Names []string `json:"names,omitempty"`
	// Peers are addresses of containers on the sandbox's networks. They may be reached, and are not tried.
	Peers []string `json:"peers,omitempty"`
}

// Report is what `egress check` writes as JSON. It is good only with OK: a check that could not run has none.
type Report struct {
	OK        bool       `json:"ok"`
	Probes    int        `json:"probes"`
	Surprises []Surprise `json:"surprises"`
}

// Surprise is something that is reachable and must not be, or a proxy that does not do what it must.
type Surprise struct {
	What   string `json:"what"`   // gateway, public address, DNS, UDP, IPv6, metadata, proxy …
	Target string `json:"target"` // address:port or name
	Detail string `json:"detail"` // what was seen
}

// String gives the surprise in one line.
func (s Surprise) String() string { return s.What + " " + s.Target + ": " + s.Detail }
