package looms

import (
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/data"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// createOptions are those that up and prepare share.
type createOptions struct {
	offset int
	pinned bool
	dryRun bool
	trust  bool
	config string
	build  bool
	pull   string
	quiet  bool
	format string
	tree   treeOptions
	data   data.Request
}

func (o *createOptions) flags(flags *pflag.FlagSet) {
	flags.IntVar(&o.offset, "offset", 0, "Add exactly this to every base port")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show the plan and change nothing")
	flags.BoolVar(&o.trust, "trust", false,
		"Accept what the files of a pull request, or after an agent worked on them, ask of this machine")
	flags.StringVar(&o.config, "config", "", "The devcontainer.json to use, from now on")
	flags.BoolVar(&o.build, "build", false, "Build images before starting containers")
	flags.StringVar(&o.pull, "pull", "", `Pull images before running ("always", "missing", "never")`)
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	o.tree.flags(flags)
	output.AddFormat(flags, &o.format)
	dataFlags(flags, &o.data)
}

// dataFlags are those for the data that a new loom begins with.
func dataFlags(flags *pflag.FlagSet, d *data.Request) {
	flags.StringVar(&d.From, "data-from", "",
		"Begin with a copy of the named volumes of another loom; its services that write them are paused meanwhile")
	flags.BoolVar(&d.Live, "live", false,
		"With --data-from: copy while the other loom writes, which files in the making may not survive")
	flags.BoolVar(&d.Stop, "stop-source", false,
		"With --data-from: stop the other loom's services instead of pausing them: they write what they hold in memory")
}

func checkData(cmd *cobra.Command, d data.Request) error {
	switch {
	case d.From == "" && cmd.Flags().Changed("data-from"):
		return command.Usagef(cmd, "--data-from: no loom is given")
	case d.From == "" && (d.Live || d.Stop):
		return command.Usagef(cmd, "--live and --stop-source go with --data-from")
	case d.Live && d.Stop:
		return command.Usagef(cmd, "--live stops nothing: leave out one of --live and --stop-source")
	}
	return nil
}

func (o *createOptions) check(cmd *cobra.Command) error {
	if err := checkData(cmd, o.data); err != nil {
		return err
	}
	o.pinned = cmd.Flags().Changed("offset")
	if o.pinned && o.offset < 0 {
		return command.Usagef(cmd, "--offset must not be negative: %d", o.offset)
	}
	if err := command.OneOf("pull", o.pull, "always", "missing", "never"); err != nil {
		return command.WrongUsage(cmd, err)
	}
	return nil
}

func (o *createOptions) request(where loom.Where) loom.UpRequest {
	req := loom.UpRequest{Where: where, CreateOptions: stack.CreateOptions{Build: o.build, Pull: o.pull}}
	req.DryRun, req.Trust, req.Config = o.dryRun, o.trust, from(where.Source.Dir, o.config)
	req.Data = o.data
	if o.pinned {
		req.Offset = &o.offset
	}
	return req
}

// from makes a path absolute that counts from the folder; "" stays.
func from(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
