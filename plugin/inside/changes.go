package inside

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// idOrService is the paragraph of help on what the first argument means.
const idOrService = `The first argument is a loom if there is a loom of that name, else a service of this folder's loom. Without an ID it is
the loom of this folder.`

// changeOptions are those of the commands that change containers or images.
type changeOptions struct {
	dryRun bool
	format string
}

func (o *changeOptions) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would be done and change nothing")
	output.AddFormat(flags, &o.format)
}

// tellActed says what was done to which services.
func tellActed(env *command.Environment, o changeOptions, a *loom.Acted, services []string, done string) error {
	return output.Write(env.Docker.Out(), o.format, a, func(w io.Writer) {
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

// tellImages says which images were built or pulled, a line each.
func tellImages(env *command.Environment, o changeOptions, images *loom.Images, done string) error {
	if o.dryRun {
		done = "would be " + done
	}
	return output.Write(env.Docker.Out(), o.format, images, func(w io.Writer) {
		if len(images.Images) == 0 {
			fmt.Fprintf(w, "loom %s: no image is to be %s\n", images.Loom, done)
		}
		for _, i := range images.Images {
			fmt.Fprintf(w, "%s of loom %s %s: %s\n", i.Service, images.Loom, done, i.Image)
		}
	})
}

// act does one thing to the services that are named, and tells.
func act(ctx context.Context, env *command.Environment, o changeOptions, args []string, done string, do func(context.Context, *loom.Looms, *loom.Target, []string) (*loom.Acted, error)) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	a, err := do(ctx, l, t, services)
	if err != nil {
		return err
	}
	return tellActed(env, o, a, services, done)
}
