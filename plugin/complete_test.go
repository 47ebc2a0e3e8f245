package plugin

import (
	"testing"

	"github.com/spf13/cobra"
	"gotest.tools/v3/assert"
)

func TestGrammarIsReadOffTheUsageLine(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string]struct {
		places []string
		many   bool
	}{
		"ls [OPTIONS]":                                {nil, false},
		"up [OPTIONS] [ID]":                           {[]string{argID}, false},
		"down [OPTIONS] [ID...]":                      {[]string{argID}, true},
		"logs [OPTIONS] [ID] [SERVICE...]":            {[]string{argID, argService}, true},
		"open [OPTIONS] [ID] [SERVICE|PORT]":          {[]string{argID, argService}, false},
		"port [OPTIONS] [ID] SERVICE PORT":            {[]string{argID, argService, argPort}, false},
		"exec [ID] [SERVICE] -- COMMAND [ARG...]":     {[]string{argID, argService, argOther}, true},
		"cp [ID] SERVICE:SRC_PATH DEST_PATH|-\nagain": {[]string{argID, argPath, argPath}, false},
	} {
		places, many := grammar(usage)
		assert.DeepEqual(t, places, want.places)
		assert.Equal(t, many, want.many, usage)
	}
}

// TestEveryCommandHelps: each command has what its help and its page of the reference need.
func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		assert.Assert(t, cmd.Short != "", cmd.CommandPath())
		if !cmd.HasSubCommands() {
			assert.Assert(t, cmd.Example != "" && cmd.Args != nil && cmd.ValidArgsFunction != nil, cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(Command().Commands()[0])
}
