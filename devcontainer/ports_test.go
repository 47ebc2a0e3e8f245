package devcontainer

import (
	"encoding/json"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAttributesAreFoundAsInVSCode(t *testing.T) {
	t.Parallel()
	c := config(t, `{"image":"x","portsAttributes":{
		"3000-4000": {"label":"range","protocol":"https","onAutoForward":"silent"},
		"3000": {"label":"exact","requireLocalPort":true},
		"3500-3600": {"label":"later range","elevateIfNeeded":true},
		"db:5432": {"label":"database"},
		"localhost:6000": {"label":"here"},
		"10000 - 10001": {"label":"with blanks"},
		".+/server.js": {"label":"server"},
		"(?<=look)behind": {"label":"no expression for Go"},
		"9000": {}
	},"otherPortsAttributes":{"onAutoForward":"ignore"}}`)
	m := Merge(nil, nil, c)
	for _, tc := range []struct {
		host    string
		port    int
		command string
		want    string
	}{
		{"", 3000, "", `{"label":"exact","protocol":"https","onAutoForward":"silent","requireLocalPort":true}`},
		{"", 3001, "", `{"label":"range","protocol":"https","onAutoForward":"silent"}`},
		{"", 3550, "", `{"label":"range","protocol":"https","onAutoForward":"silent","elevateIfNeeded":true}`},
		{"", 4001, "", `{"onAutoForward":"ignore"}`},
		{"db", 5432, "", `{"label":"database"}`},
		{"", 5432, "", `{"onAutoForward":"ignore"}`},
		{"web", 3000, "", `{"onAutoForward":"ignore"}`},
		{"", 6000, "", `{"label":"here"}`},
		{"", 10001, "", `{"label":"with blanks"}`},
		{"", 8080, "node /app/server.js", `{"label":"server"}`},
		{"", 8080, "lookbehind", `{"onAutoForward":"ignore"}`},
		{"", 9000, "", `{"onAutoForward":"ignore"}`},
	} {
		got, err := json.Marshal(m.Attributes(tc.host, tc.port, tc.command))
		assert.NilError(t, err)
		assert.Equal(t, string(got), tc.want, "%v", tc)
	}
	assert.Assert(t, (&Merged{}).Attributes("", 1, "").Equal(PortAttributes{}))
}

func TestForwardPortsKeepTheirForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"3000": "3000", "0": "0", "65535": "65535", "db:5432": `"db:5432"`, "localhost:80": "80", "127.0.0.1:80": "80", "My_db.local:1": `"My_db.local:1"`,
	} {
		p, err := ParseForwardPort(in)
		assert.NilError(t, err)
		got, err := json.Marshal(p)
		assert.NilError(t, err)
		assert.Equal(t, string(got), want)
	}
	for _, in := range []string{"", ":", "db:", ":80", "65536", "db:65536", "3000-3001", "8080:80:tcp", "-1", "a b:1", "é:1", "123456"} {
		_, err := ParseForwardPort(in)
		assert.Assert(t, err != nil, in)
	}
}
