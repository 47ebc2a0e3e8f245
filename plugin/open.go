package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pkg/browser"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
)

type openOptions struct {
	print   bool
	timeout time.Duration
}

func newOpenCommand(env *environment) *cobra.Command {
	var o openOptions
	cmd := &cobra.Command{
		Use:   "open [OPTIONS] [ID] [SERVICE|PORT]",
		Short: "Open a loom's web port in the browser",
		Long: `Open a loom's web port in the browser, once somebody answers there, and print its URL. PORT is the container's port or the
host's. Without SERVICE or PORT it is the project's one web port: the only one that speaks HTTP, else the one with the base
capabilities.web.basePort of the settings, else that of a service called web.

A first argument that is no loom's id is a service or port of this folder's loom. The browser is $BROWSER where that is
set, else the desktop's own.`,
		Example: "  docker loom open 123\n  docker loom open 123 mail\n  docker loom open --print",
		Args:    maxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return usageError{cmd, fmt.Errorf("--timeout %s: it must be more than nothing", o.timeout)}
			}
			return runOpen(cmd.Context(), env, o, args)
		},
	}
	cmd.Flags().BoolVar(&o.print, "print", false, "Print the URL at once and open nothing")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "How long to wait until somebody answers")
	return cmd
}

func runOpen(ctx context.Context, env *environment, o openOptions, args []string) error {
	l, where, err := env.begin(args)
	if err != nil {
		return err
	}
	t, err := l.Resolve(ctx, where, loom.Reading)
	asked := strings.Join(args[min(1, len(args)):], "")
	if unknown := (*loom.UnknownError)(nil); errors.As(err, &unknown) && len(args) == 1 {
		// No loom of that name: then it is a service or a port of this folder's.
		where.ID = ""
		here, hereErr := l.Resolve(ctx, where, loom.Reading)
		if !errors.As(hereErr, &unknown) {
			t, err, asked = here, hereErr, args[0]
		}
	}
	if err != nil {
		return err
	}
	port, err := l.Web(ctx, t, asked)
	if err != nil {
		return err
	}
	if o.print {
		_, err := fmt.Fprintln(env.docker.Out(), port.URL)
		return err
	}
	err = l.Await(ctx, t, port, o.timeout, func() { fmt.Fprintln(env.docker.Err(), "waiting for "+port.URL) })
	if err != nil {
		return err
	}
	fmt.Fprintln(env.docker.Out(), port.URL)
	return browse(ctx, env, port.URL)
}

// browserError says that a URL could not be opened.
type browserError struct{ err error }

func (e browserError) Error() string { return "opening the browser: " + e.err.Error() }
func (e browserError) Unwrap() error { return e.err }

// browse opens the URL in $BROWSER, a list of commands of which the first that is there is meant, or as the desktop does.
func browse(ctx context.Context, env *environment, url string) error {
	list := filepath.SplitList(os.Getenv("BROWSER"))
	for _, command := range list {
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		if _, err := exec.LookPath(words[0]); err != nil {
			continue
		}
		given := false
		for i, word := range words {
			if strings.Contains(word, "%s") {
				words[i], given = strings.ReplaceAll(word, "%s", url), true
			}
		}
		if !given {
			words = append(words, url)
		}
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return browserError{fmt.Errorf("%s: %w", words[0], err)}
		}
		return nil
	}
	if len(list) > 0 {
		return browserError{fmt.Errorf("BROWSER=%s: %w", os.Getenv("BROWSER"), exec.ErrNotFound)}
	}
	browser.Stdout, browser.Stderr = env.docker.Err(), env.docker.Err()
	if err := browser.OpenURL(url); err != nil {
		return browserError{err}
	}
	return nil
}

// openPorts opens a browser on the ports that the devcontainer.json wants opened. That there is no browser is no failure.
func openPorts(ctx context.Context, env *environment, ports []loom.Port) {
	for _, p := range ports {
		if !p.Opens || p.URL == "" {
			continue
		}
		if err := browse(ctx, env, p.URL); err != nil {
			fmt.Fprintf(env.docker.Err(), "%s cannot be opened: %v\n", p.URL, err)
		}
	}
}
