package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	separators = regexp.MustCompile(`[/\\]`)
	oddInSlug  = regexp.MustCompile(`[^a-zA-Z0-9_-]`)
)

// NotedIDs returns the ids of the issues and pull requests (pr/45) that iloom has noted for a work tree. iloom has a
// file for each work tree in looms/ beside the user's settings file. The file's name is the tree's path with ___ for
// separators. A missing or malformed file has no ids.
func NotedIDs(user, workTree string) []string {
	slug := separators.ReplaceAllString(strings.TrimRight(workTree, `/\`), "___")
	name := oddInSlug.ReplaceAllString(slug, "-") + ".json"
	b, err := os.ReadFile(filepath.Join(filepath.Dir(user), "looms", name))
	if err != nil {
		return nil
	}
	var noted struct {
		WorkTree     string `json:"worktreePath"`
		Issues       []any  `json:"issue_numbers"`
		PullRequests []any  `json:"pr_numbers"`
	}
	// Two paths may give the same file name. If the file names a work tree, it must be this one.
	if err := json.Unmarshal(b, &noted); err != nil {
		return nil
	}
	if noted.WorkTree != "" && filepath.Clean(noted.WorkTree) != filepath.Clean(workTree) {
		return nil
	}
	var ids []string
	for _, n := range noted.PullRequests {
		ids = append(ids, fmt.Sprintf("pr/%v", n))
	}
	for _, n := range noted.Issues {
		ids = append(ids, fmt.Sprint(n))
	}
	return ids
}
