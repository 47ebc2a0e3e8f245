package stack

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"github.com/docker-loom/docker-loom/internal/stack/references"
)

// Reader reads the files of a project.
type Reader = references.Reader

// Asks are asked about the files of other machines.
type Asks = references.Asks

// Anywhere is the Reader of a project whose files only the user writes.
var Anywhere = references.Anywhere

// Source says which project is meant, in the words of Compose's own flags.
type Source struct {
	// Dir is the folder in which the search begins, absolute.
	Dir string
	// Top bounds the search upwards: no folder above it is looked at. Empty means no bound.
	Top string
	// Files, EnvFiles, Profiles and ProjectDirectory are --file, --env-file, --profile and
	// --project-directory; relative paths are of the process's working folder, as in Compose.
	Files            []string
	EnvFiles         []string
	Profiles         []string
	ProjectDirectory string
	// Environ is the environment of the process that asks, NAME=value.
	Environ []string
	// Reader reads the files; nil reads them wherever they are.
	Reader Reader
	// Alone takes Dir for a project although it has no compose file: its one service comes from elsewhere, not from a
	// Dockerfile.
	Alone bool
}

// Ours tells what a loom itself put among the project's files and variables, so that the base project is
// loaded without it. A nil function means that there is nothing of that kind.
type Ours struct {
	// Cut returns the bytes of a .env file without our block.
	Cut func([]byte) []byte
	// Override reports whether a file is an override that we generated.
	Override func(path string) bool
	// Variable gives the value that a variable is to have in the base load instead of the one found:
	// drop true leaves the variable unset. Process says which it was found in: in the process's
	// environment, or in a .env file.
	Variable func(name, value string, process bool) (base string, drop bool)
}

// Found is a project that was found and not yet loaded.
type Found struct {
	// Dir is the project directory, absolute.
	Dir string
	// Paths are the compose files in the order in which they merge, absolute; empty for a Dockerfile.
	Paths []string
	// Dockerfile is set if there is a Dockerfile and no compose file.
	Dockerfile string
	// Chosen is true if Paths were named (by --file or COMPOSE_FILE), not found by their default names.
	Chosen bool
	// Env is the environment for interpolation: the process's, then the .env files'.
	Env types.Mapping
	// EnvFiles are the files named by --env-file, absolute.
	EnvFiles []string
	// Profiles are the active ones.
	Profiles []string
	// Fetch is asked about files of other machines.
	Fetch Asks

	// envDir is the folder of the .env that has COMPOSE_FILE, empty for Dir.
	envDir   string
	noDotEnv bool
	// Sought are the variables that were looked up, as far as it was read.
	Sought map[string]bool

	reader Reader
	// texts are those of Paths.
	texts map[string]references.File
}

// composeFiles are Paths with their texts.
func (f *Found) composeFiles() []types.ConfigFile {
	files := make([]types.ConfigFile, 0, len(f.Paths))
	for _, path := range f.Paths {
		files = append(files, types.ConfigFile{Filename: path, Content: f.texts[path].Text})
	}
	return files
}

// ErrNoProject is returned if there is neither a compose file nor a Dockerfile.
var ErrNoProject error = noProjectError{}

type noProjectError struct{}

func (noProjectError) Error() string { return "no compose file and no Dockerfile" }

// NextStep says what the user does next.
func (noProjectError) NextStep() string {
	return "run the command where the project is, or name its files with --file behind docker loom"
}

