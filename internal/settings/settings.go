// Package settings reads what a project and its user have set for their looms, in iloom's settings files: JSON with
// comments and trailing commas. Keys that are not known here are iloom's own and are ignored, but for those of agents
// ([Agent]).
package settings

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Sources says where the settings are.
type Sources struct {
	// User is the path of the user's own file, ~/.config/iloom-ai/settings.json; "" for none.
	User string
	// WorkTree is the folder with the .iloom folder; "" for none.
	WorkTree string
}

// paths returns the files from the weakest to the strongest.
func (src Sources) paths() []string {
	var paths []string
	if src.User != "" {
		paths = append(paths, src.User)
	}
	if src.WorkTree != "" {
		dir := filepath.Join(src.WorkTree, ".iloom")
		paths = append(paths, filepath.Join(dir, "settings.json"), filepath.Join(dir, "settings.local.json"))
	}
	return paths
}

// Settings is what the files say together, with defaults for what they leave open.
type Settings struct {
	Container    Container
	Capabilities Capabilities
	// WorktreePrefix is what the paths of new work trees start with. It is nil when no file sets it; "" is a setting
	// of its own, no prefix.
	WorktreePrefix *string
	// MainBranch is the branch that work goes into; "main" by default.
	MainBranch string
	// ProtectedBranches are never removed; MainBranch, main, master and develop by default.
	ProtectedBranches []string
	// CopyGitIgnoredPatterns name the ignored files that a new work tree gets a copy of.
	CopyGitIgnoredPatterns []string
	// Files are the paths of the files that were there and were read, from the weakest to the strongest.
	Files []string
}

// Container is the part that is about looms.
type Container struct {
	// Enabled is false if the project does not want looms; true by default.
	Enabled bool
	// ConfigPath is the path of the devcontainer.json to use, as written; "" means to look for one.
	ConfigPath string
	// Ports are base ports (1–65535) by the NAME in ILOOM_PORT_NAME.
	Ports map[string]int
	// KeepAlive says that finishing work stops the stack instead of removing it.
	KeepAlive bool
	// ProjectName is the template of the Compose project name; "" means the usual name.
	ProjectName string
	// Projects are the folders of the Compose projects that an up at the top of the work tree brings up, in this order.
	Projects []string
	// AddressPool are the IPv4 networks that looms get their /24s from, such as 10.200.0.0/16. Each is at least a /24. It
	// is nil if none are set.
	AddressPool []string
	// Share and Isolate name volumes and networks that all looms share, or that each loom has for itself. They override
	// what the plan would decide.
	Share, Isolate []string
	// RewriteLocalhost says that localhost URLs follow the moved ports.
	RewriteLocalhost bool
	// Worktree says if up makes a work tree: "" no, "true" yes, "auto" if another loom works in the folder.
	Worktree string
	// Submodules says that a new work tree gets the submodules that the main one has; true by default.
	Submodules bool
	// GitUser says that git in dev containers has the user's name and address; true by default.
	GitUser bool
	// Dotfiles are what the user wants in the home folder of dev containers.
	Dotfiles Dotfiles
	// Agent is the sandbox that coding agents run in. Agents are the named ones; keys that they leave out are those of
	// Agent. Read them only from files that no sandbox can write.
	Agent  Agent
	Agents map[string]Agent
}

// Dotfiles is a repository, the program of it that installs them, and the folder in the container that they are cloned
// to; "" leaves a choice to who installs them.
type Dotfiles struct{ Repository, InstallCommand, TargetPath string }

// Capabilities is what iloom knows of the project.
type Capabilities struct {
	Web Web
}

// Web is about the project's web server.
type Web struct {
	// BasePort is its base port (1–65535), or nil when no file sets it; iloom's default is DefaultBasePort.
	BasePort *int
}

// DefaultBasePort is the base port of a web project that sets none.
const DefaultBasePort = 3000

// WebBase is the base port of the web service, 0 if no file sets it.
func (s *Settings) WebBase() int {
	if s.Capabilities.Web.BasePort == nil {
		return 0
	}
	return *s.Capabilities.Web.BasePort
}

// Error says what is wrong in a settings file, and where.
type Error jsonc.Error

func (e *Error) Error() string { return (*jsonc.Error)(e).Error() }

// NextStep says what the user does next.
func (*Error) NextStep() string {
	return "correct the settings file"
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// asError turns an error of jsonc into an *Error, which has a next step for settings files.
func asError(err error) error {
	if e, ok := errors.AsType[*jsonc.Error](err); ok {
		return (*Error)(e)
	}
	return err
}

// Read returns the settings of the files in src. The work tree's .iloom/settings.local.json is stronger than its
// .iloom/settings.json, and that is stronger than the user's file: objects are merged key by key, anything else is
// replaced. A missing file is empty. Only the merged values are checked. Errors are of type *Error and name the file
// that the value came from.
func Read(src Sources) (*Settings, error) {
	files, err := ReadFiles(src)
	if err != nil {
		return nil, err
	}
	return files.Settings()
}

// Files are the settings files of some sources as they were read. What they say is not checked yet.
type Files struct {
	paths []string
	nodes []*jsonc.Node // of the paths
	// user is the number of files that are the user's own.
	user int
}

// ReadFiles reads the files of src that are there.
func ReadFiles(src Sources) (*Files, error) {
	f := &Files{}
	for _, path := range src.paths() {
		n, err := jsonc.Read(path)
		// ENOTDIR: .iloom is a file, so there is nothing in it.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			return nil, asError(err)
		}
		if path == src.User {
			f.user++
		}
		f.paths, f.nodes = append(f.paths, path), append(f.nodes, n)
	}
	return f, nil
}

// Settings returns what all files say together, as [Read] does.
func (f *Files) Settings() (*Settings, error) { return f.from(0) }

// OfWorkTree returns what the files say without the user's own.
func (f *Files) OfWorkTree() (*Settings, error) { return f.from(f.user) }

// from returns what the files say from the one at an index on.
func (f *Files) from(first int) (*Settings, error) {
	s, err := decodeSettings(merged(f.nodes[first:]))
	if err != nil {
		return nil, err
	}
	if files := f.paths[first:]; len(files) > 0 {
		s.Files = files
	}
	return s, nil
}

// merged returns the tree of all files, nil if there is none.
func merged(nodes []*jsonc.Node) (top *jsonc.Node) {
	for _, n := range nodes {
		top = jsonc.Merge(top, n)
	}
	return top
}
