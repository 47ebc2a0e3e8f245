package staging

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

// Limits of a vault. A variable must fit among the arguments of a command.
const (
	maxVariableSize = 100 << 10
	maxVaultFiles   = 500
)

// Folders of a vault: one file for each variable, and files for the agent's home folder.
const (
	vaultEnv  = "env"
	vaultHome = "home"
)

var (
	vaultName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// IsVariableName reports whether a shell accepts name as the name of a variable.
func IsVariableName(name string) bool { return variableName.MatchString(name) }

// VaultVariables reads the variables of a vault, which every command in the sandbox gets.
func VaultVariables(vaults, name string) (map[string]string, error) {
	root, err := openVault(vaults, name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	variables, err := readVariables(root)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", name, err)
	}
	return variables, nil
}

func readVariables(root *os.Root) (map[string]string, error) {
	files, err := fs.ReadDir(root.FS(), vaultEnv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	variables := map[string]string{}
	for _, e := range files {
		if !IsVariableName(e.Name()) {
			return nil, fmt.Errorf("env/%s is not a name of a variable", e.Name())
		}
		text, err := readVaultFile(root, path.Join(vaultEnv, e.Name()), maxVariableSize)
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return nil, fmt.Errorf("env/%s has a zero byte in it", e.Name())
		}
		variables[e.Name()] = strings.TrimRight(string(text), "\r\n")
	}
	return variables, nil
}

// openVault opens the folder of a vault. No link leads out of an [os.Root].
func openVault(vaults, name string) (*os.Root, error) {
	if !vaultName.MatchString(name) {
		return nil, fmt.Errorf("vault %q: a name must have only letters, digits, dots, - and _", name)
	}
	dir := filepath.Join(vaults, name)
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("no such folder %s%s", dir, otherVaults(vaults))
	}
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", name, err)
	}
	return root, nil
}

// copyVault copies the files of the chosen vault into the agent's home folder.
func (w *writer) copyVault() error {
	if w.Vault == "" {
		return nil
	}
	// A bad variable is an error now, not at the first command.
	if _, err := VaultVariables(w.Vaults, w.Vault); err != nil {
		return err
	}
	root, err := openVault(w.Vaults, w.Vault)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := w.copyVaultHome(root); err != nil {
		return fmt.Errorf("vault %s: %w", w.Vault, err)
	}
	return nil
}

func (w *writer) copyVaultHome(root *os.Root) error {
	count := 0
	return fs.WalkDir(root.FS(), vaultHome, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == vaultHome {
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
		if count++; count > maxVaultFiles {
			return fmt.Errorf("more than %d files in %s", maxVaultFiles, vaultHome)
		}
		text, err := readVaultFile(root, name, maxFileSize)
		if err != nil {
			return err
		}
		return w.addHomeFile(strings.TrimPrefix(name, vaultHome+"/"), text)
	})
}

// readVaultFile reads a file, also through links that stay in the vault.
func readVaultFile(root *os.Root, name string, maxSize int64) ([]byte, error) {
	info, err := root.Stat(name)
	switch {
	case err != nil && isLink(root, name):
		return nil, fmt.Errorf("%s is a symbolic link that leaves the vault", name)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s must be a file", name)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxSize)
	}
	return root.ReadFile(name)
}

func isLink(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// otherVaults returns the names of the vaults for an error text.
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
