//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

var (
	// printedCommand is a command in a message: to the end of the line, of the clause, or of the parenthesis.
	printedCommand = regexp.MustCompile(`(?:cd \S+ && )?docker loom (?:'[^']*'|[^;,()\r\n'])+`)
	// afterCommand is how the sentence around a command goes on.
	afterCommand = regexp.MustCompile(` (?:shows?|lists|makes|starts|continues|removes|tries|ends?|accepts|opens|looks|lets|to|and|or|the|runs|move)\b.*`)
)

// hints are the commands that a text tells the user to run.
func hints(text string) []string {
	var list []string
	for _, c := range printedCommand.FindAllString(text, -1) {
		list = append(list, strings.TrimSpace(afterCommand.ReplaceAllString(c, "")))
	}
	return list
}

func TestHintsAreFoundInMessages(t *testing.T) {
	for text, want := range map[string]string{
		"hint: docker loom ls lists the looms there are; docker loom up 'a;b' makes this one":  "docker loom ls|docker loom up 'a;b'",
		"Run a command inside → docker loom exec 7 web -- sh\r\n":                              "docker loom exec 7 web -- sh",
		"1 finding(s) that need nothing: docker loom config 7 --explain shows them":            "docker loom config 7 --explain",
		"3 container(s) are left; docker loom up 7 continues, docker loom down 7 removes them": "docker loom up 7|docker loom down 7",
		"remedy: cd /x && docker loom down 7 --volumes ends it":                                "cd /x && docker loom down 7 --volumes",
	} {
		assert.Equal(t, strings.Join(hints(text), "|"), want)
	}
}

// lasting are commands that go on until they are interrupted.
var lasting = regexp.MustCompile(`docker loom (?:logs .* -f$|run |wait )`)

