package survey

import (
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// open says what of this machine the project's files may have: which files are read for them, and which variables.
func (f *Facts) open(process host.Process, t Trust) {
	f.trust, f.Process = t, process
	f.Files = rooted.Below(f.Target.root(), f.leave)
	f.ByOthers = t != nil && t.WrittenByOthers(f)
	f.Withheld, f.Given = map[string]bool{}, map[string]bool{}
	if !f.ByOthers {
		return
	}
	isAccepted := t.Accepted(f)
	f.Process = process.With(func(name string) bool {
		if trust.IsHarmlessVariable(name) {
			return true
		}
		given := isAccepted(trust.ReadsVariable + name)
		if given {
			f.Given[name] = true
		} else {
			f.Withheld[name] = true
		}
		return given
	})
}

// root is the folder that the project's files are in.
func (t *Target) root() string {
	if t.Git != nil && t.Git.WorkTree != "" {
		return t.Git.WorkTree
	}
	return t.WorkTree
}

// leave asks before a file outside of the work tree is read.
func (f *Facts) leave(asked, real string) error {
	access := trust.ReadsFile + real
	if in, err := filepath.Rel(f.Target.root(), asked); err == nil && filepath.IsLocal(in) {
		access += ", by way of " + in
	}
	return f.permit(access)
}

// userOfURL is the user and password of a reference.
var userOfURL = regexp.MustCompile(`//[^/@]*@`)

// mayHave asks before a file of another machine is used. The reference can have any variable that the files have in it,
// and is used before the project is known. A variable that it lacks comes first.
func (f *Facts) mayHave(reference string) error {
	if err := f.giveMissed(); err != nil {
		return err
	}
	given := map[string]string{}
	for name := range f.Given {
		given[name] = f.Process.Getenv(name)
	}
	reference = userOfURL.ReplaceAllString(reference, "//")
	return f.permit("the files include " + trust.NewMask(given).Text(reference))
}

// ErrGivenMore says that the files were given more variables: they have to be read once more.
var ErrGivenMore = errors.New("the files were given more variables")

// giveMissed asks for the variables that were looked up in vain although the user has set them. It is called where the
// files cannot be read without. If they were given, it returns [ErrGivenMore].
func (f *Facts) giveMissed() error {
	var access []string
	for _, name := range slices.Sorted(maps.Keys(f.Found.Sought)) {
		if f.Withheld[name] {
			access = append(access, trust.ReadsVariable+name)
		}
	}
	if len(access) == 0 {
		return nil
	}
	if err := f.trust.Permit(f, access...); err != nil {
		return err
	}
	return ErrGivenMore
}

func (f *Facts) permit(access string) error {
	if !slices.Contains(f.Includes, access) {
		f.Includes = append(f.Includes, access)
	}
	if f.trust == nil {
		return nil
	}
	return f.trust.Permit(f, access)
}

// isUnset reports whether a line of access is about a variable that the user has not set.
func (f *Facts) isUnset(access string) bool {
	name, ok := strings.CutPrefix(access, trust.ReadsVariable)
	return ok && f.ByOthers && !f.Withheld[name] && !f.Given[name]
}

// WithoutUnset leaves out the variables that the user has not set, where others may have written the files: they were
// not asked for, and may be set later.
func (f *Facts) WithoutUnset(access []string) []string { return slices.DeleteFunc(access, f.isUnset) }
