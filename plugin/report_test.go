package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/cli/cli"
	"github.com/spf13/cobra"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/data"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	insideloom "github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/inside"
)

func TestEveryErrorOfOursNamesTheNextStep(t *testing.T) {
	t.Parallel()
	up := &cobra.Command{Use: "up"}
	root := &cobra.Command{Use: "loom"}
	root.AddCommand(up)
	lease := ports.Lease{Protocol: "tcp", Base: 80, Count: 1, Host: 8080}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&engine.Unreachable{Context: "default", Host: "unix:///x.sock", Err: errors.New("no")}, "is Docker running, and is unix:///x.sock its address? docker context ls shows the others"},
		{&loom.UnknownError{Name: "shop/1", ID: "1"}, "docker loom ls lists the looms there are; docker loom up 1 makes this one"},
		{&find.SeveralError{Folder: "/x", IDs: []string{"1", "2"}}, "name the one you mean"},
		{&loom.UnfinishedError{ID: "1", Err: errors.New("x")}, "nothing runs; docker loom up 1 tries again"},
		{&loom.UnfinishedError{ID: "1", Left: 2, Err: errors.New("x")}, "2 container(s) are left; docker loom up 1 continues, docker loom down 1 removes them"},
		{&find.NeitherError{Name: "x", Loom: "1"}, "docker loom ls lists the looms, docker loom ps 1 the services"},
		{&plan.NoServiceError{Service: "x", Loom: "1"}, "docker loom ps 1 lists the services"},
		{&loom.NotRunError{Err: &insideloom.ServicesError{Loom: "1", Services: []string{"db", "web"}, Running: "db"}}, "name one: docker loom shell 1 db"},
		{&insideloom.ServicesError{Loom: "1", Services: []string{"db", "web"}, Running: "web", Command: []string{"sh", "-c", "a; b"}}, "name one: docker loom exec 1 web -- sh -c 'a; b'"},
		{&insideloom.StoppedError{Loom: "1", Service: "web", State: "exited"}, "docker loom up 1 starts it"},
		{&devbox.HookError{Hook: "x"}, "the container runs: docker loom shell ID looks into it, docker loom up ID runs the hook again"},
		{&loom.NoDevContainerError{Loom: "1"}, "a .devcontainer/devcontainer.json describes one"},
		{&loom.NoDevContainerError{Loom: "1", Up: true}, "docker loom ps 1 lists the services that it has"},
		{&inside.EditorError{Editor: "code", URI: "x", Err: errors.New("x")}, "choose another with --editor, or open that address from where one is installed"},
		{&loom.EmptyError{ID: "1"}, "docker loom up 1 makes them"},
		{&survey.NoPortError{Dockerfile: "/x/Dockerfile"}, "say which port the program listens on: EXPOSE 3000 in the Dockerfile, or docker loom init --port WEB=3000, which writes it into .iloom/settings.json"},
		{&insideloom.WebError{Loom: "1", Ports: []loom.Port{{Service: "web"}, {Service: "mail"}}}, "docker loom open 1 web opens one of them"},
		{&insideloom.WebError{Loom: "1", Ports: []loom.Port{{Service: "web", Published: 8203}, {Service: "web", Published: 8204}}}, "docker loom open 1 8203 opens one of them"},
		{&insideloom.WebError{Loom: "1"}, "docker loom ps 1 shows what runs"},
		{&insideloom.SilentError{Loom: "1", Port: loom.Port{Service: "web"}}, "docker loom logs 1 web shows what it is doing"},
		{command.BrowserError{Err: errors.New("x")}, "set BROWSER to a command that opens a URL; with --print it is only printed"},
		{&plan.HeldError{Lease: lease, Holder: "container x"}, "docker loom stop ID and docker loom up ID move the loom to other ports; or remove container x"},
		{&plan.DisabledError{Files: []string{"/x"}}, "set container.enabled to true to use looms here"},
		{&plan.SharedDataError{Service: "db", Source: "/x", Other: "1"}, "give this loom a work tree of its own: docker loom up ID --worktree"},
		{&stack.MissingBaseError{Name: "ILOOM_PORT_WEB"}, "docker loom init asks for it and writes it into .iloom/settings.json; or write a default, as in ${ILOOM_PORT_WEB:-3000}"},
		{&worktree.BranchTakenError{Branch: "x", Path: "/x"}, "choose another branch with --branch NAME"},
		{&worktree.BranchThereError{Branch: "x", From: "y"}, "leave --from out to use it as it is, or choose another branch with --branch NAME"},
		{&worktree.FolderTakenError{Path: "/x"}, "choose another folder with --path DIR"},
		{&tree.MeanwhileError{Path: "/x"}, "commit and push it, then run docker loom rm ID; or lose it with --force"},
		{tree.ErrOtherTree, "docker loom rm ID ends it with the loom; without --branch and --path it is used"},
		{&stack.FilesError{Files: []string{"/x"}, Err: errors.New("x")}, "correct the compose file; docker compose config checks it"},
		{&ports.TakenError{Lease: lease, Service: "web", Holder: "loom x/1"}, "choose other ports with --offset N, or run docker loom down x/1 --volumes, which ends that loom with its data"},
		{&ports.TakenError{Lease: lease, Service: "web"}, "choose other ports with --offset N, or stop the program that listens on 8080/tcp"},
		{&registry.DamagedError{Path: "/x", Err: errors.New("x")}, "run the command again: looms that have containers or volumes are found by their labels"},
		{&registry.NewerError{Path: "/x", Version: 9}, "update docker loom"},
		{&settings.Error{File: "/x", Err: errors.New("x")}, "correct the settings file"},
		{stack.ErrNoProject, "run the command where the project is, or name its files with --file behind docker loom"},
		{&data.HasDataError{Loom: "2", From: "1"}, "run docker loom down 2 --volumes to end it with its data, then docker loom up 2 --data-from 1"},
		{&data.SpaceError{}, "docker system prune, or docker loom prune"},
		{command.Usagef(up, "x"), "loom up --help"},
		{command.Usagef(nil, "x"), ""},
		{errors.New("anything else"), ""},
	} {
		assert.Check(t, nextStep(tc.err) == tc.want, "%T: %s", tc.err, nextStep(tc.err))
		assert.Check(t, nextStep(fmt.Errorf("1: %w", tc.err)) == tc.want, "%T, wrapped", tc.err)
	}
}

