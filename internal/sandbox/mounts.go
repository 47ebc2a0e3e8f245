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
)

// Host is what of the user's machine no mount may show the agent.
type Host struct {
	// Home is the user's home folder.
	Home string
	// WorkTree is the agent's.
	WorkTree string
	// Closed are folders and files that are neither mounted nor in what is mounted: Docker's configuration, with looms'
	// state in it, the engine's socket, docker loom's settings.
	Closed []string
}

// secret are the folders of a home folder that hold keys; nothing in them is mounted as a folder. Single files are.
var secret = []string{".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".password-store"}

// system are the paths inside that are the sandbox's own or the kernel's.
var system = []string{
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
}

// covers reports whether a mount at p would cover a folder of the system, the agent's home folder or a folder above it.
func covers(p string) bool {
	p = path.Clean(filepath.ToSlash(p))
	return p == Home || inside(p, Home) || slices.Contains(system, p) || p == "/opt" || p == "/srv" || p == "/mnt" || p == "/media"
}

// CheckMounts checks the mounts that settings ask for, and returns them with their real sources. A source is absolute or in
// ~, has no ".." and is neither a home folder as a whole nor a folder of keys nor anything of Host.Closed; what is missing
// is left out with a warning. A target is absolute and covers nothing of the sandbox's own.
func CheckMounts(mounts []Mount, h Host) ([]Mount, []finding.Finding, error) {
	var all []Mount
	var found []finding.Finding
	for _, m := range mounts {
		source, err := checkSource(m, h)
		if errors.Is(err, fs.ErrNotExist) {
			found = append(found, finding.Finding{
				Level: finding.Warning, Subject: "mount " + m.Source, Message: "it is not there, so the agent goes without it", Remedy: "container.agent.mounts",
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

func dotdot(p string) bool {
	return slices.Contains(strings.Split(filepath.ToSlash(p), "/"), "..")
}

func checkSource(m Mount, h Host) (string, error) {
	source := m.Source
	if rest, ok := strings.CutPrefix(source, "~"); ok && (rest == "" || rest[0] == '/') {
		if h.Home == "" {
			return "", errors.New("no home folder is known")
		}
		source = filepath.Join(h.Home, rest)
	}
	switch {
	case dotdot(m.Source):
		return "", errors.New(`the source has ".." in it`)
	case !filepath.IsAbs(source):
		return "", errors.New("the source is neither absolute nor in ~")
	}
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is neither a file nor a folder", real)
	}
	if work := resolved(h.WorkTree); work != "" && (inside(work, source) || inside(filepath.Clean(h.WorkTree), source)) && !inside(work, real) {
		return "", fmt.Errorf("a link in the work tree leads to %s, and the agent can lay links there", real)
	}
	home := resolved(h.Home)
	if home != "" && inside(real, home) {
		return "", fmt.Errorf("%s has your whole home folder in it", real)
	}
	if slices.Contains(slices.Concat(system, []string{"/", "/home"}), real) {
		return "", fmt.Errorf("%s is a folder of the system", real)
	}
	for _, c := range h.Closed {
		if c = resolved(c); c != "" && (inside(c, real) || inside(real, c)) {
			return "", fmt.Errorf("%s would show the agent %s", real, c)
		}
	}
	for _, dir := range secret {
		if home == "" || !info.IsDir() {
			break
		}
		if c := resolved(filepath.Join(home, dir)); inside(c, real) || inside(real, c) {
			return "", fmt.Errorf("%s would show the agent all keys in %s; name the one file that it needs", real, c)
		}
	}
	if work := resolved(h.WorkTree); work != "" && !m.ReadOnly && (inside(real, work) || inside(work, real)) {
		return "", fmt.Errorf("%s is of the work tree, parts of which are read-only", real)
	}
	return real, nil
}

// resolved is p without symbolic links, as far as it is there.
func resolved(p string) string {
	if p == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return filepath.Clean(p)
}

func checkTarget(target string, h Host) error {
	switch {
	case !path.IsAbs(target):
		return errors.New("it is not absolute")
	case dotdot(target):
		return errors.New(`it has ".." in it`)
	}
	t := path.Clean(target)
	if covers(t) {
		return errors.New("that is the sandbox's own")
	}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/etc", "/var/run"} {
		if inside(dir, t) {
			return errors.New("that is the sandbox's own")
		}
	}
	if h.WorkTree != "" {
		if inside(t, h.WorkTree) {
			return errors.New("it covers the work tree")
		}
		for _, name := range []string{".git", ".iloom"} {
			if inside(filepath.Join(h.WorkTree, name), t) {
				return fmt.Errorf("it covers %s of the work tree", name)
			}
		}
	}
	return nil
}
