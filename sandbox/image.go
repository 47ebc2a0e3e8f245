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

	// LabelImage names an image that was made for agents, LabelFrom the image that it was made from.
	LabelImage = "ai.iloom.agent-image"
	LabelFrom  = "ai.iloom.agent-image.from"
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

// Step is one RUN of a Dockerfile.
type Step struct {
	// Name says what it is for, Command is part of what it runs, and of no other step's.
	Name, Command string
}

// Blame finds the step that a builder's error is about; ok is false for an error that is about none.
func (b *Build) Blame(message string) (step string, ok bool) {
	for _, s := range b.Steps {
		if strings.Contains(message, s.Command) {
			return s.Name, true
		}
	}
	return "", false
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
			{"npm, to install the rest with (apt-get install)", "nodejs npm"},
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
	npmPackage = regexp.MustCompile(`^(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][A-Za-z0-9._~-]*(@[\^~]?[A-Za-z0-9][A-Za-z0-9._+-]*)?$`)
)

// IsImageName tells whether an image of the user's can have this name.
func IsImageName(name string) bool { return imageName.MatchString(name) && len(name) <= 64 }

// NamedTag is the tag of the user's image of this name.
func NamedTag(name string) string { return AgentRepository + "/" + name + ":latest" }

// Named plans an image of the user's own. What it is given never leaves its place in the Dockerfile: packages have the
// form of packages, and the shell lines are handed to a shell as they are.
func Named(r ImageRequest) (*Build, error) {
	if !IsImageName(r.Name) {
		return nil, fmt.Errorf("image name %q: it is of lower-case letters, digits and . _ - between them", r.Name)
	}
	if r.Name == BaseName {
		return nil, fmt.Errorf("image name %s: that is the built-in image", r.Name)
	}
	if !reference.MatchString(r.From) {
		return nil, fmt.Errorf("image %q: this is no reference of an image", r.From)
	}
	b := &Build{Tag: NamedTag(r.Name), From: r.From, Args: map[string]string{"BASE_IMAGE": r.From}, Labels: labels(r.Name, r.From)}
	lines := []string{"ARG BASE_IMAGE", "FROM $BASE_IMAGE", "USER root"}
	step := func(name, command string) error {
		line, err := run(command)
		if err != nil {
			return err
		}
		lines = append(lines, line)
		b.Steps = append(b.Steps, Step{name, command})
		return nil
	}
	if len(r.Apt) > 0 {
		if err := all("Debian package", r.Apt, aptPackage); err != nil {
			return nil, err
		}
		if err := step("--apt "+strings.Join(r.Apt, ","), "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "+strings.Join(r.Apt, " ")+" && rm -rf /var/lib/apt/lists/*"); err != nil {
			return nil, err
		}
	}
	if len(r.NPM) > 0 {
		if err := all("npm package", r.NPM, npmPackage); err != nil {
			return nil, err
		}
		if err := step("--npm "+strings.Join(r.NPM, ","), "npm install -g --no-fund --no-audit "+strings.Join(r.NPM, " ")+" && rm -rf /root/.npm"); err != nil {
			return nil, err
		}
	}
	for _, command := range r.Run {
		if strings.TrimSpace(command) == "" || strings.ContainsRune(command, 0) {
			return nil, errors.New("--run: it takes a shell command")
		}
		if err := step("--run '"+command+"'", command); err != nil {
			return nil, err
		}
	}
	b.Dockerfile = strings.Join(lines, "\n") + "\n"
	return b, nil
}

// run is a line of a Dockerfile that hands a command to a shell. As JSON no text can end it.
func run(command string) (string, error) {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode([]string{"/bin/sh", "-c", command}); err != nil {
		return "", err
	}
	return "RUN " + strings.TrimSpace(text.String()), nil
}

func all(what string, list []string, form *regexp.Regexp) error {
	for _, s := range list {
		if !form.MatchString(s) {
			return fmt.Errorf("%s %q: this is no name of one", what, s)
		}
	}
	return nil
}

func hashOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Sorted names the files of the build context in order.
func (b *Build) Sorted() []string { return slices.Sorted(maps.Keys(b.Files)) }