func TestTheHintIsForWhatIsLeftWhateverTheCause(t *testing.T) {
	t.Parallel()
	err := &loom.UnfinishedError{ID: "1", Left: 1, Err: &ports.TakenError{Service: "web"}}
	assert.Equal(t, nextStep(err), "1 container(s) are left; docker loom up 1 continues, docker loom down 1 removes them")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	unknown := &loom.UnknownError{Name: "shop/1", ID: "1"}
	for _, tc := range []struct {
		name        string
		err         error
		interrupted bool
		code        int
		said        string
	}{
		{"all is well", nil, false, 0, ""},
		{"all is well in spite of Ctrl-C", nil, true, 0, ""},
		{"the work failed", errors.New("no"), false, 1, "error: no\n"},
		{"the work failed, and something can be done", unknown, false, 1, "error: no loom shop/1\nhint: docker loom ls lists the looms there are; docker loom up 1 makes this one\n"},
		{"wrong usage", command.Usagef(nil, "no"), false, 2, "error: no\n"},
		{"wrong usage, wrapped", fmt.Errorf("x: %w", command.Usagef(nil, "no")), false, 2, "error: x: no\n"},
		{"nobody to ask", &command.NoTerminalError{Question: "end these", Yes: "--force"}, false, 2, "error: there is no terminal to ask at: end these?\nhint: --force goes ahead without asking\n"},
		{"no id", &loom.IDError{Typed: "--"}, false, 2, "error: \"--\" is not an id: give an issue number, a key such as ENG-324, or a branch\n"},
		{"Ctrl-C", context.Canceled, true, 130, "interrupted\n"},
		{"Ctrl-C, whatever that led to", errors.New("connection closed"), true, 130, "interrupted\n"},
		{"Ctrl-C in the middle of up", &loom.UnfinishedError{ID: "1", Err: context.Canceled}, true, 130, "interrupted: nothing runs; docker loom up 1 tries again\n"},
		{"a command's own code", cli.StatusError{StatusCode: 3, Status: "it said"}, false, 3, "it said\n"},
		{"a command's own code, wrapped", fmt.Errorf("x: %w", cli.StatusError{StatusCode: 3}), false, 3, ""},
		{"a command's own code after Ctrl-C", cli.StatusError{StatusCode: 130}, true, 130, ""},
		{"an error is never 0", cli.StatusError{}, false, 1, ""},
	} {
		var b bytes.Buffer
		code := report(&b, &command.Environment{}, tc.err, tc.interrupted)
		assert.Check(t, code == tc.code && b.String() == tc.said, "%s: %d, %q", tc.name, code, b.String())
	}
}

func TestCalledByItselfThePluginMeansTheSame(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", "loom"},
		{"up 123", "loom up 123"},
		{"-f x.yaml up", "loom -f x.yaml up"},
		{"--help", "loom --help"},
		{"ls loom", "loom ls loom"},
		{"loom up", "loom up"},
		{"--debug loom up", "--debug loom up"},
		{"docker-cli-plugin-metadata", "docker-cli-plugin-metadata"},
		{"__complete loom up", "__complete loom up"},
		{"__completeNoDesc loom up", "__completeNoDesc loom up"},
	} {
		assert.Check(t, strings.Join(asPlugin(strings.Fields(tc.args)), " ") == tc.want, "%s: %v", tc.args, asPlugin(strings.Fields(tc.args)))
	}
	// The docker command says so, and passes flags with values of their own before the name.
	t.Setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "docker")
	for args, want := range map[string]string{"--context x loom up": "--context x loom up", "up 1": "loom up 1"} {
		assert.Check(t, strings.Join(asPlugin(strings.Fields(args)), " ") == want, args)
	}
}

func TestWrongFlagsAreWrongUsage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"up", "--offset", "-1"}, "--offset must not be negative: -1"},
		{[]string{"up", "--pull", "often"}, `--pull must be always, missing or never, not "often"`},
		{[]string{"prepare", "1", "2"}, "loom prepare takes at most 1 argument(s), not 2"},
		{[]string{"ls", "1"}, "loom ls takes no arguments, not \"1\""},
		{[]string{"down", "--all", "1"}, "--all takes no ids"},
		{[]string{"stop", "--all", "1"}, "--all takes no ids"},
		{[]string{"nonsense"}, `"nonsense" is not a docker loom command`},
		{[]string{"up", "--nonsense"}, "unknown flag: --nonsense"},
	} {
		cmd := newLoomCommand(&command.Environment{})
		cmd.PersistentPreRunE = nil
		cmd.SilenceErrors = true
		cmd.SetArgs(tc.args)
		err := cmd.ExecuteContext(t.Context())
		var usage command.UsageError
		assert.Check(t, errors.As(err, &usage), "%v: %v", tc.args, err)
		assert.Check(t, err != nil && err.Error() == tc.want, "%v: %v", tc.args, err)
	}
}
