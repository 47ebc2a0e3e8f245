package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pkg/browser"

	"github.com/docker-loom/docker-loom/internal/loom"
)

// BrowserError says that a URL could not be opened.
type BrowserError struct{ Err error }

func (e BrowserError) Error() string { return "opening the browser: " + e.Err.Error() }

func (e BrowserError) Unwrap() error { return e.Err }

// NextStep says how a browser is chosen.
func (e BrowserError) NextStep() string {
	return "set BROWSER to a command that opens a URL; with --print it is only printed"
}

// Browse opens the URL in $BROWSER, a list of commands of which the first that is there is meant, or as the desktop
// does.
func Browse(ctx context.Context, env *Environment, url string) error {
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
			return BrowserError{fmt.Errorf("%s: %w", words[0], err)}
		}
		return nil
	}
	if len(list) > 0 {
		return BrowserError{fmt.Errorf("BROWSER=%s: %w", os.Getenv("BROWSER"), exec.ErrNotFound)}
	}
	browser.Stdout, browser.Stderr = env.Docker.Err(), env.Docker.Err()
	if err := browser.OpenURL(url); err != nil {
		return BrowserError{err}
	}
	return nil
}

// OpenPorts opens a browser on the ports that the devcontainer.json wants opened. A missing browser is not a
// failure.
func OpenPorts(ctx context.Context, env *Environment, ports []loom.Port) {
	for _, p := range ports {
		if !p.Opens || p.URL == "" {
			continue
		}
		if err := Browse(ctx, env, p.URL); err != nil {
			fmt.Fprintf(env.Docker.Err(), "%s cannot be opened: %v\n", p.URL, err)
		}
	}
}
