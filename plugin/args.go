package plugin

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/loom"
)

// idOrService is the paragraph of help on what the first argument means.
const idOrService = `The first argument is a loom if there is a loom of that name, else a service of this folder's loom. Without an ID it is
the loom of this folder.`

// named is how a command on [ID] [SERVICE...] begins: the loom that is meant, and the arguments behind its id.
func (env *environment) named(ctx context.Context, args []string) (*loom.Looms, *loom.Target, []string, error) {
	l, where, err := env.begin(args)
	if err != nil {
		return nil, nil, nil, err
	}
	t, rest, err := l.Find(ctx, loom.Query{Source: where.Source, Words: args, Purpose: loom.Reading})
	return l, t, rest, err
}

// minArgs is cobra's rule with our exit code.
func minArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError{cmd, fmt.Errorf("%s needs %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

// changeOptions are those of the commands that change containers or images.
type changeOptions struct {
	dryRun bool
	format string
}

func (o *changeOptions) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would be done and change nothing")
	addFormat(flags, &o.format)
}

// tellActed says what was done to which services.
func tellActed(env *environment, o changeOptions, a *loom.Acted, services []string, done string) error {
	return write(env.docker.Out(), o.format, a, func(w io.Writer) {
		switch {
		case o.dryRun && len(services) == 0:
			fmt.Fprintf(w, "loom %s would be %s\n", a.Loom, done)
		case o.dryRun:
			fmt.Fprintf(w, "%s of loom %s would be %s\n", strings.Join(a.Services, ", "), a.Loom, done)
		case len(services) == 0:
			fmt.Fprintf(w, "loom %s %s\n", a.Loom, done)
		default:
			fmt.Fprintf(w, "%s of loom %s %s\n", strings.Join(a.Services, ", "), a.Loom, done)
		}
	})
}
