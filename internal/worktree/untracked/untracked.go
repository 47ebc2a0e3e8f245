// Package untracked finds the files of the main work tree that git does not track and that a new work tree needs, and
// copies them.
package untracked

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// envFile is the name of a file with variables, as dotenv has them: .env, .env.local, .env.test, .env.test.local.
var envFile = regexp.MustCompile(`^\.env(\.[A-Za-z0-9_-]+)?(\.local)?$`)

// composeOverride are the names of the file that Compose reads beside the project's own.
var composeOverride = []string{
	"compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml",
}

// localSettings are iloom's settings of one work tree, which git does not track.
const localSettings = ".iloom/settings.local.json"

// localDevContainer is the user's own part of the devcontainer.json beside it.
const localDevContainer = "devcontainer.local.json"

// IncludeFile lists, in the syntax of gitignore, the ignored files that new work trees get. It is at the top of the
// work tree. Claude Code reads the same file.
const IncludeFile = ".worktreeinclude"

// Limits of what one line of git's answer to IncludeFile may bring: a file, or a folder with everything in it.
const (
	maxFiles = 20_000
	maxSize  = 2 << 30 // bytes
)

// Files are the files that a new work tree gets a copy of.
type Files struct {
	// Paths are below the work tree, sorted.
	Paths []string
	// LeftOut says what IncludeFile names and is not copied, with the reason.
	LeftOut []string
}

// Find lists the files that a new work tree gets a copy of: the untracked env files, Compose's override files and the
// devcontainer.local.json in dirs, iloom's local settings, the ignored files that match patterns, and those that match
// a line of IncludeFile. In a pattern only ** crosses folders, as in data/**/*.sqlite.
func Find(ctx context.Context, r *worktree.Repository, dirs, patterns []string) (*Files, error) {
	if r.WorkTree == "" {
		return &Files{}, nil
	}
	s := &search{Repository: r, found: &Files{}}
	if err := s.known(ctx, dirs); err != nil {
		return nil, err
	}
	if err := s.matching(ctx, patterns); err != nil {
		return nil, err
	}
	if err := s.included(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", IncludeFile, err)
	}
	slices.Sort(s.found.Paths)
	s.found.Paths = slices.Compact(s.found.Paths)
	return s.found, nil
}

// search collects the files of one work tree.
type search struct {
	*worktree.Repository
	found *Files
}

// known adds the untracked files that looms need by their names.
func (s *search) known(ctx context.Context, dirs []string) error {
	var paths []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(s.WorkTree, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			isNeeded := envFile.MatchString(e.Name()) || slices.Contains(composeOverride, e.Name())
			if isNeeded && (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0) {
				paths = append(paths, filepath.Join(s.WorkTree, dir, e.Name()))
			}
		}
	}
	paths = append(paths, s.personal(dirs)...)
	tracked, err := s.Tracked(ctx, paths...)
	if err != nil {
		return err
	}
	for _, path := range paths {
		rel, err := filepath.Rel(s.WorkTree, path)
		if err != nil {
			return err
		}
		if !tracked[path] {
			s.found.Paths = append(s.found.Paths, rel)
		}
	}
	return nil
}

// personal lists what belongs to the user alone: iloom's local settings, and the user's own parts of devcontainer.json.
func (s *search) personal(dirs []string) []string {
	paths := []string{filepath.Join(s.WorkTree, filepath.FromSlash(localSettings))}
	for _, dir := range append([]string{"."}, dirs...) {
		at := filepath.Join(s.WorkTree, dir)
		paths = append(paths, filepath.Join(at, ".devcontainer.local.json"))
		at = filepath.Join(at, ".devcontainer")
		paths = append(paths, filepath.Join(at, localDevContainer))
		entries, _ := os.ReadDir(at) // most folders have none
		for _, e := range entries {
			paths = append(paths, filepath.Join(at, e.Name(), localDevContainer))
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool { return !isThere(path) })
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// matching adds the ignored files that match the patterns of the settings.
func (s *search) matching(ctx context.Context, patterns []string) error {
	if len(patterns) == 0 {
		return nil
	}
	args := []string{"--glob-pathspecs", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--"}
	out, err := git.Run(ctx, s.WorkTree, append(args, patterns...)...)
	if err != nil {
		return fmt.Errorf("settings: copyGitIgnoredPatterns: %w", err)
	}
	for _, name := range names(out) {
		// git lists another repository, such as a work tree inside this one, as a folder.
		if !strings.HasSuffix(name, "/") {
			s.found.Paths = append(s.found.Paths, filepath.FromSlash(name))
		}
	}
	return nil
}

func names(out []byte) []string {
	return slices.DeleteFunc(strings.Split(string(out), "\x00"), func(name string) bool { return name == "" })
}

// included adds the files that IncludeFile names and git ignores. Both are git's own answers.
func (s *search) included(ctx context.Context) error {
	lines, err := gitfile.Content(filepath.Join(s.WorkTree, IncludeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// git gets a copy: it would wait for a named pipe that somebody put in the file's place.
	dir, err := os.MkdirTemp("", "docker-loom-include")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "include")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		return err
	}
	out, err := git.Run(ctx, s.WorkTree,
		"ls-files", "-z", "--others", "--ignored", "--directory", "--exclude-from="+file)
	if err != nil || len(out) == 0 {
		return err
	}
	check := git.Invocation{Dir: s.WorkTree, Stdin: out}
	out, err = check.Run(ctx, "check-ignore", "-z", "--stdin")
	if text, failed := git.Said(err); failed && text == "" {
		return nil // git ignores none of them
	}
	if err != nil {
		return err
	}
	within := "\x00" // the folder that was added last
	for _, name := range names(out) {
		if strings.HasPrefix(name, within) {
			continue
		}
		if strings.HasSuffix(name, "/") {
			within = name
		}
		s.include(strings.TrimSuffix(name, "/"))
	}
	return nil
}

// include adds a file, or all files of a folder. A folder that has too much in it is left out as a whole: a half-copied
// node_modules is worse than none.
func (s *search) include(name string) {
	var files []string
	var size int64
	root := filepath.Join(s.WorkTree, filepath.FromSlash(name))
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if isThere(filepath.Join(path, ".git")) {
				return errRepository
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return nil // a socket or a pipe belongs to a process
		}
		rel, err := filepath.Rel(s.WorkTree, path)
		files = append(files, rel)
		if size += info.Size(); len(files) > maxFiles || size > maxSize {
			return errTooMuch
		}
		return err
	})
	if err != nil {
		s.found.LeftOut = append(s.found.LeftOut, fmt.Sprintf("%s: %v", name, err))
		return
	}
	s.found.Paths = append(s.found.Paths, files...)
}

var (
	errRepository = errors.New("it has a git repository in it")
	errTooMuch    = fmt.Errorf("it has more than %d files or %s in it", maxFiles, units.BytesSize(maxSize))
)
