//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// documents are those whose commands are run. A block of ```console is a session: what follows "$ " is run, the lines below
// are all that it prints: nothing, if there are none. A line of "..." stands for lines beside others that are shown, "..."
// in a line for one of the masks. A block that cannot be run here has <!-- not run: WHY --> before it. A document's
// sessions share one home, and begin in ~/shop; <!-- in: NAME --> goes on in the project testdata/documents/NAME.
func documents(t *testing.T) []string {
	paths := []string{"../README.md", "../CONTRIBUTING.md"}
	for _, dir := range []string{"guide", "decisions"} {
		found, err := filepath.Glob("../docs/" + dir + "/*.md")
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// step is one command of a document and what the document says that it prints.
type step struct {
	line    int
	command string
	output  []string
	project string // "" for where the document is
	why     string // why it is not run; "" if it is
}

var remark = regexp.MustCompile(`^<!-- (in|not run): (.+) -->$`)

// steps reads a document's commands.
func steps(text string) ([]step, error) {
	var list []step
	var fence, project, why string
	blank := true
	for i, line := range strings.Split(text, "\n") {
		if lang, ok := strings.CutPrefix(line, "```"); ok && fence == "" {
			switch fence = lang; lang {
			case "console", "json", "jsonc", "yaml", "text":
			default:
				return nil, fmt.Errorf("line %d: a block of %q: what is run is console, what is not is json, jsonc, yaml or text", i+1, lang)
			}
			continue
		}
		switch command, isCommand := strings.CutPrefix(line, "$ "); {
		case line == "```":
			fence, project, why = "", "", ""
		case fence == "console" && isCommand:
			list = append(list, step{line: i + 1, command: command, project: project, why: why})
			project = ""
		case fence == "console" && len(list) > 0:
			if last := &list[len(list)-1]; line != "" || len(last.output) > 0 {
				last.output = append(last.output, line)
			}
		case fence == "" && blank && strings.HasPrefix(line, "    "):
			return nil, fmt.Errorf("line %d: an indented block: nobody could tell whether it is run", i+1)
		}
		if m := remark.FindStringSubmatch(line); m != nil && fence == "" {
			if m[1] == "in" {
				project = m[2]
			} else {
				why = m[2]
			}
		}
		blank = line == ""
	}
	for i, s := range list {
		// Blank lines between commands are for the eye.
		for len(s.output) > 0 && s.output[len(s.output)-1] == "" {
			s.output = s.output[:len(s.output)-1]
		}
		list[i] = s
	}
	return list, nil
}

// TestDocuments runs the commands that the documents show. They are about one engine as about another.
func TestDocuments(t *testing.T) {
	notCore(t)
	for _, path := range documents(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			list, err := steps(string(text))
			if err != nil {
				t.Fatal(err)
			}
			var w *reader
			for _, s := range list {
				if s.why != "" {
					t.Logf("line %d: not run: %s (%s)", s.line, s.command, s.why)
					continue
				}
				if w == nil {
					w = newReader(t)
				}
				if err := w.do(t.Context(), s); err != nil {
					t.Errorf("%s:%d: %v", path, s.line, err)
				}
			}
		})
	}
}

