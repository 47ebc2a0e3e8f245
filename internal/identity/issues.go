package identity

import (
	"regexp"
	"strings"
)

// issues are iloom's patterns for issues, in iloom's order. They are stricter than iloom's: "issue" must be a whole
// word (tissue-7 does not match), and an id must follow: a number, a project key, or letters and digits.
var issues = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(?:^|[^a-z0-9])issue-([a-z0-9]+|[a-z]{2,}-\d+)__`),
	regexp.MustCompile(`(?i)(?:^|[^a-z0-9])issue-(\d+)(?:-|$)`),
	regexp.MustCompile(`(?i)(?:^|[^a-z0-9])issue-([a-z0-9]+|[a-z]{2,}-\d+)$`),
	regexp.MustCompile(`(?i)(?:^|[^a-z0-9])issue_(\d+)`),
}

var (
	leading           = regexp.MustCompile(`^(\d+)-`)
	pullRequestFolder = regexp.MustCompile(`(?i)_pr_(\d+)$`)
)

// IDFromBranch returns the id that a branch name carries by iloom's conventions: 123 for feat/issue-123__login or
// 123-login, ENG-324 for issue-eng-324__x. A project key is given in upper case, anything else as it is written.
func IDFromBranch(branch string) (id string, ok bool) {
	if id, ok := issue(branch); ok {
		return id, true
	}
	if m := leading.FindStringSubmatch(branch); m != nil {
		return m[1], true
	}
	return "", false
}

// IDFromFolder returns the id in the name of a work tree's folder, by iloom's conventions: pr/45 for feat-login_pr_45,
// otherwise the issue that a branch of that name would have. The folder is named after its branch, and keeps the name
// when another branch is checked out. A leading number does not count: a folder may be called 2024-site. base is the
// last part of the path.
func IDFromFolder(base string) (id string, ok bool) {
	if m := pullRequestFolder.FindStringSubmatch(base); m != nil {
		return "pr/" + m[1], true
	}
	return issue(base)
}

func issue(name string) (id string, ok bool) {
	for _, p := range issues {
		m := p.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if projectKey.MatchString(m[1]) {
			return strings.ToUpper(m[1]), true
		}
		return m[1], true
	}
	return "", false
}
