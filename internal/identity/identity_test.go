package identity

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"
)

func TestParseIDNormalisesWhatUsersType(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ typed, id string }{
		{"123", "123"},
		{"#123", "123"},
		{" 123 ", "123"},
		{"0123", "123"},
		{"#007", "7"},
		{"0", "0"},
		{"000", "0"},
		{"99999999999999999999999", "99999999999999999999999"},
		{"ENG-324", "ENG-324"},
		{"eng-324", "ENG-324"},
		{"Mark-3", "MARK-3"},
		{"pr/45", "pr/45"},
		{"PR-45", "pr/45"},
		{"Pr/45", "pr/45"},
		{"feat/x", "feat/x"},
		{"Feat/X", "Feat/X"},
		{"main", "main"},
		{"e-3", "e-3"},
		{"eng-3-x", "eng-3-x"},
		{"pr/x", "pr/x"},
		{"#x", "#x"},
		{"v1.0", "v1.0"},
		{"日本", "日本"},
		{"a$b\"c", "a$b\"c"},
		{"a`b", "a`b"},
		{"a'b", "a'b"},
	} {
		id, err := ParseID(tc.typed)
		assert.Check(t, err == nil && id == tc.id, "%q gave %q, %v, want %q", tc.typed, id, err, tc.id)
	}
}

func TestParseIDRefusesWhatNamesNothing(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"", " ", "#", "--", "-x", "-1", "/", "...", "a b", "a\nb", "a\x00", "a\u2028b", "\u00a0", "☃", strings.Repeat("x", 201), "a\xff", "a`'b", "a`b\\"} {
		id, err := ParseID(typed)
		var e *IDError
		assert.Check(t, errors.As(err, &e) && id == "", "%q gave %q, %v", typed, id, err)
		assert.Check(t, e == nil || e.Typed == typed)
	}
	_, err := ParseID("--")
	assert.Error(t, err, `"--" is not an id: give an issue number, a key such as ENG-324, or a branch`)
}

func TestAPathIsNotAnID(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{".", "..", "./x", "../x", "../x/y", "/src/x", "/", "~", "~/x", "~max/x", "x/", "feat/x/", "a/../b", `..\x`, `.\x`, " ../x"} {
		assert.Check(t, IsPath(typed), "%q", typed)
	}
	for _, typed := range []string{"123", "#123", "pr/45", "feat/x", "feat/x..y", "v1.0", ".wt", "feat/.x", "main", "shop/7", ""} {
		assert.Check(t, !IsPath(typed), "%q", typed)
	}
	assert.Error(t, &IDError{"../x"}, `"../x" is a path, not an id: give an issue number, a key such as ENG-324, or a branch, or run the command in that folder`)
}

func TestParseIDOfAnIDIsTheID(t *testing.T) {
	t.Parallel()
	typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`#?[0-9]{1,5}`), rapid.StringMatching(`[A-Za-zſK]{1,4}[-/][0-9]{1,3}`),
		rapid.StringMatching(`(pr|PR|Pr)[-/][0-9]{1,3}`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		id, err := ParseID(typed.Draw(t, "typed"))
		if err != nil {
			return
		}
		again, err := ParseID(id)
		assert.NilError(t, err)
		assert.Equal(t, again, id)
	})
}

var composeName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func TestProjectNameFollowsRepositoryAndID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-", 20)
	for _, tc := range []struct {
		name, format, repository, id string
		crowded                      bool
		want                         string
	}{
		{"a number", "", "/src/shop", "123", false, "iloom-shop-123"},
		{"a branch of plain letters", "", "/src/shop", "login", false, "iloom-shop-login"},
		{"a key is changed, so it has its hash", "", "/src/shop", "ENG-324", false, "iloom-shop-eng-324-" + ShortHash("ENG-324")},
		{"a slash", "", "/src/shop", "feat/x", false, "iloom-shop-feat-x-" + ShortHash("feat/x")},
		{"no letter that Compose allows", "", "/src/shop", "日本", false, "iloom-shop-" + ShortHash("日本")},
		{"a dash at the end", "", "/src/shop", "x-", false, "iloom-shop-x-" + ShortHash("x-")},
		{"cut", "", "/src/shop", long, false, "iloom-shop-" + strings.TrimRight(long[:40], "-") + "-" + ShortHash(long)},
		{"a repository of another kind", "", "/src/My App.git", "1", false, "iloom-my-app-git-1"},
		{"a long repository", "", "/src/" + long, "1", false, "iloom-" + strings.TrimRight(long[:30], "-") + "-1"},
		{"a repository without a letter", "", "/", "1", false, "iloom-project-1"},
		{"another repository has the name", "", "/src/shop", "123", true, "iloom-shop-" + ShortHash("/src/shop") + "-123"},
		{"a template", "{{.ID}}-of-{{.Repo}}", "/src/shop", "123", false, "123-of-shop"},
		{"a template with what Compose does not allow", "Team X: {{.ID}}", "/src/shop", "feat/x", false, "team-x--feat-x-" + ShortHash("feat/x")},
	} {
		got, err := ProjectName(Naming{Format: tc.format, Repository: tc.repository, ID: tc.id, Crowded: Crowded(tc.crowded)})
		assert.Check(t, err == nil && got == tc.want, "%s: %q, %v, want %q", tc.name, got, err, tc.want)
		assert.Check(t, composeName.MatchString(got), "%s: %q", tc.name, got)
	}
}

func TestProjectNameRefusesATemplateThatGivesNone(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"{{.Repo":       "settings: container.projectName: ",
		"{{.Branch}}":   "settings: container.projectName: ",
		"--":            `settings: container.projectName: "--" gives no name`,
		"{{index . 1}}": "settings: container.projectName: ",
	} {
		_, err := ProjectName(Naming{Format: format, Repository: "/src/shop", ID: "1"})
		assert.Check(t, err != nil && strings.HasPrefix(err.Error(), want), "%s: %v", format, err)
	}
}

