package looms

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type configOptions struct {
	format  string
	explain bool
	offset  int
	pinned  bool
	config  string
	// devcontainer shows the dev container's configuration instead.
	devcontainer bool
}

func newConfigCommand(env *command.Environment) *cobra.Command {
	var o configOptions
	cmd := &cobra.Command{
		Use:   "config [OPTIONS] [ID]",
		Short: "Show the plan for a loom: the override and the .env block that up would write",
		Long: `Show the plan for a loom: the override and the .env block that up would write. Nothing is leased or written; a
loom that has leases is shown with them, a new one with those it would get now.`,
		Example: "  docker loom config 123\n  docker loom config 123 --explain\n  docker loom config 123 --format json",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.pinned = cmd.Flags().Changed("offset"); o.offset < 0 {
				return command.Usagef(cmd, "--offset must not be negative: %d", o.offset)
			}
			return runConfig(cmd.Context(), env, o, args)
		},
	}
	output.AddFormat(cmd.Flags(), &o.format)
	cmd.Flags().BoolVar(&o.explain, "explain", false, "Show each change and finding instead of the files")
	cmd.Flags().BoolVar(&o.devcontainer, "devcontainer", false,
		"Show the configuration of the dev container, as devcontainer read-configuration does")
	cmd.Flags().StringVar(&o.config, "config", "", "The devcontainer.json to use")
	cmd.Flags().IntVar(&o.offset, "offset", 0, "Add exactly this to every base port")
	return cmd
}

func runConfig(ctx context.Context, env *command.Environment, o configOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req := loom.UpRequest{Where: where}
	req.DryRun, req.Config = true, from(where.Source.Dir, o.config)
	if o.pinned {
		req.Offset = &o.offset
	}
	plan, _, err := l.Up(ctx, req)
	if err != nil {
		return err
	}
	if o.devcontainer {
		return tellDevContainer(ctx, env, l, plan, o.format)
	}
	part := planFiles
	if o.explain {
		part = planChanges
	}
	return tellPlan(env, plan, o.format, part)
}

// tellDevContainer prints what devcontainer read-configuration prints, indented unless a format is asked for.
func tellDevContainer(
	ctx context.Context, env *command.Environment, l *loom.Looms, plan *loom.Plan, format string,
) error {
	c := plan.ReadConfiguration()
	if c == nil {
		return fmt.Errorf("loom %s has no dev container: there is no devcontainer.json in %s", plan.ID, plan.WorkTree)
	}
	if id := plan.Dev.ContainerID; id != "" {
		known, err := l.DevBox(id).Configuration(ctx, *c)
		if err != nil {
			return err
		}
		c = &known
	}
	output.Findings(env.Docker.Err(), env, plan.ID, plan.Findings, output.Quiet(format != ""))
	return output.Write(env.Docker.Out(), format, c, func(w io.Writer) {
		text, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintf(w, "%s\n", text)
	})
}

// PlanDocument is what config --format json prints.
type PlanDocument struct {
	Loom string `json:"loom"`
	// Folder is that of the project, as --project takes it.
	Folder   string            `json:"folder"`
	Project  json.RawMessage   `json:"project"`
	Env      map[string]string `json:"env"`
	Override string            `json:"override"`
	Steps    []plan.Step       `json:"steps"`
	Findings []finding.Finding `json:"findings"`
	// Projects are the plans of those that come up together, the first one's too; none if it is one.
	Projects []PlanDocument `json:"projects,omitempty"`
}

// planPart is a part of a plan that is printed as text.
type planPart int

const (
	planFiles   planPart = iota // the override and the block
	planChanges                 // each change and finding
	planSteps                   // what is done, in order
)

func tellPlan(env *command.Environment, plan *loom.Plan, format string, part planPart) error {
	return tellPlans(env, []*loom.Plan{plan}, format, part)
}

// tellPlans prints the plans of projects that come up together: as one document, or as text one after the other.
func tellPlans(env *command.Environment, plans []*loom.Plan, format string, part planPart) error {
	var docs []PlanDocument
	for _, plan := range plans {
		for _, note := range plan.Notes {
			fmt.Fprintln(env.Docker.Err(), note)
		}
		if format == "" && part != planChanges {
			output.Findings(env.Docker.Err(), env, plan.ID, plan.Findings, false)
		}
		doc, err := newPlanDocument(plan)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	doc := docs[0]
	if len(docs) > 1 {
		doc.Projects = docs
	}
	return output.Write(env.Docker.Out(), format, doc, func(w io.Writer) {
		for i, plan := range plans {
			if len(plans) > 1 {
				fmt.Fprintln(w, docs[i].Folder+":")
			}
			printPart(w, plan, part)
		}
	})
}

func newPlanDocument(plan *loom.Plan) (PlanDocument, error) {
	project, err := plan.Project.MarshalJSON()
	doc := PlanDocument{
		Loom: plan.ID, Folder: plan.Entry.Folder(), Project: project, Env: map[string]string{},
		Override: string(plan.Override), Steps: plan.Steps(), Findings: plan.Findings,
	}
	for _, v := range plan.Env {
		doc.Env[v.Name] = v.Value
	}
	if doc.Findings == nil {
		doc.Findings = []finding.Finding{}
	}
	return doc, err
}

func printPart(w io.Writer, plan *loom.Plan, part planPart) {
	switch part {
	case planSteps:
		printLines(w, plan.Steps())
	case planChanges:
		printLines(w, plan.Edits)
		printLines(w, plan.Findings)
	case planFiles:
		printFiles(w, plan)
	}
}

func printLines[T any](w io.Writer, list []T) {
	for _, line := range list {
		fmt.Fprintln(w, line)
	}
}

// printFiles prints the loom's files as they will be.
func printFiles(w io.Writer, plan *loom.Plan) {
	if len(plan.Override) == 0 {
		text, err := plan.Project.MarshalYAML()
		if err != nil {
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintf(w, "# %s is what docker compose up would make: no override, no .env block\n%s", plan.ID, text)
		return
	}
	if len(plan.Files) == 0 {
		fmt.Fprintln(w, "# no files: the loom runs from memory")
	}
	for _, f := range plan.Files {
		if f.Content == nil {
			fmt.Fprintf(w, "# %s: to be removed\n", f.Path)
		} else {
			fmt.Fprintf(w, "# %s\n", f.Path)
		}
	}
	fmt.Fprintf(w, "%s\n", plan.Override)
	for _, v := range plan.Env {
		fmt.Fprintf(w, "# %s=%q\n", v.Name, v.Value)
	}
}
