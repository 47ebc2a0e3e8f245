package inside

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/plugin/command"
)

func TestExecTellsWordsFlagsAndCommandApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, words, command, user string
		whole                      bool
	}{
		{line: "-- ls -l", command: "ls -l"},
		{line: "123 -- ls -l", words: "123", command: "ls -l"},
		{line: "123 db -- ls -- -l", words: "123 db", command: "ls -- -l"},
		{line: "-u root 123 -- ls", words: "123", command: "ls", user: "root"},
		{line: "123 -u root -- ls", words: "123", command: "ls", user: "root"},
		{line: "123 -u root db -- ls -u x", words: "123 db", command: "ls -u x", user: "root"},
		{line: "123 ls -l", words: "123 ls -l", whole: true},
		{line: "123 -u root ls -u x", words: "123 ls -u x", user: "root", whole: true},
		{line: "db psql -- -l", words: "db psql", command: "-l"},
		{line: "123", words: "123"},
		{line: "123 --", words: "123"},
		{line: ""},
	} {
		cmd := newExecCommand(&command.Environment{})
		assert.NilError(t, cmd.ParseFlags(strings.Fields(c.line)))
		words, command, whole, err := execArgs(cmd.Flags(), cmd.Flags().Args())
		assert.NilError(t, err)
		assert.Equal(t, strings.Join(words, " "), c.words, c.line)
		assert.Equal(t, strings.Join(command, " "), c.command, c.line)
		assert.Equal(t, whole, c.whole, c.line)
		assert.Equal(t, cmd.Flag("user").Value.String(), c.user, c.line)
	}
}