// paste runs a command on a terminal, as a user pastes it: a shell that it opens is left again, and what goes on for ever
// is ended once it has begun.
func (f *field) paste(dir, line string) *outcome {
	limit := "timeout --foreground -k 5 -s INT 120 sh -c " + quoted(line)
	if lasting.MatchString(line) {
		limit = "timeout --foreground -s KILL 8 sh -c " + quoted(line) + "; test $? = 137"
	}
	cmd := f.command(dir, "script", "-qec", limit, "/dev/null")
	cmd.Env = append(cmd.Env, "BROWSER=true", "PS1=$ ", "TERM=xterm")
	cmd.Stdin = strings.NewReader("exit\ny\n")
	return run(cmd)
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// noShell is an image with one program in it.
const noShell = "FROM " + image + " AS tools\nRUN cp /bin/busybox /httpd || cp /usr/bin/busybox /httpd\n" +
	"FROM scratch\nCOPY --from=tools /httpd /httpd\nCMD [\"/httpd\", \"-f\", \"-p\", \"80\"]\n"

// shape is a kind of project whose hints are pasted.
type shape struct {
	name, id string
	files    map[string]string // with PORT_A and PORT_B for host ports
	commands []string          // after up of the id, which stands for %s
}

// idle is a service without a port.
func idle(name string) string {
	return fmt.Sprintf("  %s:\n    image: %s\n    stop_signal: SIGKILL\n    command: sleep infinity\n", name, image)
}

// web is a service that speaks HTTP.
func web(name, port string) string {
	return fmt.Sprintf("  %s:\n    image: %s\n    stop_signal: SIGKILL\n    command: httpd -f -p 80 -h /\n    ports: [\"%s:80\"]\n", name, image, port)
}

func shapes() []shape {
	one := "services:\n" + web("web", "PORT_A")
	return []shape{
		{"one", "7", map[string]string{"compose.yaml": one}, []string{"exec %s nosuch -- true", "code %s", "ps 99", "down %s", "up %s"}},
		{"web", "feat/x", map[string]string{"compose.yaml": one + idle("db")}, []string{"code %s", "features ls %s", "run %s", "wait %s"}},
		{"plain", "a;b", map[string]string{"compose.yaml": "services:\n" + idle("a") + idle("b")}, []string{"shell %s", "exec %s -- true", "open %s"}},
		{"two", "8", map[string]string{"compose.yaml": "services:\n" + web("a", "PORT_A") + web("b", "PORT_B")}, []string{"open %s", "shell %s"}},
		{"mono", "9", map[string]string{"apps/a/compose.yaml": one, "apps/b b/compose.yaml": "services:\n" + idle("x") + idle("y")}, []string{"shell %s --project 'apps/b b'", "ps %s"}},
		{"main", "main", map[string]string{"compose.yaml": one}, []string{"agent %s -- true", "agent allow %s example.com"}},
		{"ended", "10", map[string]string{"compose.yaml": one}, []string{"down %[1]s && docker loom exec %[1]s -- true", "stop %[1]s && docker loom shell %[1]s", "down %[1]s && docker loom ps %[1]s", "down %[1]s && docker loom logs %[1]s"}},
		{"bare", "11", map[string]string{"compose.yaml": "services:\n  web:\n    build: .\n    ports: [\"PORT_A:80\"]\n", "Dockerfile": noShell}, []string{"exec %s -- /httpd --help", "shell %s"}},
		{"devimage", "12", map[string]string{".devcontainer/devcontainer.json": `{"image": "` + image + `"}`}, []string{"code %s", "shell %s", "features ls %s"}},
		{"devfile", "13", map[string]string{".devcontainer/devcontainer.json": `{"build": {"dockerfile": "Dockerfile"}}`, ".devcontainer/Dockerfile": "FROM " + image + "\n"}, []string{"exec %s -- nosuch", "build %s"}},
		{"devcompose", "14", map[string]string{"compose.yaml": one, ".devcontainer/devcontainer.json": `{"dockerComposeFile": "../compose.yaml", "service": "web", "workspaceFolder": "/"}`}, []string{"code %s", "open %s"}},
	}
}

// TestHintsWorkWhenPasted runs every command that docker loom tells the user to run, in projects of several shapes.
func TestHintsWorkWhenPasted(t *testing.T) {
	notCore(t)
	const place = 9
	for i, s := range shapes() {
		// Two shapes that run at once have ports and subnets of their own: each has a registry.
		base := basePort(place) + 25*i
		ports := strings.NewReplacer("PORT_A", fmt.Sprint(base), "PORT_B", fmt.Sprint(base+1))
		for path, text := range s.files {
			s.files[path] = ports.Replace(text)
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, "pasted"+s.name, place, s.files)
			f.takeSubnets(fmt.Sprintf("10.%d.%d.0/20", 200+place, 16*i))
			s.paste(f)
		})
	}
}

// paste brings the project up and pastes what that and the commands after it say.
func (s shape) paste(f *field) {
	dir, id := f.repoDir, quoted(s.id)
	for path := range s.files {
		at := filepath.Join(dir, filepath.Dir(path))
		if filepath.Base(path) == "Dockerfile" || strings.HasPrefix(path, ".devcontainer") && s.files["compose.yaml"] != "" {
			continue
		}
		if strings.HasPrefix(path, ".devcontainer") {
			at = dir
		}
		o := f.paste(at, "docker loom up "+id)
		assert.NilError(f, o.err, "%s", o)
		assert.Check(f, len(hints(o.stdout.String())) >= 2, "%s", o)
		f.pasteAll(at, "docker loom up "+id, o)
	}
	for _, command := range s.commands {
		o := run(f.command(dir, "sh", "-c", "docker loom up "+id+" -q; docker loom "+strings.NewReplacer("%s", id, "%[1]s", id).Replace(command)))
		f.pasteAll(dir, command, o)
	}
	f.must("down", s.id, "--volumes")
}

// pasteAll runs all that an outcome tells the user to run; what it needs is up before each.
func (f *field) pasteAll(dir, of string, o *outcome) {
	f.Helper()
	for _, hint := range hints(o.stdout.String() + "\n" + o.stderr.String()) {
		if strings.Contains(hint, "agent run") {
			continue // it starts the settings' command, which no image of these tests has
		}
		pasted := f.paste(dir, hint)
		assert.Check(f, pasted.err == nil, "after %s: %s: %s", of, hint, pasted)
	}
}
