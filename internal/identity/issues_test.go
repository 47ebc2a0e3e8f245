package identity

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestIDFromBranch(t *testing.T) {
	t.Parallel()
	for branch, want := range map[string]string{
		"feat/issue-123__login-page":     "123",
		"feat/ISSUE-123__x":              "123",
		"feat/issue-eng-324__login":      "ENG-324",
		"feat/issue-abc__x":              "abc",
		"feat/issue-7-fix__x":            "7",
		"issue-7":                        "7",
		"fix/issue-7-crash":              "7",
		"fix/issue-7-issue-8__x":         "8", // the first pattern wins, not the first place
		"feat/issue-MARK-9":              "MARK-9",
		"feat/issue-mark-9":              "MARK-9",
		"feat/issue-a1b2":                "a1b2",
		"feat/issue_42":                  "42",
		"feat/Issue_42_x":                "42",
		"42-login":                       "42",
		"main":                           "",
		"":                               "",
		"feat/login":                     "",
		"feat/42-login":                  "", // leading means the whole branch
		"42":                             "",
		"42_login":                       "",
		"tissue-7":                       "",
		"issue-":                         "",
		"issue-tracker-fix":              "",
		"feat/issue-7/x":                 "",
		"feat/issue-7x-y":                "",
		"feat/issue-__x":                 "",
		"eng-324":                        "",
		"feat/issue-123__issue-456__two": "123",
	} {
		id, ok := IDFromBranch(branch)
		assert.Equal(t, id, want, "branch %q", branch)
		assert.Equal(t, ok, want != "", "branch %q", branch)
	}
}

func TestIDFromFolder(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"feat-login_pr_45":             "pr/45",
		"feat-issue-7__x_PR_45":        "pr/45",
		"feat-issue-123__login":        "123",
		"feat-issue-eng-324":           "ENG-324",
		"issue-7-crash":                "7",
		"2024-site":                    "",
		"shop":                         "",
		"":                             "",
		"feat-login_pr_45b":            "",
		"feat-login_pr_":               "",
		"_pr_9":                        "pr/9",
		"feat-issue-123__login_pr_x":   "123",
		"99999999999999999999999_pr_1": "pr/1",
	} {
		id, ok := IDFromFolder(base)
		assert.Equal(t, id, want, "folder %q", base)
		assert.Equal(t, ok, want != "", "folder %q", base)
	}
}
