package devcontainer

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestIDIsTheReferences(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"usual", map[string]string{
			LabelLocalFolder: "/home/dev/app",
			LabelConfigFile:  "/home/dev/app/.devcontainer/devcontainer.json",
		}, "06jak1t63th5o5cossaef7l468f48s1skje843igi9758sgeud4q"},
		{"two others", map[string]string{LabelLocalFolder: "/a", LabelConfigFile: "/a/.devcontainer.json"}, "1s2ir76ql7ilu9vi2o6i1fuiqvq1o6o1bmkgaf6hkn5tgepfqjjk"},
		{"characters that JSON libraries escape in their own ways", map[string]string{"b": "<&>\u2028\u2029\\u2028 é\t\"", "a": "\x01\x7f\b\f"}, "0mbj4de39koi7pm17d9uagin4er2869mht7ccciemi39tc3efnpo"},
		{"filled up with zeros", map[string]string{"x": "1"}, "009rripb9ksbfkjf2fpa91hht6iqshaj1gvf1pckcpkd9sc95el1"},
		{"none", nil, "0h0jduhlbcr7h88kdb8muvk697kkvd7s47v7fq1h1g30uoealvsa"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, ID(tc.labels), tc.want)
		})
	}
}

func TestIDLabelsAreThePathsAsTheyAre(t *testing.T) {
	t.Parallel()
	c := &Config{Path: "/link/app/.devcontainer/devcontainer.json", Workspace: "/link/app"}
	assert.DeepEqual(t, c.IDLabels(), map[string]string{
		"devcontainer.local_folder": "/link/app",
		"devcontainer.config_file":  "/link/app/.devcontainer/devcontainer.json",
	})
}
