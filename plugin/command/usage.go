package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is wrong usage: exit code 2.
type UsageError struct {
	cmd *cobra.Command
	err error
}

func (e UsageError) Error() string { return e.err.Error() }

func (e UsageError) Unwrap() error { return e.err }

// NextStep names the command's help.
func (e UsageError) NextStep() string {
	if e.cmd == nil {
		return ""
	}
	return e.cmd.CommandPath() + " --help"
}

// WrongUsage makes an error of a command that was called wrongly; nil where no command is known.
func WrongUsage(cmd *cobra.Command, err error) error { return UsageError{cmd, err} }

// Usagef is wrongUsage with a message.
func Usagef(cmd *cobra.Command, format string, args ...any) error {
	return UsageError{cmd, fmt.Errorf(format, args...)}
}

// OneOf checks the value of a flag that has fixed values; "" is a flag that was not given.
func OneOf(flag, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	last := len(allowed) - 1
	return fmt.Errorf("--%s must be %s or %s, not %q", flag, strings.Join(allowed[:last], ", "), allowed[last], value)
}

// MaxArgs is cobra's rule with our exit code.
func MaxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && n == 0 {
			return Usagef(cmd, "%s takes no arguments, not %q", cmd.CommandPath(), args[0])
		}
		if len(args) > n {
			return Usagef(cmd, "%s takes at most %d argument(s), not %d", cmd.CommandPath(), n, len(args))
		}
		return nil
	}
}

// MinArgs is cobra's rule with our exit code.
func MinArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return Usagef(cmd, "%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// NoSuchCommand is the argument check of a command that has only sub-commands.
func NoSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if list := cmd.SuggestionsFor(args[0]); len(list) > 0 {
		meant = "; did you mean " + strings.Join(list, " or ") + "?"
	}
	return Usagef(cmd, "%q is not a docker loom command%s", args[0], meant)
}

// IDArgs returns the arguments that name a loom by its id; none for "".
func IDArgs(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}
