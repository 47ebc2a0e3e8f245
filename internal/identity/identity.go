// Package identity is what the user types to name a loom, normalised, and the names that are made of it.
package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"
)

// Main is the id of the main checkout's loom: what docker compose up would make.
const Main = "main"

// IDError says that what the user typed is not an id.
type IDError struct{ Typed string }

// Error quotes what was typed.
func (e *IDError) Error() string {
	if IsPath(e.Typed) {
		return fmt.Sprintf("%q is a path, not an id: give an issue number, a key such as ENG-324, or a branch, "+
			"or run the command in that folder", e.Typed)
	}
	return fmt.Sprintf("%q is not an id: give an issue number, a key such as ENG-324, or a branch", e.Typed)
}

// NextStep says what the user does next.
func (*IDError) NextStep() string {
	return "" // the error says what an id is
}

var (
	number      = regexp.MustCompile(`^#?0*(\d+)$`)
	pullRequest = regexp.MustCompile(`(?i)^(?:pr[/-]|mr/)0*(\d+)$`)
	projectKey  = regexp.MustCompile(`(?i)^[a-z]{2,}-\d+$`)
)

// ParseID normalises what the user typed: #123 and 0123 are 123, eng-324 is ENG-324, PR-45 and mr/45 are pr/45;
// anything else is a branch and stays. Its error is an *IDError.
//
// An id is a value in .env, and a line there has no form for a backtick beside a single quote or a backslash that both
// Compose and shells read alike.
func ParseID(typed string) (string, error) {
	s := strings.TrimSpace(typed)
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) ||
		strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) ||
		strings.Contains(s, "`") && strings.ContainsAny(s, `'\`) ||
		strings.HasPrefix(s, "-") || len(s) > 200 || !utf8.ValidString(s) {
		return "", &IDError{typed}
	}
	if m := number.FindStringSubmatch(s); m != nil {
		return m[1], nil
	}
	if m := pullRequest.FindStringSubmatch(s); m != nil {
		return "pr/" + m[1], nil
	}
	if projectKey.MatchString(s) {
		return strings.ToUpper(s), nil
	}
	return s, nil
}

// IsPath reports whether a user who typed this means a folder: /src/x, ../x, ./x, ~/x, x/. No branch is called so.
func IsPath(typed string) bool {
	first, rest, _ := strings.Cut(strings.TrimSpace(typed), "/")
	switch {
	case first == "", first == ".", first == "..", strings.HasPrefix(first, "~"):
		return strings.TrimSpace(typed) != ""
	case strings.HasPrefix(first, `..\`), strings.HasPrefix(first, `.\`), filepath.IsAbs(typed):
		return true
	}
	return strings.HasSuffix(typed, "/") || slices.Contains(strings.Split(rest, "/"), "..")
}

// Crowded says whether another repository has the names that this one would have.
type Crowded bool

// Naming is what the name of a Compose project is made of.
type Naming struct {
	// Format is the template of the settings, "" for the usual name.
	Format         string
	Repository, ID string
	// Folder is the last part of the project's folder, "" for the plain name. Path is the whole folder. Twin says that
	// another folder of the repository ends alike.
	Folder, Path string
	Twin         bool
	Crowded      Crowded
}

// ProjectName makes the Compose project name of a loom: iloom-<repo>-<id>, iloom-<repo>-<folder>-<id>, or what the
// template of the settings says. The id's hash is added where the id had to be changed to fit, so that two ids never
// share a name; that of the folder's path too, where two folders end alike or folder and id together read like an id.
// Crowded adds the repository's: another repository has this name already.
func ProjectName(n Naming) (string, error) {
	repo := Sanitise(filepath.Base(n.Repository), 30)
	if repo == "" {
		repo = "project"
	}
	if n.Crowded {
		repo += "-" + ShortHash(n.Repository)
	}
	folder, short := n.parts()
	if n.Format == "" {
		if folder != "" {
			repo += "-" + folder
		}
		return "iloom-" + repo + "-" + short, nil
	}
	t, err := template.New("container.projectName").Option("missingkey=error").Parse(n.Format)
	if err != nil {
		return "", fmt.Errorf("settings: container.projectName: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]string{"Repo": repo, "ID": short, "Folder": folder}); err != nil {
		return "", fmt.Errorf("settings: container.projectName: %w", err)
	}
	if folder != "" && !strings.Contains(n.Format, ".Folder") {
		b.WriteString("-" + folder)
	}
	name := Sanitise(b.String(), 80)
	if name == "" {
		return "", fmt.Errorf("settings: container.projectName: %q gives no name", n.Format)
	}
	return name, nil
}

// parts are the folder and the id as they are in the name.
func (n Naming) parts() (folder, id string) {
	id = Sanitise(n.ID, 40)
	if n.Folder == "" {
		return "", withHash(id, id != n.ID, n.ID)
	}
	folder = FolderName(n.Folder)
	changed := folder == "" || n.Twin || readsLikeID(folder+"-"+id)
	return folder, withHash(id, changed || id != n.ID, n.Path+"\x00"+n.ID)
}

// FolderName is the last part of a folder as it is in the name of a project.
func FolderName(folder string) string { return Sanitise(folder, 30) }

// withHash adds a hash to a name that could be another's.
func withHash(name string, ambiguous bool, of string) string {
	if !ambiguous {
		return name
	}
	return strings.TrimPrefix(name+"-"+ShortHash(of), "-")
}

// readsLikeID reports whether a name could be that of an id, unchanged.
func readsLikeID(name string) bool {
	id, err := ParseID(name)
	return err == nil && Sanitise(id, len(id)) == id
}

// Sanitise keeps what Compose allows in a project name, at most limit bytes of it.
func Sanitise(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.TrimLeft(s, "-_")
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.TrimRight(s, "-_")
}

// ShortHash is the beginning of a hash that keeps names apart.
func ShortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:8]
}

// IsNumber reports whether a normalised id is an issue number.
func IsNumber(id string) bool { return number.MatchString(id) }

// IsKey reports whether a normalised id is the key of an issue tracker, as ENG-324.
func IsKey(id string) bool { return projectKey.MatchString(id) }

// IsPullRequest reports whether a normalised id is a pull request, as pr/45.
func IsPullRequest(id string) bool { return pullRequest.MatchString(id) }

// HostLabel makes a part of a host name of an id: 123, eng-324, feat-x.
func HostLabel(id string) string {
	return strings.Trim(strings.ReplaceAll(Sanitise(id, 60), "_", "-"), "-")
}
