package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// NoTerminalError says that a question cannot be put, because nobody is there to answer it.
type NoTerminalError struct {
	// Question is what would have been asked, Yes the flag that answers it.
	Question, Yes string
}

// Error says what would have been asked.
func (e *NoTerminalError) Error() string {
	return "there is no terminal to ask at: " + e.Question + "?"
}

// NextStep names the flag that answers.
func (e *NoTerminalError) NextStep() string { return e.Yes + " goes ahead without asking" }

// Ask wants a yes for what the lines before it list. yes is the flag that answers without a terminal.
func (env *Environment) Ask(question, yes string) error {
	if !env.Docker.In().IsTerminal() {
		return &NoTerminalError{Question: question, Yes: yes}
	}
	return env.Put(question)
}

// Put puts a question at the terminal. Everything but a yes is a no, also the end of the input. A signal ends the wait
// at once.
func (env *Environment) Put(question string) error {
	fmt.Fprintf(env.Docker.Err(), "%s? [y/N] ", question)
	type reply struct {
		line string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		// No signal ends a read of a terminal: it goes on until the process ends.
		line, err := bufio.NewReader(env.Docker.In()).ReadString('\n')
		replies <- reply{line, err}
	}()
	var got reply
	select {
	case <-env.Ctx.Done():
		fmt.Fprintln(env.Docker.Err())
		return env.Ctx.Err()
	case got = <-replies:
	}
	if got.err != nil {
		fmt.Fprintln(env.Docker.Err())
		if !errors.Is(got.err, io.EOF) {
			return got.err
		}
	}
	if a := strings.ToLower(strings.TrimSpace(got.line)); got.err != nil || a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