// Find looks for a project as docker compose does (--file, then COMPOSE_FILE, then the default names from
// Source.Dir upwards), leaving out what is Ours, and for a Dockerfile in Source.Dir or Source.Top where there
// is not a compose file.
func Find(src Source, ours Ours) (*Found, error) {
	f := &Found{Env: types.Mapping{}, Dir: src.Dir, Sought: map[string]bool{}, reader: src.Reader}
	always := func(string) error { return nil }
	f.Fetch = Asks{MayHave: always, BeforeFetch: always}
	if f.reader == nil {
		f.reader = Anywhere
	}
	if err := f.takeEnviron(src.Environ, ours); err != nil {
		return nil, err
	}
	f.Env["PWD"] = workingFolder(f.Env["PWD"], src.Dir)
	if err := f.takeNamed(src); err != nil {
		return nil, err
	}
	if err := f.readEnv(ours); err != nil {
		return nil, err
	}
	if !f.Chosen {
		if err := f.named(src, ours); err != nil {
			return nil, err
		}
	}
	if len(f.Paths) == 0 {
		f.Paths = defaults(f.Dir, src.Top, ours)
	}
	if src.ProjectDirectory == "" && len(f.Paths) > 0 {
		if f.Chosen && len(src.Files) == 0 {
			f.envDir = f.Dir
		}
		f.Dir = filepath.Dir(f.Paths[0])
	}
	f.texts = map[string]references.File{}
	for _, path := range f.Paths {
		f.texts[path] = references.ReadBy(f.reader, path)
	}
	// The second reading is Compose's: the project directory may be another than the one searched first.
	if err := f.readEnv(ours); err != nil {
		return nil, err
	}
	f.takeProfiles(src.Profiles)
	if len(f.Paths) > 0 || src.Alone {
		return f, nil
	}
	for _, dir := range []string{src.Dir, src.Top} {
		if file := filepath.Join(dir, "Dockerfile"); dir != "" && isFile(file) {
			f.Dir, f.Dockerfile = dir, file
			return f, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", src.Dir, ErrNoProject)
}

// workingFolder is the folder of the search, by the name that the command has for it if it runs there.
func workingFolder(pwd, dir string) string {
	if pwd != dir {
		if real, err := filepath.EvalSymlinks(pwd); err != nil || real != dir {
			return dir
		}
	}
	return pwd
}

// HaveDefaultNames reports whether Compose takes all the files by itself where they are.
func HaveDefaultNames(paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		name := filepath.Base(path)
		return !slices.Contains(cli.DefaultFileNames, name) && !slices.Contains(cli.DefaultOverrideFileNames, name)
	})
}

// DefaultFileNames are the names by which Compose finds a project.
func DefaultFileNames() []string { return slices.Clone(cli.DefaultFileNames) }

// HasComposeFile reports whether Compose finds a project in the folder by itself.
func HasComposeFile(dir string) bool { return len(present(dir, cli.DefaultFileNames, nil)) > 0 }

// AreNamed reports whether the files are those of --file, or of COMPOSE_FILE in the process's environment.
func AreNamed(src Source, paths []string) bool {
	named := src.Files
	if len(named) == 0 {
		env := types.NewMapping(src.Environ)
		separator := cmp.Or(env[consts.ComposePathSeparator], string(os.PathListSeparator))
		named = strings.Split(env[consts.ComposeFilePath], separator)
	}
	list, err := absolute(named, src.Dir)
	return err == nil && slices.Equal(list, paths)
}

// takeNamed takes the files and the project directory that the command line names.
func (f *Found) takeNamed(src Source) error {
	var err error
	if f.EnvFiles, err = absolute(src.EnvFiles, src.Dir); err != nil {
		return err
	}
	if f.Paths, err = absolute(src.Files, src.Dir); err != nil {
		return err
	}
	f.Chosen = len(f.Paths) > 0
	switch {
	case src.ProjectDirectory != "":
		f.Dir = src.ProjectDirectory
		if !filepath.IsAbs(f.Dir) {
			f.Dir = filepath.Join(src.Dir, f.Dir)
		}
		if info, err := os.Stat(f.Dir); err != nil || !info.IsDir() {
			return fmt.Errorf("project directory %s: no such folder", f.Dir)
		}
	case f.Chosen:
		f.Dir = filepath.Dir(f.Paths[0])
	}
	return nil
}

func (f *Found) takeProfiles(named []string) {
	f.Profiles = named
	if len(named) > 0 {
		return
	}
	for p := range strings.SplitSeq(f.Env[consts.ComposeProfiles], ",") {
		f.Profiles = append(f.Profiles, strings.TrimSpace(p))
	}
}

