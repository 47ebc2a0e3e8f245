package features

import (
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

func TestOptionsBecomeVariables(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"version": "VERSION", "installTools": "INSTALLTOOLS", "install-tools": "INSTALL_TOOLS", "2bool": "_BOOL", "__x": "_X", "9_x": "_X",
		"a.b c": "A_B_C", "ä": "_", "_": "_",
	} {
		if got := variable(option); got != want {
			t.Errorf("%s: %s, not %s", option, got, want)
		}
	}
}

func TestOptionsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	m, err := parseManifest([]byte(`{
		"id": "x", // a comment
		"options": {"version": {"type": "string", "default": "lts"}, "flag": {"type": "boolean", "default": true}, "bare": {"type": "string"}},
	}`))
	if err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]map[string]string{
		``:                                   {"version": "lts", "flag": "true"},
		`{}`:                                 {"version": "lts", "flag": "true"},
		`"18"`:                               {"version": "18", "flag": "true"},
		`true`:                               {"version": "true", "flag": "true"},
		`{"flag": false, "other": "x"}`:      {"version": "lts", "flag": "false", "other": "x"},
		`{"bare": "", "version": "\u00e4$"}`: {"version": "ä$", "flag": "true", "bare": ""},
	} {
		got, _, err := m.values(json.RawMessage(written))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", written, got, err)
		}
	}
	for _, written := range []string{`[]`, `{"a": {}}`, `{"a": []}`, `{"": "x"}`, `{"a": "\u0000"}`} {
		if got, _, err := m.values(json.RawMessage(written)); err == nil {
			t.Errorf("%s: %v", written, got)
		}
	}
	without := &Manifest{}
	if got, _, err := without.values(json.RawMessage(`"18"`)); err != nil || len(got) != 0 {
		t.Errorf("a version where none is declared: %v, %v", got, err)
	}
}

func parseManifest(data []byte) (*Manifest, error) {
	document, err := jsonc.Parse(ManifestFile, data)
	if err != nil {
		return nil, err
	}
	return decodeManifest(document)
}

func TestManifestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `[]`, `{}`, `{"id": 1}`, `{"id": "x", "containerEnv": {"A B": "x"}}`, `{"id": "x", "containerEnv": {"A": "x\ny"}}`,
		`{"id": "x", "options": {"": {}}}`, `{"id": "x"`, strings.Repeat(`[`, 20_000),
	} {
		if m, err := parseManifest([]byte(text)); err == nil {
			t.Errorf("%.40s: %+v", text, m)
		}
	}
}

// What install.sh gets is what was written, byte for byte, through a real shell.
func FuzzOptionsReachTheShell(f *testing.F) {
	for _, s := range []string{"", "lts", `it's`, `"; echo x; "`, "$(id)`id`$HOME\\", "a\nb", "\r\n", "'\\''", "ä ö", "#x", "!"} {
		f.Add("version", s)
	}
	f.Add("a b'c", "x")
	f.Fuzz(func(t *testing.T, name, value string) {
		text, err := json.Marshal(map[string]string{name: value})
		if err != nil {
			t.Fatal(err)
		}
		options, _, err := (&Manifest{}).values(text)
		if err != nil {
			return
		}
		feature := &Feature{Options: options}
		for written, want := range options {
			v := variable(written)
			switch v {
			case "_", "PATH", "IFS", "PWD", "OLDPWD", "SHLVL", "PS4", "PPID", "OPTIND", "LINENO", "ENV":
				return // the shell's own
			}
			out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", feature.optionsText()+`printf '%s.' "$`+v+`"`).Output()
			if err != nil || string(out) != want+"." {
				t.Errorf("%q=%q: %q, %v", written, want, out, err)
			}
		}
	})
}
