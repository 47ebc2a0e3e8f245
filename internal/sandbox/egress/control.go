package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// controlRequest is a message on the control channel: hosts to allow, and services that there are too. One with neither
// asks for the policy.
type controlRequest struct {
	Allow    []string `json:"allow,omitempty"`
	Services []string `json:"services,omitempty"`
}

// controlAnswer is the answer: the current policy.
type controlAnswer struct {
	Policy Config `json:"policy"`
	Error  string `json:"error,omitempty"`
}

// serveControl answers requests on l until it is closed. Whoever can connect may change the policy: the socket is a
// file that only the sidecar has.
func serveControl(l net.Listener, p *policy) error {
	return accept(l, func(conn net.Conn) {
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(headTime))
			var o controlRequest
			var answer controlAnswer
			err := json.NewDecoder(io.LimitReader(conn, 1<<20)).Decode(&o)
			if err == nil {
				err = p.add(o.Allow, nil)
			}
			if err == nil {
				p.addServices(o.Services)
			}
			if err != nil {
				answer.Error = err.Error()
			}
			answer.Policy = p.current()
			_ = json.NewEncoder(conn).Encode(answer)
		}()
	})
}

// sendControl sends a request to the proxy in the sidecar of this process.
func sendControl(ctx context.Context, socket string, o controlRequest) (Config, error) {
	conn, err := (&net.Dialer{Timeout: headTime}).DialContext(ctx, "unix", socket)
	if err != nil {
		return Config{}, fmt.Errorf("the proxy is not running here: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(headTime))
	var answer controlAnswer
	if err := json.NewEncoder(conn).Encode(o); err != nil {
		return Config{}, err
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return Config{}, err
	}
	if answer.Error != "" {
		return Config{}, errors.New(answer.Error)
	}
	return answer.Policy, nil
}

// listenControl makes the socket. It replaces one that a killed process left.
func listenControl(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
