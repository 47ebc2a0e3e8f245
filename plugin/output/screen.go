package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/docker/cli/cli/streams"
)

// Screen shows one text after another in the same place of a terminal.
type Screen struct {
	out   io.Writer
	size  func() (height, width uint)
	lines int // of the text that is shown
}

// NewScreen shows texts on this terminal.
func NewScreen(out *streams.Out) *Screen { return &Screen{out: out, size: out.GetTtySize} }

// Width is that of the terminal in columns, 0 where it is not known.
func (s *Screen) Width() int {
	_, width := s.size()
	return int(width)
}

// Show puts the text in place of the one before. What does not fit on the terminal is cut off: a line that wraps, or a
// text that scrolls, would not be where the next one is to begin.
func (s *Screen) Show(text string) {
	height, width := s.size()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if most := int(height) - 1; height > 1 && len(lines) > most {
		rest := len(lines) - (most - 1)
		lines = append(lines[:most-1:most-1], fmt.Sprintf("and %d more", rest))
	}
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.lines)
	}
	for _, line := range lines {
		line = strings.TrimRight(line, " ")
		if runes := []rune(line); width > 0 && len(runes) > int(width) {
			line = string(runes[:width])
		}
		// To the end of the line, which may have had more.
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.lines = len(lines)
	_, _ = io.WriteString(s.out, b.String()) // a terminal that is gone ends the command by a signal
}
