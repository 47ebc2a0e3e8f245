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
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, ID(tc.labels), tc.want)
		})
	}
}
