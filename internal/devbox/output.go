package devbox

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// lineWriter writes whole lines of one stream, each with a prefix and without secrets, and keeps the last ones. Several
// lineWriters may write to one writer at once if they share the lock.
type lineWriter struct {
	to       io.Writer
	lock     *sync.Mutex
	prefix   string
	mask     *strings.Replacer
	begun    []byte // a line whose end has not come yet
	isStderr bool
	tail     *tail
}

// stderr returns the writer for stderr beside this one for stdout.
func (w *lineWriter) stderr() *lineWriter {
	return &lineWriter{to: w.to, lock: w.lock, prefix: w.prefix, mask: w.mask, isStderr: true, tail: w.tail}
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.begun = append(w.begun, b...)
	for {
		n, line, err := bufio.ScanLines(w.begun, false)
		if err != nil || n == 0 {
			return len(b), nil
		}
		w.writeLine(string(line))
		w.begun = w.begun[n:]
	}
}

// flush writes a last line that has no line end.
func (w *lineWriter) flush() {
	if len(w.begun) > 0 {
		w.writeLine(string(w.begun))
		w.begun = nil
	}
}

func (w *lineWriter) writeLine(line string) {
	// A progress bar overwrites its line: only the last state counts.
	line = strings.TrimSuffix(line, "\r")
	line = w.mask.Replace(line[strings.LastIndexByte(line, '\r')+1:])
	w.tail.add(tailLine{line, w.isStderr})
	w.print(line)
}

// print writes a line that is not part of the stream.
func (w *lineWriter) print(text string) {
	if w.to == nil {
		return
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	fmt.Fprintln(w.to, w.prefix+text)
}

// tail has the last lines that a program wrote to its two streams. The engine mixes the streams in no certain order, so
// much output could push out the one line that says why the program ended. Therefore half of the room is for stderr.
type tail []tailLine

type tailLine struct {
	text     string
	isStderr bool
}

// tailLength is how many lines a tail keeps.
const tailLength = 10

func (t *tail) add(line tailLine) {
	if *t = append(*t, line); len(*t) <= tailLength {
		return
	}
	fromStderr := 0
	for _, l := range *t {
		if l.isStderr {
			fromStderr++
		}
	}
	oldest := slices.IndexFunc(*t, func(l tailLine) bool { return l.isStderr == (fromStderr > tailLength/2) })
	*t = slices.Delete(*t, oldest, oldest+1)
}

func (t *tail) lines() []string {
	var list []string
	for _, l := range *t {
		list = append(list, l.text)
	}
	return list
}
