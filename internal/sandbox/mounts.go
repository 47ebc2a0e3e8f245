package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// Host is what [CheckMounts] must know of the user's machine.
type Host struct {
	// Home is the user's home folder.
	Home string
	// WorkTree is the agent's.
	WorkTree string
	// Closed are folders and files that no mount may contain: Docker's configuration with the state of looms, the engine's
	// socket, docker loom's settings.
	Closed []string
}

// keyFolders are the folders of a home folder that hold keys. Single files in them may be mounted, folders may not.
var keyFolders = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".password-store",
}

// systemFolders are the paths inside that are the sandbox's own or the kernel's.
var systemFolders = []string{
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root",
	"/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
}

// coversSystem reports whether a mount at p would cover a folder of the system, the agent's home folder or a folder
// above it.
func coversSystem(p string) bool {
	p = path.Clean(filepath.ToSlash(p))
	return paths.Contains(p, Home) || slices.Contains(systemFolders, p) ||
		slices.Contains([]string{"/opt", "/srv", "/mnt", "/media"}, p)
}

// CheckMounts checks the mounts that settings ask for, and returns them with their real sources. A source is absolute
// or in ~, and has no "..". It is not the home folder, a folder of keys or a part of Host.Closed. A missing source is
// left out with a warning. A target is absolute and covers nothing of the sandbox's own.
func CheckMounts(mounts []Mount, h Host) ([]Mount, []finding.Finding, error) {
	var all []Mount
	var found []finding.Finding
	for _, m := range mounts {
		source, err := checkSource(m, h)
		if errors.Is(err, fs.ErrNotExist) {
			found = append(found, finding.Finding{
				Level: finding.Warning, Subject: "mount " + m.Source,
				Message: "no such file or folder, so the agent does not get it", Remedy: "container.agent.mounts",
			})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("mount %s: %w", m.Source, err)
		}
		if err := checkTarget(m.Target, h); err != nil {
			return nil, nil, fmt.Errorf("mount %s: target %q: %w", m.Source, m.Target, err)
		}
		m.Source, m.Target = source, path.Clean(m.Target)
		all = append(all, m)
	}
	return all, found, nil
}

func hasDotDot(p string) bool {
	return slices.Contains(strings.Split(filepath.ToSlash(p), "/"), "..")
}

// checkSource returns the real path of a mount's source.
func checkSource(m Mount, h Host) (string, error) {
	source, err := absoluteSource(m.Source, h.Home)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return "", err
	}
	work := resolved(h.WorkTree)
	fromTree := work != "" && (paths.Contains(work, source) || paths.Contains(filepath.Clean(h.WorkTree), source))
	if fromTree && !paths.Contains(work, real) {
		return "", fmt.Errorf("a link in the work tree leads to %s, and the agent can make links there", real)
	}
	if err := checkRealSource(real, h); err != nil {
		return "", err
	}
	if work != "" && !m.ReadOnly && overlap(work, real) {
		return "", fmt.Errorf("%s is part of the work tree, where some files must stay read-only", real)
	}
	return real, nil
}

// checkRealSource checks what a mount would show the agent.
func checkRealSource(real string, h Host) error {
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s must be a file or a folder", real)
	}
	home := resolved(h.Home)
	if home != "" && paths.Contains(real, home) {
		return fmt.Errorf("%s has your whole home folder in it", real)
	}
	if slices.Contains(systemFolders, real) || real == "/" || real == "/home" {
		return fmt.Errorf("%s is a folder of the system", real)
	}
	for _, c := range h.Closed {
		if c = resolved(c); c != "" && overlap(c, real) {
			return fmt.Errorf("%s would show the agent %s", real, c)
		}
	}
	if home != "" && info.IsDir() {
		return checkKeyFolders(real, home)
	}
	return nil
}

func absoluteSource(source, home string) (string, error) {
	if hasDotDot(source) {
		return "", errors.New(`the source has ".." in it`)
	}
	if rest, ok := strings.CutPrefix(source, "~"); ok && (rest == "" || rest[0] == '/') {
		if home == "" {
			return "", errors.New("the home folder is not known")
		}
		source = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(source) {
		return "", errors.New("the source must be absolute or in ~")
	}
	return source, nil
}

// checkKeyFolders refuses a folder that has keys of the user in it.
func checkKeyFolders(real, home string) error {
	for _, dir := range keyFolders {
		if c := resolved(filepath.Join(home, dir)); overlap(c, real) {
			return fmt.Errorf("%s would show the agent all keys in %s; name the one file that it needs", real, c)
		}
	}
	return nil
}

// overlap reports whether one of two paths is inside the other.
func overlap(a, b string) bool { return paths.Contains(a, b) || paths.Contains(b, a) }

// resolved returns p without symbolic links. A path that does not exist is only cleaned.
func resolved(p string) string {
	if p == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return filepath.Clean(p)
}

// errSandboxPath is returned for a target that the sandbox needs itself.
var errSandboxPath = errors.New("the sandbox's own files are there")

func checkTarget(target string, h Host) error {
	switch {
	case !path.IsAbs(target):
		return errors.New("it is not absolute")
	case hasDotDot(target):
		return errors.New(`it has ".." in it`)
	}
	t := path.Clean(target)
	if coversSystem(t) {
		return errSandboxPath
	}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/etc", "/var/run"} {
		if paths.Contains(dir, t) {
			return errSandboxPath
		}
	}
	if h.WorkTree != "" {
		if paths.Contains(t, h.WorkTree) {
			return errors.New("it covers the work tree")
		}
		for _, name := range []string{".git", ".iloom"} {
			if paths.Contains(filepath.Join(h.WorkTree, name), t) {
				return fmt.Errorf("it covers %s of the work tree", name)
			}
		}
	}
	return nil
}
