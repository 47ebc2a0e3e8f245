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
	// AgentRepository holds the images for sandboxes: AgentRepository/NAME:latest is one of the user's, tags of
	// AgentRepository itself are the built-in base and images with a toolchain.
	AgentRepository = "docker-loom-agent"
	// EgressRepository holds the sidecar's image, a tag a binary.
	EgressRepository = "docker-loom-egress"
	// BaseName is what users call the built-in base.
	BaseName = "base"
	// Program is the path of the binary in the sidecar's image.
	Program = "/docker-loom"

	// LabelImage names an image that was made for agents, LabelFrom the image that it was made from, LabelBase the ID of the one that
	// tools were put on top of.
	LabelImage = "ai.iloom.agent-image"
	LabelFrom  = "ai.iloom.agent-image.from"
	LabelBase  = "ai.iloom.agent-image.base"
)

// EgressUser runs the sidecar. It has no name in its image.
const EgressUser = "65532:65532"

// EgressChanges are the lines of a Dockerfile that make the sidecar's image of one that holds only Program.
func EgressChanges() []string {
	return []string{`ENTRYPOINT ["` + Program + `","egress"]`, "USER " + EgressUser, "WORKDIR /"}
}

// EgressTag names the sidecar's image by the hash of the binary in it.
func EgressTag(hash string) string { return EgressRepository + ":" + hash[:min(len(hash), 16)] }

// Build is an image to be built: all that the builder is told.
type Build struct {
	// Tag is its name, From that of the image which it is made from.
	Tag, From  string
	Dockerfile string
	Args       map[string]string
	Labels     map[string]string
	// Files are put into the build context.
	Files map[string][]byte
	// Steps tell what the parts of the Dockerfile are for.
	Steps []Step
}

// Name is what users call the image.
func (b *Build) Name() string { return b.Labels[LabelImage] }

// Step is one RUN of a Dockerfile.
type Step struct {
	// Name says what it is for, Command is what it runs, or a part that no step before it has.
	Name, Command string
}

