package host

// Host is this machine, as an engine that runs here sees it: who listens, what is routed, which sockets are open. A
// remote engine's machine is not a Host.
type Host struct{}

// This returns the machine that this process runs on.
func This() *Host { return &Host{} }
