package upkeep

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newTrustCommand(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Show and accept what a loom's files ask of this machine",
		Long: `Show and accept what a loom's files ask of this machine beyond containers of their own: folders outside the
work tree, the Docker socket, devices, variables. If others may have written the work tree, such as an agent or the
author of a pull request, up stops at what was not accepted.`,
		Args: command.NoSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTrustListCommand(env), newTrustDiffCommand(env), newTrustAcceptCommand(env))
	return cmd
}

func newTrustListCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List looms with what was accepted and what is pending",
		Long: `List looms with the number of requests that were accepted, and of those that are pending: the files ask for
them now, and nobody accepted them. CHECKED says whether up compares the two, because others may have written the work
tree; SINCE and WHY say since when, and who.`,
		Example: "  docker loom trust ls\n  docker loom trust ls --format json",
		Args:    command.MaxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runTrustList(cmd.Context(), env, format) },
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

func runTrustList(ctx context.Context, env *command.Environment, format string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	list, err := l.Trusts(ctx)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), format, list, func(w io.Writer) {
		output.Columns(w, trustTable(list))
	})
}

// trustTable has a row for each project. Their folders are shown if a loom has several.
func trustTable(list []loom.Trust) [][]string {
	rows := [][]string{{"LOOM", "CHECKED", "SINCE", "ACCEPTED", "PENDING", "WHY"}}
	isSeveral := false
	seen := map[[2]string]bool{}
	for _, t := range list {
		name := [2]string{t.Repository, t.Loom}
		isSeveral = isSeveral || seen[name]
		seen[name] = true
		rows = append(rows, trustRow(t))
	}
	if isSeveral {
		for i, row := range rows {
			folder := "PROJECT"
			if i > 0 {
				folder = loom.Visible(list[i-1].Folder)
			}
			rows[i] = slices.Insert(row, 1, folder)
		}
	}
	return rows
}

func trustRow(t loom.Trust) []string {
	if !t.Checked {
		return []string{t.Name(), "no", "-", strconv.Itoa(len(t.Accepted)), "-", "-"}
	}
	pending := strconv.Itoa(len(t.Added))
	if t.Error != "" {
		pending = "?"
	}
	return []string{
		t.Name(), "yes", sinceText(t), strconv.Itoa(len(t.Accepted)), pending, loom.Visible(strings.Join(t.Why, "; ")),
	}
}

func sinceText(t loom.Trust) string {
	if t.Since == nil {
		return "unknown"
	}
	return t.Since.Local().Format(time.DateTime)
}

func newTrustDiffCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "diff [OPTIONS] [ID]",
		Short: "Compare what a loom's files ask now with what was accepted",
		Long: `Compare what a loom's files ask of this machine now with what was accepted. Lines with + are new, lines with -
are no longer asked, lines with ~ are files that decide what up does and changed since. Nothing is changed.`,
		Example: "  docker loom trust diff 123\n  docker loom trust diff 123 --format json",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, t, err := readTrust(cmd.Context(), env, args)
			if err != nil {
				return err
			}
			err = output.Write(env.Docker.Out(), format, t, func(w io.Writer) { writeTrust(w, t) })
			if err == nil && format == "" && len(t.Added) > 0 {
				step := fmt.Sprintf("docker loom trust accept %s --digest %s accepts exactly this", t.Loom, t.Digest)
				fmt.Fprintln(env.Docker.Err(), env.WithProject(step))
			}
			return err
		},
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

func readTrust(ctx context.Context, env *command.Environment, args []string) (*loom.Looms, *loom.Trust, error) {
	l, where, err := env.Begin(args)
	if err != nil {
		return nil, nil, err
	}
	t, err := l.TrustDiff(ctx, where)
	return l, t, err
}

func writeTrust(w io.Writer, t *loom.Trust) {
	for _, request := range t.Added {
		fmt.Fprintln(w, "+ "+loom.Visible(request))
	}
	for _, request := range t.Gone {
		fmt.Fprintln(w, "- "+loom.Visible(request))
	}
	for _, path := range t.Changed {
		fmt.Fprintln(w, "~ "+loom.Visible(path))
	}
	if len(t.Added)+len(t.Gone) == 0 {
		fmt.Fprintf(w, "loom %s: nothing new\n", t.Name())
	}
	if t.Checked {
		fmt.Fprintf(w, "checked since %s: %s\n", sinceText(*t), loom.Visible(strings.Join(t.Why, "; ")))
	}
}

type trustAcceptOptions struct {
	yes            bool
	digest, format string
}

func newTrustAcceptCommand(env *command.Environment) *cobra.Command {
	var o trustAcceptOptions
	cmd := &cobra.Command{
		Use:   "accept [OPTIONS] [ID]",
		Short: "Accept what a loom's files ask now",
		Long: `Accept what a loom's files ask of this machine now. It shows the new requests and asks. Only what is shown is
accepted: if the files change meanwhile, nothing is. --digest accepts what docker loom trust diff showed, and nothing if
the files changed since.`,
		Example: "  docker loom trust accept 123\n  docker loom trust accept 123 --yes",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runTrustAccept(cmd.Context(), env, o, args) },
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	cmd.Flags().StringVar(&o.digest, "digest", "",
		"Accept what docker loom trust diff showed with this digest, without asking")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runTrustAccept(ctx context.Context, env *command.Environment, o trustAcceptOptions, args []string) error {
	l, t, err := readTrust(ctx, env, args)
	if err != nil {
		return err
	}
	if o.digest != "" && o.digest != t.Digest {
		return &loom.FilesChangedError{ID: t.Loom, Loom: t.Name()}
	}
	if !o.yes && o.digest == "" && len(t.Added) > 0 {
		writeTrust(env.Docker.Err(), t)
		if err := env.Ask("accept these", "--yes"); err != nil {
			return err
		}
	}
	if err := l.AcceptTrust(ctx, t); err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, t, func(w io.Writer) {
		if len(t.Added) == 0 {
			fmt.Fprintf(w, "loom %s: nothing new\n", t.Name())
			return
		}
		fmt.Fprintf(w, "loom %s: %d new requests accepted\n", t.Name(), len(t.Added))
	})
}
