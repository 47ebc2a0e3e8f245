package devcontainer

import (
	"encoding/json"
	"testing"

	"gotest.tools/v3/assert"
)

func TestSizesAreInPowersOf1024(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"0": 0, "1024": 1024, "1kb": 1 << 10, "2mb": 2 << 20, "8gb": 8 << 30, "1tb": 1 << 40} {
		got, err := ParseSize(in)
		assert.NilError(t, err)
		assert.Equal(t, got, want)
	}
	for _, in := range []string{"", "8 gb", "8GB", "8g", "8b", "-1gb", "1.5gb", "gb", "99999999999999999999", "9007199254740992tb"} {
		_, err := ParseSize(in)
		assert.Assert(t, err != nil, in)
	}
}

func TestRequirementsMergeToTheMost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		entries []string
		want    string
	}{
		{"nobody asks", []string{`{}`, `{"cpus":0,"memory":"0","gpu":false}`}, ""},
		{"most of each", []string{`{"cpus":4,"memory":"1gb"}`, `{"cpus":2,"memory":"2048mb","storage":"1kb"}`}, `{"cpus":4,"memory":"2147483648","storage":"1024"}`},
		{"no CPUs", []string{`{"memory":"1kb"}`}, `{"cpus":0,"memory":"1024"}`},
		{"false yields", []string{`{"gpu":"optional"}`, `{"gpu":false}`}, `{"cpus":0,"gpu":"optional"}`},
		{"true", []string{`{"gpu":false}`, `{"gpu":true}`}, `{"cpus":0,"gpu":true}`},
		{"both optional", []string{`{"gpu":"optional"}`, `{"gpu":"optional"}`}, `{"cpus":0,"gpu":"optional"}`},
		{"one optional", []string{`{"gpu":"optional"}`, `{"gpu":true}`}, `{"cpus":0,"gpu":true}`},
		{"optional and an object", []string{`{"gpu":{"cores":4}}`, `{"gpu":"optional"}`}, `{"cpus":0,"gpu":{"cores":4}}`},
		{"one object as written", []string{`{"gpu":{"memory":"8gb","cores":1}}`}, `{"cpus":0,"gpu":{"memory":"8gb","cores":1}}`},
		{"most of two objects", []string{`{"gpu":{"cores":4,"memory":"1kb"}}`, `{"gpu":{"cores":2,"memory":"2kb"}}`}, `{"cpus":0,"gpu":{"cores":4,"memory":"2048"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var entries []Metadata
			for _, e := range tc.entries {
				m, err := ParseMetadata(`{"hostRequirements":` + e + `}`)
				assert.NilError(t, err)
				entries = append(entries, m...)
			}
			got := mergeRequirements(entries)
			if tc.want == "" {
				assert.Assert(t, got == nil)
				return
			}
			data, err := json.Marshal(got)
			assert.NilError(t, err)
			assert.Equal(t, string(data), tc.want)
		})
	}
}
