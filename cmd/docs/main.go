// Command docs writes the pages of docs/reference, one a command, from the commands' own help. With -check it writes
// nothing, and fails if a page is not what it would write.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	clidocstool "github.com/docker/cli-docs-tool"

	"github.com/docker-loom/docker-loom/plugin"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if a page is stale")
	flag.Parse()
	if err := run(filepath.Join("docs", "reference"), *check); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// run writes the pages into the folder, or compares them with those that are there.
func run(folder string, check bool) error {
	made, err := os.MkdirTemp("", "loom-docs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	if err := generate(made); err != nil {
		return err
	}
	want, err := pages(made)
	if err != nil {
		return err
	}
	have, err := pages(folder)
	if err != nil {
		return err
	}
	if check {
		return compare(have, want)
	}
	return replace(folder, have, want)
}

// generate makes all pages. What is not the tool's is put into the pages that it fills in: the examples.
func generate(folder string) error {
	// They would show up as defaults of flags.
	for _, name := range []string{"COMPOSE_ENV_FILES", "COMPOSE_PROGRESS"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	log.SetOutput(io.Discard)
	root := plugin.Command()
	for _, page := range plugin.Pages(root) {
		if err := os.WriteFile(filepath.Join(folder, page.File), []byte(page.Text), 0o644); err != nil {
			return err
		}
	}
	tool, err := clidocstool.New(clidocstool.Options{Root: root, SourceDir: folder, Plugin: true})
	if err != nil {
		return err
	}
	return tool.GenMarkdownTree(root)
}

// pages reads the commands' pages of a folder, by their names.
func pages(folder string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "loom*.md"))
	if err != nil {
		return nil, err
	}
	list := map[string][]byte{}
	for _, path := range paths {
		if list[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func compare(have, want map[string][]byte) error {
	var stale []string
	for name, text := range want {
		if !bytes.Equal(have[name], text) {
			stale = append(stale, name)
		}
	}
	for name := range have {
		if want[name] == nil {
			stale = append(stale, name)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	slices.Sort(stale)
	return errors.New("not as the commands' help is now (make docs): " + strings.Join(stale, ", "))
}

func replace(folder string, have, want map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name := range have {
		if want[name] == nil {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	for name, text := range want {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
