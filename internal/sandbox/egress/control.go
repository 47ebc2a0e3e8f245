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

// order is what the control channel takes: hosts to allow, or nothing, which asks for the policy.
type order struct {
	Allow []string `json:"allow,omitempty"`
}

// state is its answer: the policy that is in force now.
type state struct {
	Policy Config `json:"policy"`
	Error  string `json:"error,omitempty"`
}

// control answers orders on l until it is closed. Who can connect may change the policy: the socket is a file that only
// the sidecar has.
func control(l net.Listener, p *policy) error {
	return accept(l, func(conn net.Conn) {
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(headTime))
			var o order
			var answer state
			err := json.NewDecoder(io.LimitReader(conn, 1<<20)).Decode(&o)
			if err == nil {
				err = p.add(o.Allow, nil)
			}
			if err != nil {
				answer.Error = err.Error()
			}
			answer.Policy = p.inForce()
			_ = json.NewEncoder(conn).Encode(answer)
		}()
	})
}

// ask gives an order to the sidecar that this process was started in.
func ask(ctx context.Context, socket string, o order) (Config, error) {
	conn, err := (&net.Dialer{Timeout: headTime}).DialContext(ctx, "unix", socket)
	if err != nil {
		return Config{}, fmt.Errorf("the proxy is not running here: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(headTime))
	var answer state
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

// listenControl makes the socket, in place of one that a killed process left.
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
