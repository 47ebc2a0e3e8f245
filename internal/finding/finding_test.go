package finding

import (
	"encoding/json"
	"testing"

	"gotest.tools/v3/assert"
)

func TestWorstIsTheHighestLevel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		levels []Level
		want   Level
	}{
		{"nothing", nil, ""},
		{"one", []Level{Info}, Info},
		{"warning before info", []Level{Warning, Info}, Warning},
		{"error last", []Level{Info, Warning, Error}, Error},
		{"error first", []Level{Error, Warning}, Error},
		{"unknown counts as error", []Level{Warning, "fatal"}, Error},
		{"empty level", []Level{""}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var fs []Finding
			for _, l := range tc.levels {
				fs = append(fs, Finding{Level: l})
			}
			assert.Equal(t, Worst(fs), tc.want)
		})
	}
}

func TestStringIsOneLineWithoutEmptyParts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		f    Finding
		want string
	}{
		{Finding{Warning, "service web", "port 80 moves by the override alone", "use ${WEB_PORT}"}, "warning: service web: port 80 moves by the override alone (use ${WEB_PORT})"},
		{Finding{Info, "volume data", "is external and shared", ""}, "info: volume data: is external and shared"},
		{Finding{Level: Error, Message: "no ports"}, "error: no ports"},
		{Finding{Remedy: "do"}, "(do)"},
		{Finding{}, ""},
	} {
		assert.Equal(t, tc.f.String(), tc.want)
	}
}

func TestJSONKeysAreStable(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Finding{Warning, "file .env", "is tracked", "untrack it"})
	assert.NilError(t, err)
	assert.Equal(t, string(b), `{"level":"warning","subject":"file .env","message":"is tracked","remedy":"untrack it"}`)

	b, err = json.Marshal(Finding{Level: Info, Subject: "service web", Message: "is isolated"})
	assert.NilError(t, err)
	assert.Equal(t, string(b), `{"level":"info","subject":"service web","message":"is isolated"}`)
}
