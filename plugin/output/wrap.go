package output

import "strings"

// Wrap breaks the paragraphs of a text into lines of at most this width. Paragraphs are separated by an empty line.
// Lines that begin with blanks stay as they are, and a word that is longer than the width stays whole.
func Wrap(text string, width int) string {
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for source := range strings.SplitSeq(text, "\n") {
		if source == "" || strings.HasPrefix(source, " ") {
			flush()
			lines = append(lines, source)
			continue
		}
		for word := range strings.FieldsSeq(source) {
			switch {
			case line == "":
				line = word
			case len([]rune(line))+1+len([]rune(word)) > width:
				flush()
				line = word
			default:
				line += " " + word
			}
		}
	}
	flush()
	return strings.Join(lines, "\n")
}
