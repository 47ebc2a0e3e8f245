package features

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Build is what it takes to install features on top of an image.
type Build struct {
	// Features are those to be installed, in order.
	Features []*Feature
	// BaseID is the ID of the image that they go on, BaseUser its USER.
	BaseID, BaseUser string
	// ContainerUser and RemoteUser are those of the dev container.
	ContainerUser, RemoteUser string
	// ContainerEnv are the devcontainer.json's: they come last, as they are.
	ContainerEnv map[string]string
	// Label is the metadata label of the image.
	Label string
}

// The names inside the build.
const (
	// The content is mounted below /dev, which every build has as a file system of its own: no empty folder stays behind.
	sourceFolder = "/dev/docker-loom-feature"
	workFolder   = "/tmp/docker-loom-feature"
	// The options lie beside install.sh under the name that other tools give them: features copy or source that file.
	optionsFile = "devcontainer-features.env"
	scriptFile  = "docker-loom-install.sh"
)

// Hash tells one outcome from another: what it is built from, byte for byte. Two looms with the same hash share an
// image.
func (b *Build) Hash() string {
	parts := []string{b.BaseID, b.Dockerfile(), installScript}
	for _, f := range b.Features {
		parts = append(parts, f.Digest, f.optionsText())
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings always are JSON
	}
	return strings.TrimPrefix(digestOf(text), "sha256:")[:16]
}

// folder is where the n-th feature is in the build's context. Its name is safe in a --mount.
func (f *Feature) folder(n int) string {
	return fmt.Sprintf("%02d-%s", n, unsafe.ReplaceAllString(f.ID.name(), "_"))
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// Dockerfile is the text, with the base image as argument BASE_IMAGE: a layer for each feature, so that a change begins
// again there and not before. The content comes from a context of its own by a mount, and leaves nothing in the image.
func (b *Build) Dockerfile() string {
	var d strings.Builder
	d.WriteString("ARG BASE_IMAGE=scratch\nFROM ${BASE_IMAGE}\nUSER root\n")
	for n, f := range b.Features {
		fmt.Fprintf(&d, "\n# %s\n", oneLine(f.ID.Written))
		for _, v := range f.Manifest.ContainerEnv {
			fmt.Fprintf(&d, "ENV %s=%s\n", v.Name, quoteEnv(v.Value, true))
		}
		// The form without a shell: the image may have set another one, or one that stops at nothing.
		run, err := json.Marshal([]string{
			"/bin/sh", sourceFolder + "/" + scriptFile, f.ID.Written,
			cmp.Or(b.ContainerUser, "root"), cmp.Or(b.RemoteUser, b.ContainerUser, "root"),
		})
		if err != nil {
			panic(err) // strings always are JSON
		}
		fmt.Fprintf(&d, "RUN --mount=type=bind,source=%s,target=%s %s\n", f.folder(n), sourceFolder, run)
	}
	fmt.Fprintf(&d, "\nUSER %s\n", cmp.Or(b.BaseUser, "root"))
	fmt.Fprintf(&d, "LABEL devcontainer.metadata=%s\n", quoteEnv(b.Label, false))
	for _, name := range slices.Sorted(maps.Keys(b.ContainerEnv)) {
		if !variableName.MatchString(name) || strings.ContainsAny(b.ContainerEnv[name], "\r\n") {
			continue // no Dockerfile can say it; the container gets it from its service's environment
		}
		fmt.Fprintf(&d, "ENV %s=%s\n", name, quoteEnv(b.ContainerEnv[name], false))
	}
	return d.String()
}

// Command is the beginning of what the build runs for a feature, as builders quote it in their errors.
func Command(f *Feature) string { return sourceFolder + "/" + scriptFile + " " + f.ID.Written + " " }

// installScript runs one feature's install.sh in a copy of its folder, as root, with the users and options in its
// environment. Its arguments: the feature's id, the container's user, the remote user. Only the shell, cp, chmod and rm
// are needed.
const installScript = `set -e
home() {
  while IFS=: read -r name _ id _ _ home _ || [ -n "$name" ]; do
    if [ "$name" = "$1" ] || [ "$id" = "$1" ]; then printf '%s' "$home"; return; fi
  done < /etc/passwd
  if command -v getent >/dev/null 2>&1; then line=$(getent passwd "$1" || true); ` +
	`line=${line%:*}; printf '%s' "${line##*:}"; fi
}
_CONTAINER_USER=${2%%:*} _REMOTE_USER=${3%%:*}
_CONTAINER_USER_HOME=$(home "$_CONTAINER_USER") _REMOTE_USER_HOME=$(home "$_REMOTE_USER")
export _CONTAINER_USER _REMOTE_USER _CONTAINER_USER_HOME _REMOTE_USER_HOME
mkdir -p /tmp
cp -R ` + sourceFolder + ` ` + workFolder + `
cd ` + workFolder + `
chmod -R 0755 .
set -a
. ./` + optionsFile + `
set +a
rm ./` + scriptFile + `
code=0
./` + InstallFile + ` || code=$?
cd /
rm -rf ` + workFolder + `
if [ "$code" != 0 ]; then echo "feature $1: ` + InstallFile + ` ended with exit code $code" >&2; fi
exit "$code"
`

// optionsText are the options as lines for the shell. Single quotes leave every byte as it is.
func (f *Feature) optionsText() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.Options)) {
		fmt.Fprintf(&b, "%s='%s'\n", variable(name), strings.ReplaceAll(f.Options[name], "'", `'\''`))
	}
	return b.String()
}

// WriteContext puts into dir what the Dockerfile takes from its context: a folder for each feature, with its options.
func (b *Build) WriteContext(dir string) error {
	for n, f := range b.Features {
		to := filepath.Join(dir, f.folder(n))
		// Links are copied as they are: the build never follows them out of its context.
		if err := os.CopyFS(to, os.DirFS(f.Dir)); err != nil {
			return fmt.Errorf("feature %s: %w", f.ID.Written, err)
		}
		for name, text := range map[string]string{optionsFile: f.optionsText(), scriptFile: installScript} {
			if err := replaceFile(filepath.Join(to, name), text); err != nil {
				return fmt.Errorf("feature %s: %w", f.ID.Written, err)
			}
		}
	}
	return nil
}

// replaceFile writes a file in the place of whatever a feature has there. Written over a link, it would come to lie
// where that leads: in any file of this machine.
func replaceFile(path, text string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// quoteEnv writes a value, which has no line end, for ENV or LABEL. With expand a $NAME in it means what the image has.
func quoteEnv(value string, expand bool) string {
	pairs := []string{`\`, `\\`, `"`, `\"`}
	if !expand {
		pairs = append(pairs, "$", `\$`)
	}
	return `"` + strings.NewReplacer(pairs...).Replace(value) + `"`
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
