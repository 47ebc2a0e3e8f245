// Package tell is how a command speaks with its user while it works: lines, questions and what --debug shows. Results
// are not told but returned.
package tell

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Teller speaks with the user of a command.
type Teller interface {
	// Sayf tells the user a line; the line end is added.
	Sayf(format string, args ...any)
	// Warnf is Sayf for what the user has to know even of a quiet command.
	Warnf(format string, args ...any)
	// Stream takes the output of programs that run on this host for the command.
	Stream() io.Writer
	// Ask puts a yes-or-no question. It returns [ErrNobody] if there is nobody to answer, and an error for a no.
	Ask(question string) error
	// Answers reports whether somebody is there to answer.
	Answers() bool
	// Debugf takes what was read and decided. Verbose reports whether anybody reads that.
	Debugf(format string, args ...any)
	Verbose() bool
}

// Lines passes lines on to Debugf. They are made only if somebody reads them.
func Lines(t Teller, lines func() []string) {
	if !t.Verbose() {
		return
	}
	for _, line := range lines() {
		t.Debugf("%s", line)
	}
}

// ErrNobody says that a question was not put: there is no terminal to answer at.
var ErrNobody = errors.New("nobody can be asked")

// Writer is a Teller that writes lines to Out.
type Writer struct {
	Out io.Writer
	// Quiet leaves out what Sayf would tell.
	Quiet bool
	// Complete completes the commands in a line, so that they can be pasted; nil leaves lines as they are.
	Complete func(line string) string
	// Question puts a question; nil if nobody can be asked.
	Question func(question string) error
	// Debug takes debug lines; nil discards them.
	Debug func(format string, args ...any)
}

// Nowhere discards what is told, and has nobody to ask.
func Nowhere() *Writer { return &Writer{Out: io.Discard} }

// Sayf writes a line, unless the command is quiet.
func (w *Writer) Sayf(format string, args ...any) {
	if !w.Quiet {
		w.Warnf(format, args...)
	}
}

// Warnf writes a line.
func (w *Writer) Warnf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if w.Complete != nil {
		line = w.Complete(line)
	}
	fmt.Fprintln(w.Out, line)
}

// Stream is Out.
func (w *Writer) Stream() io.Writer { return w.Out }

// Ask puts the question.
func (w *Writer) Ask(question string) error {
	if w.Question == nil {
		return ErrNobody
	}
	return w.Question(question)
}

// Answers reports whether Question is there.
func (w *Writer) Answers() bool { return w.Question != nil }

// Debugf hands the line to Debug.
func (w *Writer) Debugf(format string, args ...any) {
	if w.Debug != nil {
		w.Debug(format, args...)
	}
}

// Verbose reports whether Debug takes lines.
func (w *Writer) Verbose() bool { return w.Debug != nil }

// FirstLine is the first line of an error, for a message of one line.
func FirstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
