package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/docker/cli/cli"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/engine"
)

// StreamOptions say how a command is joined to the process's own streams.
type StreamOptions struct {
	NoTTY, Interactive bool
	DetachKeys         string
}

// Flags adds the flags that say it, as docker exec has them.
func (o *StreamOptions) Flags(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.NoTTY, "no-tty", "T", false,
		"Do not allocate a pseudo-TTY (default: as standard input and output are)")
	flags.BoolP("tty", "t", false, "Allocate a pseudo-TTY (default: as standard input and output are)")
	flags.BoolVarP(&o.Interactive, "interactive", "i", false, "Pass standard input on to the command")
	flags.StringVar(&o.DetachKeys, "detach-keys", "", "Override the key sequence for detaching from the command")
}

// Join joins the command to the process's own streams.
func (o StreamOptions) Join(env *Environment, p *engine.Process) {
	in, out := env.Docker.In(), env.Docker.Out()
	if !o.NoTTY && in.IsTerminal() && out.IsTerminal() {
		keys := o.DetachKeys
		if keys == "" {
			keys = env.Docker.ConfigFile().DetachKeys
		}
		p.Terminal = &engine.Terminal{In: in, Out: out, DetachKeys: keys}
		return
	}
	p.Stdout, p.Stderr = out, env.Docker.Err()
	if o.Interactive {
		p.Stdin = in
	}
}

// PassSignals gives the process's signals to the command. When the docker command goes away without one, the command is
// interrupted as by Ctrl-C, and the new context ends where it goes on all the same.
func PassSignals(ctx context.Context) (context.Context, <-chan os.Signal, func()) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	got, passed := make(chan os.Signal, 8), make(chan os.Signal, 8)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	// It would end us, and not the command.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		ended := ctx.Done()
		var late, patience <-chan time.Time
		for {
			select {
			case s := <-got:
				late, patience = nil, nil
				passed <- s
			case <-ended:
				// The signal that ended it, if it was one, comes on its own, on a busy machine a good deal later.
				ended, late = nil, time.After(200*time.Millisecond)
			case <-late:
				passed <- os.Interrupt
				patience = time.After(10 * time.Second)
			case <-patience:
				cancel()
			case <-lasting.Done():
				return
			}
		}
	}()
	return lasting, passed, func() {
		signal.Stop(got)
		signal.Reset(syscall.SIGPIPE)
		cancel()
	}
}

// Ended returns how a docker loom command ends whose work was a command in a container.
func (env *Environment) Ended(code int, err error) error {
	var lost *engine.OutputError
	switch {
	case errors.As(err, &lost) && errors.Is(lost.Err, syscall.EPIPE):
		// As in command | head: nothing to tell, and the exit code of a program that SIGPIPE ended.
		return cli.StatusError{StatusCode: 128 + int(syscall.SIGPIPE)}
	case errors.Is(err, engine.ErrDetached):
		fmt.Fprintln(env.Docker.Err(), err)
		return nil
	case err != nil:
		return err
	case code != 0:
		return cli.StatusError{StatusCode: code}
	}
	return nil
}
