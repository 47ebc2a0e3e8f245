package setup

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli-plugins/manager"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/doctor"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newDoctorCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "doctor [OPTIONS] [ID]",
		Short: "Look for what keeps looms from working, and tell the remedies",
		Long: `Look for what keeps looms from working, and tell the remedies. Nothing is changed. The exit code is 1 if
there is an error.`,
		Example: "  docker loom doctor\n  docker loom doctor 123 --format json",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runDoctor(cmd.Context(), env, format, args) },
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

func runDoctor(ctx context.Context, env *command.Environment, format string, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	d := doctor.Examine(ctx, l, agent.New(l), where, append(plugins(env), gitFindings(ctx)...))
	if err := output.Write(env.Docker.Out(), format, d, func(w io.Writer) { tellDiagnosis(w, d) }); err != nil {
		return err
	}
	if !d.OK {
		return cli.StatusError{StatusCode: 1}
	}
	return nil
}

func tellDiagnosis(w io.Writer, d *doctor.Diagnosis) {
	if d.Docker.SocketConnected {
		fmt.Fprintf(w, "engine %s (API %s) at %s, context %s; compose %s inside docker loom\n",
			d.Docker.Version, d.Docker.APIVersion, d.Docker.Host, d.Docker.Context, d.Docker.Compose)
		if text := d.Sandbox.String(); text != "" {
			fmt.Fprintln(w, "sandbox:", text)
		}
	}
	for _, f := range d.Findings {
		fmt.Fprintln(w, f)
	}
	if len(d.Findings) == 0 {
		fmt.Fprintln(w, "nothing to report")
	}
}

// plugins looks for docker's plugins where docker does.
func plugins(env *command.Environment) []finding.Finding {
	var list []finding.Finding
	for name, why := range map[string]string{
		"buildx": "builds run inside docker loom, without bake's parallel builds",
		"loom":   "docker loom is not found by the docker command",
	} {
		p, err := manager.GetPlugin(name, env.Docker, &cobra.Command{})
		if err == nil && p.Err == nil {
			continue
		}
		remedy := "install the docker-buildx plugin"
		if name == "loom" {
			remedy = "make install, or copy docker-loom into ~/.docker/cli-plugins"
		}
		list = append(list, finding.Finding{
			Level: finding.Warning, Subject: "plugin " + name, Message: "is not installed: " + why, Remedy: remedy,
		})
	}
	return list
}

var gitVersion = regexp.MustCompile(`(\d+)\.(\d+)`)

// gitFindings looks for a git that is new enough for work trees.
func gitFindings(ctx context.Context) []finding.Finding {
	bad := func(message string) []finding.Finding {
		return []finding.Finding{{
			Level: finding.Warning, Subject: "git", Message: message, Remedy: "install git 2.39 or later",
		}}
	}
	out, err := exec.CommandContext(ctx, "git", "--version").Output()
	if err != nil {
		return bad("is not there: looms belong to folders then, not to work trees")
	}
	m := gitVersion.FindStringSubmatch(string(out))
	if m == nil {
		return nil
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < 2 || major == 2 && minor < 39 {
		return bad("is too old: " + strings.TrimSpace(string(out)))
	}
	return nil
}
