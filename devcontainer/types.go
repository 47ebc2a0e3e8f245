// Package devcontainer reads the configuration of a dev container by the Dev Container specification (containers.dev):
// it finds the devcontainer.json, reads it, replaces its variables and merges it with the metadata of image and
// features. It reads nothing but the files of the configuration; the callers hand in what an image says. Package
// compile makes a Compose service of it.
package devcontainer

import (
	"encoding/json"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Kind says what a dev container is made from.
type Kind string

// The three kinds of a dev container, found in this order.
const (
	KindDockerfile Kind = "dockerfile"
	KindImage      Kind = "image"
	KindCompose    Kind = "compose"
)

// The labels by which tools find a dev container, and in which it carries its configuration.
const (
	LabelLocalFolder = "devcontainer.local_folder"
	LabelConfigFile  = "devcontainer.config_file"
	LabelMetadata    = "devcontainer.metadata"
)

// Service is the name of the service that an image or Dockerfile dev container becomes.
const Service = "devcontainer"

// Config is one devcontainer.json: legacy keys moved to where they belong now, variables not yet replaced unless
// Substitute has done so.
type Config struct {
	// Path is the file, Workspace the folder that is opened with it; both absolute, links not resolved.
	Path, Workspace string
	// Kind is what the container is made from.
	Kind Kind
	// Name is for display.
	Name string
	// Image is the image's reference, of the kind KindImage.
	Image string
	// Build is there for KindDockerfile, with paths as written.
	Build *Build
	// Compose is there for KindCompose.
	Compose *Compose
	// RunArgs are arguments of docker run; not of KindCompose.
	RunArgs []string
	// AppPort are the ports to publish, each as docker run -p takes it; a number n is 127.0.0.1:n:n. Not of KindCompose.
	AppPort []string
	// WorkspaceFolder is the folder inside the container, "" where the file says nothing.
	WorkspaceFolder string
	// WorkspaceMount is nil if the file says nothing; "" mounts nothing. Not of KindCompose.
	WorkspaceMount *string
	// InitializeCommand runs on the host, before the container is looked for.
	InitializeCommand *Command
	// Features are those asked for, in the order of the file; FeatureOrder is overrideFeatureInstallOrder.
	Features     []FeatureRef
	FeatureOrder []string
	// Secrets are declared by name; their values come from elsewhere.
	Secrets map[string]Secret
	// Metadata are the properties that an image may carry too.
	Metadata
	// Raw is the document as standard JSON, in the order of the file.
	Raw json.RawMessage

	// later are the hooks of further files, which run after those of Metadata; laterRead are the same before variables
	// were replaced.
	later, laterRead []Metadata
	// document is Raw, with places; read is the document before variables were replaced.
	document, read *jsonc.Node
}

// Build is how a Dockerfile dev container is built. Dockerfile and Context count from the folder of the
// devcontainer.json (specification, "Dockerfile based").
type Build struct {
	Dockerfile, Context string
	Args                map[string]string
	Target              string
	CacheFrom           []string
	// Options are further arguments of docker build.
	Options []string
}

// Compose is the project of a Compose dev container (specification, "Docker Compose based").
type Compose struct {
	// Files are the files as written, counted from the folder of the devcontainer.json; empty is the reference CLI's
	// default: COMPOSE_FILE, otherwise docker-compose.yml in the workspace.
	Files []string
	// Service is the dev container's own.
	Service string
	// RunServices are the others to start; empty is all.
	RunServices []string
}

// FeatureRef asks for a feature: its id as written, and its options as written (a string, a bool or an object)
// (specification, "Features").
type FeatureRef struct {
	ID      string
	Options json.RawMessage
}

// Secret describes a secret for a human.
type Secret struct {
	Description      string `json:"description,omitempty"`
	DocumentationURL string `json:"documentationUrl,omitempty"`
}

// Metadata is one entry of the devcontainer.metadata label: what a devcontainer.json, an image or a feature says about
// containers made from it. Its JSON form has the keys in the order of the reference CLI and leaves out what is not set;
// what was read and not changed since is written as it was, unknown keys too (specification, "Image Metadata").
type Metadata struct {
	// ID is the feature's, as the user wrote it; "" for images and devcontainer.json.
	ID string `json:"id,omitempty"`

	OnCreateCommand      *Command `json:"onCreateCommand,omitempty"`
	UpdateContentCommand *Command `json:"updateContentCommand,omitempty"`
	PostCreateCommand    *Command `json:"postCreateCommand,omitempty"`
	PostStartCommand     *Command `json:"postStartCommand,omitempty"`
	PostAttachCommand    *Command `json:"postAttachCommand,omitempty"`
	WaitFor              string   `json:"waitFor,omitempty"`

	Customizations map[string]json.RawMessage `json:"customizations,omitempty"`
	Mounts         []Mount                    `json:"mounts,omitempty"`
	ContainerEnv   map[string]string          `json:"containerEnv,omitempty"`
	ContainerUser  string                     `json:"containerUser,omitempty"`
	Init           *bool                      `json:"init,omitempty"`
	Privileged     *bool                      `json:"privileged,omitempty"`
	CapAdd         []string                   `json:"capAdd,omitempty"`
	SecurityOpt    []string                   `json:"securityOpt,omitempty"`
	// Entrypoint is a feature's.
	Entrypoint   string `json:"entrypoint,omitempty"`
	RemoteUser   string `json:"remoteUser,omitempty"`
	UserEnvProbe string `json:"userEnvProbe,omitempty"`
	// RemoteEnv has null if a variable is to be unset.
	RemoteEnv            map[string]*string        `json:"remoteEnv,omitempty"`
	OverrideCommand      *bool                     `json:"overrideCommand,omitempty"`
	PortsAttributes      map[string]PortAttributes `json:"portsAttributes,omitempty"`
	OtherPortsAttributes *PortAttributes           `json:"otherPortsAttributes,omitempty"`
	ForwardPorts         []ForwardPort             `json:"forwardPorts,omitempty"`
	ShutdownAction       string                    `json:"shutdownAction,omitempty"`
	UpdateRemoteUserUID  *bool                     `json:"updateRemoteUserUID,omitempty"`
	HostRequirements     *HostRequirements         `json:"hostRequirements,omitempty"`

	// written is the object that was decoded, nil for an entry made by hand.
	written *jsonc.Node
}

// Command is a lifecycle command in one of its three forms; exactly one is set. Its JSON form is that of the file
// (devcontainer.json reference, "Formatting string vs. array properties").
type Command struct {
	// Shell is a line for /bin/sh -c.
	Shell string
	// Exec is a program with its arguments, without a shell.
	Exec []string
	// Parallel are named commands that run at once, in the order of the file.
	Parallel []NamedCommand
}

// NamedCommand is one of several that run at once; it is not Parallel itself.
type NamedCommand struct {
	Name string
	Command
}

// Mount is one entry of mounts, a string of docker run --mount or an object; its JSON form is the one it had
// (specification, "Mounts").
type Mount struct {
	// Type is bind, volume or tmpfs.
	Type string
	// Source is a path or a volume's name, Target the path in the container.
	Source, Target string
	ReadOnly       bool
	// External says that the volume must exist already and is nobody's to make (external=true).
	External bool
	// Options are the other fields of a string, in order, such as consistency=cached.
	Options []string

	// written is the string or object that was decoded.
	written *jsonc.Node
}

// PortAttributes say how a port is shown and opened (devcontainer.json reference, "Port attributes").
type PortAttributes struct {
	Label            string `json:"label,omitempty"`
	Protocol         string `json:"protocol,omitempty"`
	OnAutoForward    string `json:"onAutoForward,omitempty"`
	RequireLocalPort *bool  `json:"requireLocalPort,omitempty"`
	ElevateIfNeeded  *bool  `json:"elevateIfNeeded,omitempty"`

	// written is the object that was decoded.
	written *jsonc.Node
}

// ForwardPort is one entry of forwardPorts: a port of the dev container (Host is ""), or of another service. Its JSON
// form is a number, or "db:5432".
type ForwardPort struct {
	Host string
	Port int

	// open is the string as written while a variable in it is not yet replaced.
	open string
}

// HostRequirements are what the machine should have; zero values ask for nothing. Memory and Storage are in bytes
// (devcontainer.json reference, "Minimum host requirements").
type HostRequirements struct {
	CPUs            int
	Memory, Storage int64
	GPU             *GPU
}

// GPU is a GPU that is wanted; Optional makes its lack no warning.
type GPU struct {
	Optional bool
	Cores    int
	// Memory is in bytes.
	Memory int64

	// written is the object that was decoded.
	written *jsonc.Node
}

// Merged is what image metadata, features and devcontainer.json say together (specification, "Merge Logic"). Hooks
// and entrypoints are lists: those of the image, of each feature in order, of the file. Its JSON form is the
// reference CLI's mergedConfiguration.
type Merged struct {
	Init, Privileged                 bool
	CapAdd, SecurityOpt, Entrypoints []string
	Mounts                           []Mount

	OnCreateCommands, UpdateContentCommands, PostCreateCommands []Origin
	PostStartCommands, PostAttachCommands                       []Origin

	WaitFor, UserEnvProbe, RemoteUser, ContainerUser, ShutdownAction string
	ContainerEnv                                                     map[string]string
	RemoteEnv                                                        map[string]*string
	OverrideCommand, UpdateRemoteUserUID                             *bool
	PortsAttributes                                                  map[string]PortAttributes
	OtherPortsAttributes                                             *PortAttributes
	ForwardPorts                                                     []ForwardPort
	HostRequirements                                                 *HostRequirements
	Customizations                                                   map[string][]json.RawMessage

	// entries are what was merged, document the devcontainer.json among it, whose other keys are part of the JSON form.
	entries  []entry
	document *jsonc.Node
}

// Origin is one lifecycle command and who asks for it: a feature's id, "image", or "devcontainer.json".
type Origin struct {
	From string
	Command
}

// ImageInfo is what an image tells: handed in by whoever has an engine.
type ImageInfo struct {
	// ID is the image's. It is "" for an image that is not on the engine yet; the other fields are then empty too.
	ID string
	// User is the image's USER, "" for root.
	User            string
	Entrypoint, Cmd []string
	Env             []string
	Labels          map[string]string
	Architecture    string
}
