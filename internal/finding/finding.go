// Package finding holds the one type in which a plan tells the user what it found: what is isolated, what is shared
// and what cannot be isolated. It is a leaf: every other package may import it, and it imports none of them.
package finding

import "strings"

// Level says how much a finding matters.
type Level string

const (
	// Info marks what is harmless: it is isolated, or shared on purpose.
	Info Level = "info"
	// Warning marks what two looms may share or what may not work as the user expects.
	Warning Level = "warning"
	// Error marks what makes the plan unusable.
	Error Level = "error"
)

// rank orders the levels. An unknown level ranks as an error: a finding must never get lost because
// someone misspelt its level.
func (l Level) rank() int {
	switch l {
	case "":
		return 0
	case Info:
		return 1
	case Warning:
		return 2
	default:
		return 3
	}
}

// Finding is one thing that a plan tells the user. Its JSON form is part of the output that scripts read.
type Finding struct {
	// Level says how much it matters.
	Level Level `json:"level"`
	// Subject names the thing in a kind and a name: "service web", "volume data", "file .env".
	Subject string `json:"subject"`
	// Message states what is the case, in lower case and without a final full stop.
	Message string `json:"message"`
	// Remedy says what the user can do, or is empty.
	Remedy string `json:"remedy,omitempty"`
}

// String gives the finding in one line, as in "warning: service web: shares a folder (add :ro)". Parts that are empty
// leave no trace.
func (f Finding) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{string(f.Level), f.Subject, f.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	s := strings.Join(parts, ": ")
	if f.Remedy == "" {
		return s
	}
	if s == "" {
		return "(" + f.Remedy + ")"
	}
	return s + " (" + f.Remedy + ")"
}

// Worst returns the highest level among fs, or "" when there is none. An unknown level counts as Error.
func Worst(fs []Finding) Level {
	var worst Level
	for _, f := range fs {
		if f.Level.rank() > worst.rank() {
			worst = f.Level
		}
	}
	if worst.rank() == Error.rank() {
		return Error
	}
	return worst
}
