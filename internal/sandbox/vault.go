package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Bounds of a vault. A variable must fit among the arguments of a command.
const (
	mostVariable = 100 << 10
	mostFiles    = 500
)

var (
	vaultName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// VariableName tells whether a variable can be called so: it is what a shell takes for a name.
func VariableName(name string) bool { return variableName.MatchString(name) }

// VaultVariables are the variables of a vault in the folder of vaults, which each command is given: one file each in its folder env.
func VaultVariables(vaults, name string) (map[string]string, error) {
	root, err := openVault(vaults, name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fail := func(err error) error { return fmt.Errorf("vault %s: %w", name, err) }
	files, err := fs.ReadDir(root.FS(), "env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fail(err)
	}
	variables := map[string]string{}
	for _, e := range files {
		if !VariableName(e.Name()) {
			return nil, fail(fmt.Errorf("env/%s is no name of a variable", e.Name()))
		}
		text, err := inVault(root, path.Join("env", e.Name()), mostVariable)
		if err != nil {
			return nil, fail(err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return nil, fail(fmt.Errorf("env/%s has a zero byte in it", e.Name()))
		}
		variables[e.Name()] = strings.TrimRight(string(text), "\r\n")
	}
	return variables, nil
}

// openVault opens the folder of a vault, out of which no link leads.
func openVault(vaults, name string) (*os.Root, error) {
	if !vaultName.MatchString(name) {
		return nil, fmt.Errorf("vault %q: allowed are letters, digits, dots, - and _", name)
	}
	dir := filepath.Join(vaults, name)
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no folder %s%s", dir, otherVaults(vaults))
	}
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", name, err)
	}
	return root, nil
}

// vault copies the files of the chosen vault: home/PATH.
func (s *stage) vault() error {
	if s.Vault == "" {
		return nil
	}
	// What commands could not be given is said before there is a sandbox for them.
	if _, err := VaultVariables(s.Vaults, s.Vault); err != nil {
		return err
	}
	root, err := openVault(s.Vaults, s.Vault)
	if err != nil {
		return err
	}
	defer root.Close()
	count := 0
	err = fs.WalkDir(root.FS(), stagedHome, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == stagedHome {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' }) {
			return fmt.Errorf("%q has a character in it that no mount can have", name)
		}
		if d.IsDir() {
			return nil
		}
		if count++; count > mostFiles {
			return fmt.Errorf("more than %d files in %s", mostFiles, stagedHome)
		}
		text, err := inVault(root, name, mostFile)
		if err != nil {
			return err
		}
		return s.putHome(strings.TrimPrefix(name, stagedHome+"/"), text)
	})
	if err != nil {
		return fmt.Errorf("vault %s: %w", s.Vault, err)
	}
	return nil
}

// inVault reads a file, by links that stay in the vault.
func inVault(root *os.Root, name string, most int64) ([]byte, error) {
	info, err := root.Stat(name)
	switch {
	case err != nil && isLink(root, name):
		return nil, fmt.Errorf("%s is a symbolic link that leaves the vault", name)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", name)
	case info.Size() > most:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return root.ReadFile(name)
}

func isLink(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func otherVaults(vaults string) string {
	var names []string
	entries, err := os.ReadDir(vaults)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if e.IsDir() && vaultName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; there are " + strings.Join(names, ", ")
}
