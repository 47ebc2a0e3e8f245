package find

import (
	"regexp"
	"strings"
)

// plainWord is what every shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/@:+-]+$`)

// ShellWord makes one word of any text, in quotes only if it needs them.
func ShellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return ShellQuote(text)
}

// ShellLine makes a line of words that a shell takes apart into the same words.
func ShellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellQuote makes one word of any text, for every shell of the Bourne family.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ProjectFlag is the flag that names a project, as a user types it; "" for no folder.
func ProjectFlag(folder string) string {
	if folder == "" {
		return ""
	}
	return "--project " + ShellWord(folder)
}

// stepCommand is a command of a next step that acts on one project, or can.
var stepCommand = regexp.MustCompile(`docker loom (up|prepare|exec|logs|run|port|top|cp|config|build|pull|open|code|` +
	`shell|attach|restart|kill|pause|unpause|watch|wait|events|compose|env|stats|ps|down|stop|start|` +
	`trust diff|trust accept)\b`)

// WithProject adds to the commands of a next step that they are about the project of a folder; "" for none.
func WithProject(step, folder string) string {
	if folder == "" || strings.Contains(step, "--project ") {
		return step
	}
	// What is replaced has no $ in it: the folder may.
	return stepCommand.ReplaceAllStringFunc(step, func(command string) string {
		return strings.Replace(command, "docker loom ", "docker loom "+ProjectFlag(folder)+" ", 1)
	})
}

// withID puts a word in the place of an id in the commands of a next step.
func withID(step, id, word string) string {
	if id == word {
		return step
	}
	const command = `(docker loom (?:--[a-z-]+ \S+ )*?(?:[a-z]+ ){1,2}?)`
	place := regexp.MustCompile(command + regexp.QuoteMeta(id) + `($|[ ;,)])`)
	return place.ReplaceAllStringFunc(step, func(command string) string {
		m := place.FindStringSubmatch(command)
		return m[1] + word + m[2]
	})
}