// named takes the files of COMPOSE_FILE. Compose resolves them against its working folder, which for us is the
// folder of the search: a loom can be addressed from anywhere.
func (f *Found) named(src Source, ours Ours) error {
	list := f.Env[consts.ComposeFilePath]
	if list == "" {
		return nil
	}
	sep := f.Env[consts.ComposePathSeparator]
	if sep == "" {
		sep = string(os.PathListSeparator)
	}
	paths, err := absolute(strings.Split(list, sep), src.Dir)
	if err != nil {
		return fmt.Errorf("COMPOSE_FILE: %w", err)
	}
	for _, p := range paths {
		if ours.Override == nil || !ours.Override(p) {
			f.Paths = append(f.Paths, p)
		}
	}
	f.Chosen = len(f.Paths) > 0
	return nil
}

// takeEnviron takes the variables of the process.
func (f *Found) takeEnviron(environ []string, ours Ours) error {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		// As Compose does, in the process's environment only: no .env can switch off itself or another.
		if name == consts.ComposeDisableDefaultEnvFile {
			off, err := strconv.ParseBool(value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			f.noDotEnv = off
		}
		setVariable(f.Env, ours, name, value, true)
	}
	return nil
}

// readEnv merges the .env files into the environment, which already holds what comes first.
func (f *Found) readEnv(ours Ours) error {
	files := f.EnvFiles
	if len(files) == 0 {
		file := filepath.Join(f.Dir, ".env")
		if f.noDotEnv || !isFile(file) {
			return nil
		}
		files = []string{file}
	}
	read := map[string]string{}
	for _, file := range files {
		b, err := f.reader.Read(file)
		if err != nil {
			return fmt.Errorf("environment file: %w", err)
		}
		if ours.Cut != nil {
			b = ours.Cut(b)
		}
		// All into one map, as Compose does: a later file's own lines beat an earlier file's if one refers to another.
		err = dotenv.ParseWithFormat(bytes.NewReader(b), file, read, func(name string) (string, bool) {
			f.Sought[name] = true
			if v, ok := f.Env[name]; ok {
				return v, true
			}
			v, ok := read[name]
			return v, ok
		}, "")
		if err != nil {
			return err
		}
	}
	for name, value := range read {
		if _, set := f.Env[name]; !set {
			setVariable(f.Env, ours, name, value, false)
		}
	}
	return nil
}

func setVariable(env types.Mapping, ours Ours, name, value string, process bool) {
	if ours.Variable != nil {
		base, drop := ours.Variable(name, value, process)
		if drop {
			return
		}
		value = base
	}
	env[name] = value
}

// defaults finds compose files by their default names from dir upwards.
func defaults(dir, top string, ours Ours) []string {
	for {
		if files := present(dir, cli.DefaultFileNames, nil); len(files) > 0 {
			if len(files) > 1 {
				logrus.Warnf("several compose files are there, %s: %s is used", strings.Join(files, ", "), files[0])
			}
			paths := files[:1]
			if over := present(dir, cli.DefaultOverrideFileNames, ours.Override); len(over) > 0 {
				paths = append(paths, over[0])
			}
			return paths
		}
		parent := filepath.Dir(dir)
		if dir == top || parent == dir {
			return nil
		}
		dir = parent
	}
}

func present(dir string, names []string, except func(string) bool) []string {
	var files []string
	for _, name := range names {
		if p := filepath.Join(dir, name); isFile(p) && (except == nil || !except(p)) {
			files = append(files, p)
		}
	}
	return files
}

// OverrideNames returns the files of dir that Compose would load by itself beside the default file, ours left out.
func OverrideNames(dir string, ours Ours) []string {
	return present(dir, cli.DefaultOverrideFileNames, ours.Override)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

func absolute(paths []string, dir string) ([]string, error) {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if p == "-" {
			return nil, errors.New("compose file from standard input: a loom needs files that can be read again")
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		if _, err := os.Stat(p); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: no such file", p)
			}
			return nil, err
		}
		out = append(out, filepath.Clean(p))
	}
	return out, nil
}
