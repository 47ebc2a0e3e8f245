// Package engine asks the Engine API what Compose does not tell: which
// containers, networks, volumes and host ports an engine has and which looms
// they belong to. It also asks the host which ports and address ranges are in
// use there. It works with API 1.41 (engine 20.10) and later, and never looks
// at the server's version, which need not be a semantic one.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"github.com/docker-loom/docker-loom/internal/host"
)

// defaultPatience is how long Check waits for an answer.
const defaultPatience = 2 * time.Second

// inspects bounds how many requests about single objects run at once.
const inspects = 16

// Engine is one Docker engine, reached through one Docker context. Its methods
// may be called at the same time.
type Engine struct {
	imageStore
	networkStore
	sessions
	api     client.APIClient
	context string
	host    string

	patience time.Duration
	silent   error

	mu           sync.Mutex
	capabilities *Capabilities // nil until asked for
}

// Option changes how New describes an engine.
type Option func(*Engine)

// Endpoint sets the address as the user configured it (DOCKER_HOST or the
// context's). Only an ssh engine needs it: the CLI's client for one has the
// placeholder http://docker.example.com as its daemon host.
func Endpoint(host string) Option {
	return func(e *Engine) {
		if host != "" {
			e.host = host
		}
	}
}

// Patience bounds how long Check waits, 2 s unless given: for a caller that has
// waited for the same engine before.
func Patience(d time.Duration) Option {
	return func(e *Engine) { e.patience = d }
}

// Silent makes Check fail at once with this cause: for a caller that has seen that
// nobody answers there.
func Silent(err error) Option {
	return func(e *Engine) { e.silent = err }
}

// New describes the engine behind api; context is the Docker context's name,
// for messages. It sends nothing.
func New(api client.APIClient, context string, opts ...Option) *Engine {
	e := &Engine{
		imageStore: imageStore{api}, networkStore: networkStore{api}, sessions: sessions{api},
		api: api, context: context, host: api.DaemonHost(), patience: defaultPatience,
	}
	for _, opt := range opts {
		opt(e)
	}
	return e
}

// Unreachable is the error of Check: nothing that speaks the Engine API
// answered at Host.
type Unreachable struct {
	Context string // the Docker context's name
	Host    string // as configured, such as unix:///var/run/docker.sock
	Err     error  // the cause, without the address
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("no Docker engine answers at %s (context %s): %v", u.Host, u.Context, u.Err)
}

// NextStep says what the user does next.
func (u *Unreachable) NextStep() string {
	return fmt.Sprintf("is Docker running, and is %s its address? docker context ls shows the others", u.Host)
}

func (u *Unreachable) Unwrap() error { return u.Err }

// Check asks the engine for a sign of life and waits 2 s at most, also for a
// host that swallows packets. The error is an *Unreachable, or ctx's own when
// ctx ended first.
func (e *Engine) Check(ctx context.Context) error {
	if e.silent != nil {
		return &Unreachable{Context: e.context, Host: e.host, Err: e.silent}
	}
	limited, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	_, err := e.api.Ping(limited)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if client.IsErrConnectionFailed(err) {
		// The client replaces the cause by a sentence that repeats the address.
		if cause := dial(limited, e.host); cause != nil {
			err = cause
		}
	}
	if limited.Err() != nil {
		err = fmt.Errorf("no answer within %s", defaultPatience)
	}
	return &Unreachable{Context: e.context, Host: e.host, Err: err}
}

func dial(ctx context.Context, host string) error {
	u, err := client.ParseHostURL(host)
	if err != nil || u.Scheme != "unix" && u.Scheme != "tcp" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, u.Scheme, u.Host)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return op.Err
		}
		return err
	}
	conn.Close()
	return nil
}

// Local reports whether the engine publishes its ports on this host: it is
// reached through a socket, a pipe, or TCP to a loopback address. A forwarded
// TCP port looks local too.
func (e *Engine) Local() bool {
	u, err := url.Parse(e.host)
	if err != nil {
		// Windows paths are not always URLs; only pipes have them.
		return strings.HasPrefix(e.host, "npipe://")
	}
	switch u.Scheme {
	case "unix", "npipe", "fd", "":
		return true
	case "tcp", "http", "https":
		name := u.Hostname()
		if name == "" || strings.EqualFold(name, "localhost") {
			return true
		}
		ip, err := netip.ParseAddr(name)
		return err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
	}
	return false
}

// Machine is this host if the engine is local, nil if it is remote: then nothing is known of the ports, routes and
// addresses beside its containers'.
func (e *Engine) Machine() *host.Host {
	if !e.Local() {
		return nil
	}
	return host.This()
}

// Space names the space in which host ports are unique: "local" for every
// local engine, since those share this host's ports, otherwise the remote
// engine's own ID.
func (e *Engine) Space(ctx context.Context) (string, error) {
	if e.Local() {
		return "local", nil
	}
	info, err := e.api.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("engine at %s: %w", e.host, err)
	}
	if info.ID == "" {
		return "", fmt.Errorf("engine at %s: it has no ID", e.host)
	}
	return info.ID, nil
}

// HostName is the name or address under which published ports are reached:
// "localhost" for a local engine, otherwise the host part of its address. For ssh
// that may be an alias which only ssh knows.
func (e *Engine) HostName() string {
	if e.Local() {
		return "localhost"
	}
	u, err := url.Parse(e.host)
	if err != nil || u.Hostname() == "" {
		return "localhost"
	}
	return u.Hostname()
}

// Context is the name of the Docker context.
func (e *Engine) Context() string { return e.context }

// Host is the engine's address, as in unix:///var/run/docker.sock.
func (e *Engine) Host() string { return e.host }

// SocketPath is the path of a local engine's socket on this host, "" if it is reached in another way.
func (e *Engine) SocketPath() string {
	path, ok := strings.CutPrefix(e.host, "unix://")
	if !ok {
		return ""
	}
	return path
}