func TestTwoIDsNeverShareAProjectName(t *testing.T) {
	t.Parallel()
	typed := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9/_.#-]{1,5}`), rapid.StringMatching(`[a-z]{38,45}-?[0-9]?`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		a, err := ParseID(typed.Draw(t, "one"))
		if err != nil {
			return
		}
		b, err := ParseID(typed.Draw(t, "other"))
		if err != nil || a == b {
			return
		}
		for _, crowded := range []Crowded{false, true} {
			one, err := ProjectName(Naming{Repository: "/src/shop", ID: a, Crowded: crowded})
			assert.NilError(t, err)
			other, err := ProjectName(Naming{Repository: "/src/shop", ID: b, Crowded: crowded})
			assert.NilError(t, err)
			assert.Assert(t, one != other, "%q and %q are both %s", a, b, one)
			assert.Assert(t, composeName.MatchString(one) && len(one) <= 100, one)
		}
	})
}

func TestProjectNameOfAFolder(t *testing.T) {
	t.Parallel()
	hashed := func(path, id string) string { return "-" + ShortHash(path+"\x00"+id) }
	for _, tc := range []struct {
		name string
		n    Naming
		want string
	}{
		{"a folder", Naming{ID: "7", Folder: "web", Path: "apps/web"}, "iloom-shop-web-7"},
		{"a key", Naming{ID: "ENG-3", Folder: "web", Path: "apps/web"}, "iloom-shop-web-eng-3" + hashed("apps/web", "ENG-3")},
		{"folder and id read like a key, which would have a hash", Naming{ID: "7", Folder: "eng", Path: "eng"}, "iloom-shop-eng-7"},
		{"folder and id read like a pull request, which would have one", Naming{ID: "45", Folder: "pr", Path: "pr"}, "iloom-shop-pr-45"},
		{"folder and id read like a branch", Naming{ID: "7", Folder: "web-app", Path: "web-app"}, "iloom-shop-web-app-7" + hashed("web-app", "7")},
		{"folder and id read like another folder and id", Naming{ID: "app-7", Folder: "web", Path: "web"}, "iloom-shop-web-app-7" + hashed("web", "app-7")},
		{"a number", Naming{ID: "8", Folder: "7", Path: "7"}, "iloom-shop-7-8" + hashed("7", "8")},
		{"another folder ends alike", Naming{ID: "7", Folder: "web", Path: "a/web", Twin: true}, "iloom-shop-web-7" + hashed("a/web", "7")},
		{"a folder without a letter", Naming{ID: "7", Folder: "日本", Path: "日本"}, "iloom-shop-7" + hashed("日本", "7")},
		{"capitals and blanks", Naming{ID: "7", Folder: "Web App", Path: "Web App"}, "iloom-shop-web-app-7" + hashed("Web App", "7")},
		{
			"a long folder",
			Naming{ID: "7", Folder: strings.Repeat("long", 20), Path: "x"},
			"iloom-shop-" + strings.Repeat("long", 20)[:30] + "-7",
		},
		{"another repository has the name", Naming{ID: "7", Folder: "web", Path: "web", Crowded: true}, "iloom-shop-" + ShortHash("/src/shop") + "-web-7"},
		{"a template with the folder", Naming{Format: "{{.Folder}}.{{.Repo}}.{{.ID}}", ID: "7", Folder: "web", Path: "web"}, "web-shop-7"},
		{"a template without it", Naming{Format: "{{.ID}}-{{.Repo}}", ID: "7", Folder: "web", Path: "web"}, "7-shop-web"},
		{"a template for the plain name", Naming{Format: "{{.Folder}}.{{.Repo}}.{{.ID}}", ID: "7"}, "shop-7"},
	} {
		tc.n.Repository = "/src/shop"
		got, err := ProjectName(tc.n)
		assert.Check(t, err == nil && got == tc.want, "%s: %q, %v, want %q", tc.name, got, err, tc.want)
		assert.Check(t, composeName.MatchString(got), "%s: %q", tc.name, got)
	}
}

func TestFolderAndIDNeverReadLikeOthers(t *testing.T) {
	t.Parallel()
	part := rapid.OneOf(rapid.StringMatching(`[a-z]{1,3}(-[a-z0-9]{1,3}){0,3}`), rapid.StringMatching(`([a-z]{8}-){2,5}[0-9]{1,2}`),
		rapid.StringMatching(`[A-Z]{2}-[0-9]`), rapid.StringMatching(`[0-9]{1,3}`))
	name := func(folder, id string) string {
		name, err := ProjectName(Naming{Repository: "/src/shop", ID: id, Folder: folder, Path: folder})
		assert.NilError(t, err)
		return name
	}
	rapid.Check(t, func(t *rapid.T) {
		// The same letters, cut in two at any of their dashes.
		parts := strings.Split(strings.Join(rapid.SliceOfN(part, 2, 4).Draw(t, "parts"), "-"), "-")
		seen := map[string]string{}
		for at := range parts {
			id, err := ParseID(strings.Join(parts[at:], "-"))
			assert.NilError(t, err)
			folder := strings.Join(parts[:at], "-")
			if FolderName(folder) != Sanitise(folder, 80) {
				continue // it is cut: only folders of one repository that begin alike are called alike, which Twin says
			}
			got := name(folder, id)
			if other, taken := seen[got]; taken {
				t.Fatalf("%q and %q are both %s", other, folder+" "+id, got)
			}
			seen[got] = folder + " " + id
		}
	})
}