// reader does what a document says, at a machine of its own.
type reader struct {
	home, dir string
	env       []string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	work, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// Only what has this folder in its labels is cleaned up: no name has the repo.
	s := &state{work: work, home: filepath.Join(work, "you"), repo: "documents-" + suite.run}
	if err := s.configure(200); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := s.clean(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &reader{home: s.home, dir: filepath.Join(s.home, "shop")}
	r.env = []string{
		"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "DOCKER_HOST=" + suite.host, "DOCKER_CONFIG=" + filepath.Join(s.home, ".docker"),
		"USER=you", "LANG=C.UTF-8",
	}
	if err := os.CopyFS(s.home, os.DirFS(filepath.Join("testdata", "documents"))); err != nil {
		t.Fatal(err)
	}
	projects, err := filepath.Glob(filepath.Join(s.home, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range projects {
		r.dir = dir
		if out, _, err := r.run(t.Context(), "git init -q && git add -A && git commit -q -m first"); err != nil {
			t.Fatal(err, out)
		}
	}
	r.dir = filepath.Join(s.home, "shop")
	return r
}

// run runs a command as a terminal's shell would, and stays in the folder where it ends.
func (r *reader) run(ctx context.Context, command string) (output string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	where := filepath.Join(r.home, ".where")
	cmd := exec.CommandContext(ctx, "bash", "-c", command+"\ncode=$?; pwd >"+where+"; exit $code")
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	if dir, err := os.ReadFile(where); err == nil {
		r.dir = strings.TrimSpace(string(dir))
	}
	return strings.ReplaceAll(string(out), r.home, "/home/you"), code, err
}

func (r *reader) do(ctx context.Context, s step) error {
	if s.project != "" {
		r.dir = filepath.Join(r.home, s.project)
	}
	out, code, err := r.run(ctx, s.command)
	if ctx.Err() != nil {
		return err
	}
	fails := slices.ContainsFunc(s.output, func(line string) bool { return strings.HasPrefix(line, "error: ") })
	if fails != (code != 0) {
		return fmt.Errorf("$ %s\nexit code %d, which the document does not say\n%s", s.command, code, out)
	}
	if len(s.output) == 1 && strings.TrimSpace(s.output[0]) == "..." {
		return fmt.Errorf("$ %s\nprints\n%s\nand the document shows nothing of it", s.command, out)
	}
	if !shown(s.output).MatchString(squeeze(out)) {
		return fmt.Errorf("$ %s\nprints\n%s\nand not as the document says\n%s", s.command, out, strings.Join(s.output, "\n"))
	}
	return nil
}

// masks are what "..." in a line stands for: what differs from one machine, or one day, to another.
var masks = map[string]string{
	"time":    `\d+ (second|minute)s?|(About a|Less than a) (second|minute)|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( [A-Z]+)?`,
	"id":      `[0-9a-f]{12,}`,
	"size":    `\d+(\.\d+)? ?[kMG]?i?B`,
	"address": `\d+\.\d+\.\d+\.\d+(/\d+)?`,
	"version": `v?\d+(\.\d+)*`,
}

// mask matches one of them.
var mask = `(?:` + strings.Join(slices.Sorted(maps.Values(masks)), "|") + `)`

// shown is what matches the output that a document shows. Widths of columns do not count.
func shown(lines []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^`)
	if len(lines) == 0 {
		lines = []string{""}
	}
	for _, line := range lines {
		if strings.TrimSpace(line) == "..." {
			b.WriteString(`(?s:.*)`)
			continue
		}
		parts := strings.Split(strings.TrimSpace(squeeze(line)), "...")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		b.WriteString(strings.Join(parts, mask) + `\n`)
	}
	return regexp.MustCompile(b.String() + `$`)
}

var blanks = regexp.MustCompile(`[ \t]+`)

// squeeze leaves one space where there are several, none at the ends of lines, and no line end but one at the end.
func squeeze(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(blanks.ReplaceAllString(line, " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestShownMatchesLoosely(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"a b", "a     b\n", true},
		{"...\nlast", "one\ntwo\nlast\n", true},
		{"...\nlast", "last\n", true},
		{"made ... by me", "made 3 minutes by me\n", true},
		{"made ... by me", "made by me\n", false},
		{"image ... is new", "image 0123456789ab is new\n", true},
		{"image ... is new", "image is old and is new\n", false},
		{"", "", true},
		{"", "first\n", false},
		{"first", "first\nsecond\n", false},
		{"a.b", "axb\n", false},
	} {
		if got := shown(strings.Split(c.shown, "\n")).MatchString(squeeze(c.printed)); got != c.want {
			t.Errorf("%q for %q: %v", c.shown, c.printed, got)
		}
	}
}

var (
	command  = regexp.MustCompile("docker loom ([^`|;#)\"&]+)")
	flagWord = regexp.MustCompile(`(^| )(--?[a-zA-Z][a-z-]*)`)
	target   = regexp.MustCompile(`^\$ make ([a-z0-9-]+)`)
)

// TestDocumentsNameWhatThereIs looks at all that the documents say of commands, also in the text and where it is not run:
// the command has to be there, with its flags.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	help := map[string]string{}
	ask := func(args ...string) string {
		key := strings.Join(args, " ")
		if _, ok := help[key]; !ok {
			out, err := exec.CommandContext(t.Context(), suite.plugin, append(append([]string{"loom"}, args...), "--help")...).CombinedOutput()
			if err != nil {
				t.Fatal(err, string(out))
			}
			help[key] = string(out)
		}
		return help[key]
	}
	spans := regexp.MustCompile("`[^`]+`")
	for _, path := range append(documents(t), "../docs/architecture.md", "../docs/data.md", "../docs/idle.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fence := ""
		for i, line := range strings.Split(string(text), "\n") {
			if lang, ok := strings.CutPrefix(line, "```"); ok {
				fence = lang
				continue
			}
			var said []string
			switch {
			case fence == "":
				said = spans.FindAllString(line, -1)
			case fence != "console" || strings.HasPrefix(line, "$ "): // the rest is what commands print
				said = []string{line}
			}
			if m := target.FindStringSubmatch(line); fence == "console" && m != nil {
				if out, err := exec.CommandContext(t.Context(), "make", "-n", "-C", "..", m[1]).CombinedOutput(); err != nil {
					t.Errorf("%s:%d: make %s: %v\n%s", path, i+1, m[1], err, out)
				}
			}
			for _, s := range said {
				for _, m := range command.FindAllStringSubmatch(s, -1) {
					if err := known(m[1], ask); err != nil {
						t.Errorf("%s:%d: docker loom %s: %v", path, i+1, m[1], err)
					}
				}
			}
		}
	}
}

// TestDocumentsLinkToWhatThereIs follows the links of the documents to files of the repository.
func TestDocumentsLinkToWhatThereIs(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`)
	for _, path := range append(documents(t), "../docs/architecture.md", "../docs/data.md", "../docs/idle.md", "../docs/performance.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if !exists(filepath.Join(filepath.Dir(path), m[1])) {
				t.Errorf("%s: there is no %s", path, m[1])
			}
		}
	}
}

func TestKnownFindsWhatIsNotThere(t *testing.T) {
	help := func(name ...string) string {
		if len(name) == 0 {
			return "Usage:  docker loom\n\nCommands:\n  up          Create\n"
		}
		return "Usage:  docker loom up\n\nOptions:\n  -q, --quiet   Show nothing\n"
	}
	for args, want := range map[string]bool{
		"up 123 -q": true, "up --quiet": true, "up -- --other": true, "made": false, "up --quite": false, "up -x": false,
	} {
		if err := known(args, help); (err == nil) != want {
			t.Errorf("docker loom %s: %v", args, err)
		}
	}
}

// known reports whether the plugin knows the command and its flags; what is behind -- is not its own.
func known(args string, ask func(...string) string) error {
	args, _, _ = strings.Cut(args, " -- ")
	words := strings.Fields(args)
	for len(words) > 0 && words[0] == "--file" { // a flag of docker loom itself, with its value
		words = words[2:]
	}
	if len(words) == 0 || !regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) || words[0] == "is" {
		return nil
	}
	name := words[:1]
	if len(words) > 1 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[1]) &&
		slices.Contains([]string{"agent", "features", "image", "trust"}, words[0]) {
		name = words[:2]
	}
	if !strings.HasPrefix(strings.TrimLeft(ask(), "\n"), "Usage:") || !regexp.MustCompile(`(?m)^  `+name[0]+` `).MatchString(ask()) {
		return fmt.Errorf("there is no such command")
	}
	for _, m := range flagWord.FindAllStringSubmatch(strings.Join(words, " "), -1) {
		flag := regexp.MustCompile(`(^|[\s,])` + m[2] + `\b`)
		if !flag.MatchString(ask(name...)) && !flag.MatchString(ask()) { // those of docker loom itself work everywhere
			return fmt.Errorf("it has no flag %s", m[2])
		}
	}
	return nil
}
