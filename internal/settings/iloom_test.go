package settings

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestNotedIDsReadsWhatIloomKeepsOfAWorkTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user := filepath.Join(dir, "settings.json")
	assert.NilError(t, os.Mkdir(filepath.Join(dir, "looms"), 0o755))
	for name, text := range map[string]string{
		"___src___shop-looms___feat-login.json":  `{"worktreePath": "/src/shop-looms/feat-login", "issueType": "issue", "issue_numbers": ["123", 7], "pr_numbers": []}`,
		"___src___shop-looms___my-page.json":     `{"worktreePath": "/src/shop-looms/my page", "pr_numbers": ["45"], "issue_numbers": ["6"]}`,
		"___src___shop-looms___damaged.json":     `{`,
		"___src___shop-looms___new-version.json": `{"issue_numbers": "12"}`,
	} {
		assert.NilError(t, os.WriteFile(filepath.Join(dir, "looms", name), []byte(text), 0o644))
	}
	for path, want := range map[string][]string{
		"/src/shop-looms/feat-login":  {"123", "7"},
		"/src/shop-looms/feat-login/": {"123", "7"},
		"/src/shop-looms/my page":     {"pr/45", "6"},
		"/src/shop-looms/my.page":     nil, // its name comes to the same file
		"/src/shop-looms/damaged":     nil,
		"/src/shop-looms/new-version": nil,
		"/src/shop-looms/none":        nil,
	} {
		assert.DeepEqual(t, NotedIDs(user, path), want)
	}
}
