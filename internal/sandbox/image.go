package sandbox

import (
	"crypto/sha256"
	_ "embed" // base.Dockerfile
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Names of the images that docker loom makes for agents.
const (
	// AgentRepository holds the images for sandboxes. AgentRepository/NAME:latest is an image of the user's. Tags of
	// AgentRepository itself are the built-in base and images with a toolchain.
	AgentRepository = "docker-loom-agent"
	// EgressRepository holds the sidecar's images, one tag for each binary.
	EgressRepository = "docker-loom-egress"
	// BaseName is the user's name for the built-in base.
	BaseName = "base"
	// Program is the path of the binary in the sidecar's image.
	Program = "/docker-loom"

	// LabelImage is the label with the name of an image for agents.
	LabelImage = "ai.iloom.agent-image"
	// LabelFrom is the label with the reference of the image that it was built from.
	LabelFrom = "ai.iloom.agent-image.from"
	// LabelBase is the label with the ID of the image that a toolchain was added to.
	LabelBase = "ai.iloom.agent-image.base"
)

// EgressUser is the user of the sidecar. It has no name in its image.
const EgressUser = "65532:65532"

// EgressEntrypoint is what the sidecar's image runs.
func EgressEntrypoint() []string { return []string{Program, "egress"} }

// EgressTag returns the sidecar's image for the hash of a binary.
func EgressTag(hash string) string { return EgressRepository + ":" + hash[:min(len(hash), 16)] }

// Build is the builder's input for an image.
type Build struct {
	// Tag is the reference of the image, From the reference of the image that it is built from.
	Tag, From  string
	Dockerfile string
	Args       map[string]string
	Labels     map[string]string
	// Files are the build context.
	Files map[string][]byte
	// Steps describe the RUN instructions of the Dockerfile.
	Steps []Step
}

// Name returns the user's name for the image.
func (b *Build) Name() string { return b.Labels[LabelImage] }

// Step is a RUN instruction of a Dockerfile.
type Step struct {
	// Name is shown if the step fails. Command is the command, or a part of it that no earlier step has.
	Name, Command string
}

// FailedStep returns the name of the step in a builder's error. ok is false for an error about something else.
func (b *Build) FailedStep(message string) (step string, ok bool) {
	failed := failedCommand(message)
	if failed == "" {
		return "", false
	}
	for _, s := range b.Steps {
		if failed == shellPrefix+s.Command {
			return s.Name, true
		}
	}
	for _, s := range b.Steps {
		if strings.Contains(failed, s.Command) {
			return s.Name, true
		}
	}
	return "", false
}

// shellPrefix is what builders show before a command.
const shellPrefix = "/bin/sh -c "

// failedCommandPattern matches the command in an error of BuildKit or of engine 20's builder.
var failedCommandPattern = regexp.MustCompile(
	`(?s)process ("(?:[^"\\]|\\.)*") did not complete|executor failed running \[(.*?)\]: exit code`)

func failedCommand(message string) string {
	m := failedCommandPattern.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	if command, err := strconv.Unquote(m[1]); err == nil {
		return command
	}
	return m[2]
}

//go:embed base.Dockerfile
var baseDockerfile string

// Base returns the built-in image for agents. Its tag is a hash of its Dockerfile.
func Base() *Build {
	from, _, _ := strings.Cut(baseDockerfile[strings.Index(baseDockerfile, "\nFROM ")+len("\nFROM "):], "\n")
	from, _, _ = strings.Cut(from, " ")
	return &Build{
		Tag: AgentRepository + ":base-" + hashOf([]byte(baseDockerfile)), From: from, Dockerfile: baseDockerfile,
		Labels: labels(BaseName, from),
		Steps: []Step{
			{"node and Claude Code (npm install)", "npm install"},
			{"npm, to install the rest with (apt-get install)", "ca-certificates nodejs npm"},
			{"Debian's packages (apt-get install)", "apt-get"},
		},
	}
}

func labels(name, from string) map[string]string {
	return map[string]string{LabelImage: name, LabelFrom: from}
}

// ImageRequest describes an image of the user's for agents.
type ImageRequest struct {
	Name string
	// From is the image to build from.
	From string
	// Apt and NPM are packages, Run are shell commands.
	Apt, NPM, Run []string
}

var (
	imageNamePattern = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	reference        = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
	aptPackage       = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?(/[a-z-]+)?$`)
	npmPackage       = regexp.MustCompile(
		`^(@[a-z0-9~][a-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*(@[\^~]?[A-Za-z0-9][A-Za-z0-9._+-]*)?$`)
)

// IsImageName reports whether an image of the user's can have this name.
func IsImageName(name string) bool { return imageNamePattern.MatchString(name) && len(name) <= 64 }

// NamedTag returns the reference of the user's image of this name.
func NamedTag(name string) string { return AgentRepository + "/" + name + ":latest" }

// ImageName returns the user's name for an image that docker loom made for agents: the name of the user's own image,
// base, or the reference. ok is false for other images.
func ImageName(ref string) (name string, ok bool) {
	if rest, found := strings.CutPrefix(ref, AgentRepository+"/"); found {
		name, found = strings.CutSuffix(rest, ":latest")
		return name, found && IsImageName(name)
	}
	if ref == Base().Tag {
		return BaseName, true
	}
	return ref, strings.HasPrefix(ref, AgentRepository+":")
}

// Check returns what is wrong in a request. Nothing in a valid request can leave its place in the Dockerfile:
// packages have the form of packages, and commands go to a shell as they are.
func (r ImageRequest) Check() error {
	if !IsImageName(r.Name) {
		return fmt.Errorf("image name must be lower-case letters and digits, with . _ - between them, not %q", r.Name)
	}
	if r.Name == BaseName && (r.From != "" || len(r.Apt)+len(r.NPM)+len(r.Run) > 0) {
		return fmt.Errorf("image name %s: that is the built-in image; one with more in it takes another name", BaseName)
	}
	if r.From != "" && !reference.MatchString(r.From) {
		return fmt.Errorf("--from must be the reference of an image, not %q", r.From)
	}
	for _, p := range r.Apt {
		if !aptPackage.MatchString(p) {
			return fmt.Errorf("--apt must be the name of a Debian package, not %q", p)
		}
	}
	for _, p := range r.NPM {
		if !npmPackage.MatchString(p) {
			return fmt.Errorf("--npm must be the name of an npm package, not %q", p)
		}
	}
	for _, command := range r.Run {
		if strings.TrimSpace(command) == "" || strings.ContainsRune(command, 0) {
			return errors.New("--run must be a shell command, not an empty one")
		}
	}
	return nil
}

// Named returns the build of an image of the user's, or of the built-in one.
func Named(r ImageRequest) (*Build, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Name == BaseName {
		return Base(), nil
	}
	if r.From == "" || r.From == BaseName {
		r.From = Base().Tag
	}
	b := &Build{
		Tag: NamedTag(r.Name), From: r.From, Args: map[string]string{"BASE_IMAGE": r.From}, Labels: labels(r.Name, r.From),
	}
	lines := []string{"ARG BASE_IMAGE=scratch", "FROM $BASE_IMAGE", "USER root"}
	step := func(name, command string) {
		lines = append(lines, runInstruction(command))
		b.Steps = append(b.Steps, Step{name, command})
	}
	if len(r.Apt) > 0 {
		step("--apt "+strings.Join(r.Apt, ","),
			"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "+
				strings.Join(r.Apt, " ")+" && rm -rf /var/lib/apt/lists/*")
	}
	if len(r.NPM) > 0 {
		step("--npm "+strings.Join(r.NPM, ","),
			"npm install -g --no-fund --no-audit "+strings.Join(r.NPM, " ")+" && rm -rf /root/.npm")
	}
	for _, command := range r.Run {
		step("--run '"+command+"'", command)
	}
	b.Dockerfile = strings.Join(lines, "\n") + "\n"
	return b, nil
}

// runInstruction returns a RUN instruction of a Dockerfile. It is JSON, so that no command can end it.
func runInstruction(command string) string {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode([]string{"/bin/sh", "-c", command}) // strings always are JSON
	return "RUN " + strings.TrimSpace(text.String())
}

func hashOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// ToolchainFiles are the files of a repository that list its tools.
var ToolchainFiles = []string{"mise.toml", ".mise.toml", ".tool-versions"}

// getMise installs mise if the image has none. Its own installer checks what it downloads and knows every Linux. If
// only a package registry can be reached, mise comes from npm.
const getMise = `command -v mise >/dev/null && exit 0
{ curl -fsSL --connect-timeout 10 -o /tmp/mise.sh https://mise.run || ` +
	`wget -q -T 10 -O /tmp/mise.sh https://mise.run; } &&
  MISE_INSTALL_PATH=/usr/local/bin/mise sh /tmp/mise.sh ||
  npm install -g --no-fund --no-audit @jdxcode/mise
rm -rf /tmp/mise.sh /root/.npm
command -v mise >/dev/null`

// installTools installs the tools of the files for all users.
const installTools = `cd /opt/mise/project && mise install --yes && mise reshim && ` +
	`rm -rf /tmp/mise && chmod -R a+rX /opt/mise`

var userName = regexp.MustCompile(`^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$`)

// Toolchain returns the build of an image with the tools of a repository on top of another image, given that image's
// ID and user. The tag is a hash of the content. The build gets no other files of the repository.
func Toolchain(from, id, user string, files map[string][]byte) *Build {
	b := &Build{
		From: from, Files: files, Args: map[string]string{"BASE_IMAGE": from},
		Steps: []Step{{"getting mise", "command -v mise"}, {"mise install", "mise install"}},
	}
	lines := []string{"ARG BASE_IMAGE=scratch", "FROM $BASE_IMAGE", "USER root", runInstruction(getMise)}
	parts := [][]byte{[]byte(id)}
	for _, name := range b.FileNames() {
		lines = append(lines, `COPY ["`+name+`","/opt/mise/project/"]`)
		parts = append(parts, []byte(name), files[name])
	}
	lines = append(lines,
		// The home folder is a volume. To trust every file gives mise no more than what the agent may run anyway.
		"ENV MISE_DATA_DIR=/opt/mise MISE_TRUSTED_CONFIG_PATHS=/ MISE_CACHE_DIR=/tmp/mise",
		runInstruction(installTools),
		"ENV PATH=/opt/mise/shims:$PATH",
	)
	if userName.MatchString(user) {
		lines = append(lines, "USER "+user)
	}
	b.Dockerfile = strings.Join(lines, "\n") + "\n"
	b.Tag = AgentRepository + ":tools-" + hashOf(append(parts, []byte(b.Dockerfile))...)
	b.Labels = labels(b.Tag, from)
	b.Labels[LabelBase] = id
	return b
}

// FileNames returns the names of the files of the build context, sorted.
func (b *Build) FileNames() []string { return slices.Sorted(maps.Keys(b.Files)) }
