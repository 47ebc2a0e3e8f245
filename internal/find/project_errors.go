package find

import (
	"fmt"
	"strings"
)

// SeveralProjectsError says that a loom has several projects, and neither the folder nor the words tell which is meant.
type SeveralProjectsError struct {
	ID string
	// Service is a service that several of the projects have, "" if none was named.
	Service string
	Folders []string
}

// Error lists the projects.
func (e *SeveralProjectsError) Error() string {
	if e.Service != "" {
		return fmt.Sprintf("service %s is in several projects of loom %s: %s", e.Service, e.ID, strings.Join(e.Folders, ", "))
	}
	return fmt.Sprintf("loom %s has several projects: %s", e.ID, strings.Join(e.Folders, ", "))
}

// NextStep says what the user does next.
func (e *SeveralProjectsError) NextStep() string { return "choose one: " + projectForms(e.Folders) }

// UnknownProjectError says that a loom has no project in a folder.
type UnknownProjectError struct {
	ID, Folder string
	// Folders are those of the projects that the loom has.
	Folders []string
}

// Error names the folder, and the projects that there are.
func (e *UnknownProjectError) Error() string {
	return fmt.Sprintf("loom %s has no project in %s, it has %s", e.ID, e.Folder, strings.Join(e.Folders, ", "))
}

// NextStep says what the user does next.
func (e *UnknownProjectError) NextStep() string {
	return fmt.Sprintf("docker loom up %s %s makes it; those that are there: %s",
		e.ID, ProjectFlag(e.Folder), projectForms(e.Folders))
}

// NoFolderError says that the folder that was named for a project does not exist.
type NoFolderError struct{ Folder, WorkTree string }

// Error names the folder and the work tree.
func (e *NoFolderError) Error() string {
	return fmt.Sprintf("--project %s: no such folder in %s", e.Folder, e.WorkTree)
}

// NextStep says what the user does next.
func (*NoFolderError) NextStep() string {
	return "name the folder as seen from the top of the work tree, or by its whole path"
}

// NoProjectHereError says that a folder has no project of its own, and where the repository has some.
type NoProjectHereError struct {
	ID, Dir string
	Folders []string
}

// Error lists the folders.
func (e *NoProjectHereError) Error() string {
	return fmt.Sprintf("%s has no compose file; the repository has projects in %s", e.Dir, strings.Join(e.Folders, ", "))
}

// NextStep says what the user does next.
func (e *NoProjectHereError) NextStep() string {
	return "choose one: " + projectForms(e.Folders) +
		"; or list in container.projects of .iloom/settings.json those that up brings up together"
}

// projectForms are the flags that choose each of the projects.
func projectForms(folders []string) string {
	forms := make([]string, len(folders))
	for i, folder := range folders {
		forms[i] = ProjectFlag(folder)
	}
	return strings.Join(forms, ", ")
}