// Blame finds the step that a builder's error is about; ok is false for an error that is about none.
func (b *Build) Blame(message string) (step string, ok bool) {
	failed := failedCommand(message)
	if failed == "" {
		return "", false
	}
	for _, s := range b.Steps {
		if failed == shell+s.Command {
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

// shell is what builders show before a command.
const shell = "/bin/sh -c "

// failing is how builders quote the command that failed, BuildKit and that of engine 20.
var failing = regexp.MustCompile(`(?s)process ("(?:[^"\\]|\\.)*") did not complete|executor failed running \[(.*?)\]: exit code`)

func failedCommand(message string) string {
	m := failing.FindStringSubmatch(message)
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

// Base is the built-in image for agents, named by its content.
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

// ImageRequest asks for an image of the user's own for agents.
type ImageRequest struct {
	Name string
	// From is the image to begin with.
	From string
	// Apt and NPM are packages, Run are shell lines.
	Apt, NPM, Run []string
}

var (
	imageName  = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	reference  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
	aptPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?(/[a-z-]+)?$`)
	npmPackage = regexp.MustCompile(`^(@[a-z0-9~][a-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*(@[\^~]?[A-Za-z0-9][A-Za-z0-9._+-]*)?$`)
)

// IsImageName tells whether an image of the user's can have this name.
func IsImageName(name string) bool { return imageName.MatchString(name) && len(name) <= 64 }

// NamedTag is the tag of the user's image of this name.
func NamedTag(name string) string { return AgentRepository + "/" + name + ":latest" }

// ImageName is what users call an image that docker loom made for agents: the name of one of their own, or base, else the reference. ok
// is false for what is no such image.
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

// Check tells what in a request can be in no image. What is given never leaves its place in the Dockerfile: packages have the form
// of packages, and the shell lines are handed to a shell as they are.
func (r ImageRequest) Check() error {
	if !IsImageName(r.Name) {
		return fmt.Errorf("image name %q: it is made of lower-case letters and digits, with . _ - between them", r.Name)
	}
	if r.Name == BaseName && (r.From != "" || len(r.Apt)+len(r.NPM)+len(r.Run) > 0) {
		return fmt.Errorf("image name %s: that is the built-in image; one with more in it takes another name", BaseName)
	}
	if r.From != "" && !reference.MatchString(r.From) {
		return fmt.Errorf("--from %q: this is no reference of an image", r.From)
	}
	for _, p := range r.Apt {
		if !aptPackage.MatchString(p) {
			return fmt.Errorf("--apt %q: this is no name of a Debian package", p)
		}
	}
	for _, p := range r.NPM {
		if !npmPackage.MatchString(p) {
			return fmt.Errorf("--npm %q: this is no name of an npm package", p)
		}
	}
	for _, command := range r.Run {
		if strings.TrimSpace(command) == "" || strings.ContainsRune(command, 0) {
			return errors.New("--run: it takes a shell command")
		}
	}
	return nil
}

// Named plans an image of the user's own, or the built-in one by its name.
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
	b := &Build{Tag: NamedTag(r.Name), From: r.From, Args: map[string]string{"BASE_IMAGE": r.From}, Labels: labels(r.Name, r.From)}
	lines := []string{"ARG BASE_IMAGE=scratch", "FROM $BASE_IMAGE", "USER root"}
	step := func(name, command string) {
		lines = append(lines, run(command))
		b.Steps = append(b.Steps, Step{name, command})
	}
	if len(r.Apt) > 0 {
		step("--apt "+strings.Join(r.Apt, ","), "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "+strings.Join(r.Apt, " ")+" && rm -rf /var/lib/apt/lists/*")
	}
	if len(r.NPM) > 0 {
		step("--npm "+strings.Join(r.NPM, ","), "npm install -g --no-fund --no-audit "+strings.Join(r.NPM, " ")+" && rm -rf /root/.npm")
	}
	for _, command := range r.Run {
		step("--run '"+command+"'", command)
	}
	b.Dockerfile = strings.Join(lines, "\n") + "\n"
	return b, nil
}

// run is a line of a Dockerfile that hands a command to a shell. As JSON no text can end it.
func run(command string) string {
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

// ToolchainFiles are the files of a repository that say which tools its work takes.
var ToolchainFiles = []string{"mise.toml", ".mise.toml", ".tool-versions"}

// getMise installs mise where the image has none: by its own installer, which checks what it fetches and knows every Linux, else, where only
// a package registry is reached, from npm.
const getMise = `command -v mise >/dev/null && exit 0
{ curl -fsSL --connect-timeout 10 -o /tmp/mise.sh https://mise.run || wget -q -T 10 -O /tmp/mise.sh https://mise.run; } &&
  MISE_INSTALL_PATH=/usr/local/bin/mise sh /tmp/mise.sh ||
  npm install -g --no-fund --no-audit @jdxcode/mise
rm -rf /tmp/mise.sh /root/.npm
command -v mise >/dev/null`

// installTools installs what the files ask for, for all users.
const installTools = `cd /opt/mise/project && mise install --yes && mise reshim && rm -rf /tmp/mise && chmod -R a+rX /opt/mise`

var userName = regexp.MustCompile(`^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$`)

// Toolchain plans the image with the tools of a repository on top of another, with its ID and user. Its name tells its
// content. Of the repository only these files enter the build.
func Toolchain(from, id, user string, files map[string][]byte) *Build {
	b := &Build{
		From: from, Files: files, Args: map[string]string{"BASE_IMAGE": from},
		Steps: []Step{{"getting mise", "command -v mise"}, {"mise install", "mise install"}},
	}
	lines := []string{"ARG BASE_IMAGE=scratch", "FROM $BASE_IMAGE", "USER root", run(getMise)}
	parts := [][]byte{[]byte(id)}
	for _, name := range b.Sorted() {
		lines = append(lines, `COPY ["`+name+`","/opt/mise/project/"]`)
		parts = append(parts, []byte(name), files[name])
	}
	lines = append(lines,
		// The home is a volume. What the sandbox's mise may run is what the agent may run anyway.
		"ENV MISE_DATA_DIR=/opt/mise MISE_TRUSTED_CONFIG_PATHS=/ MISE_CACHE_DIR=/tmp/mise",
		run(installTools),
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

// Sorted names the files of the build context in order.
func (b *Build) Sorted() []string { return slices.Sorted(maps.Keys(b.Files)) }
