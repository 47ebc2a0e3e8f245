package devcontainer

import (
	"errors"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Error is what is wrong with a devcontainer.json, or with metadata.
type Error jsonc.Error

func (e *Error) Error() string { return (*jsonc.Error)(e).Error() }

// NextStep says what the user does next.
func (*Error) NextStep() string {
	return "correct the devcontainer.json"
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// asError makes an error of jsonc an *Error: each kind of file has a next step of its own.
func asError(err error) error {
	if e, ok := errors.AsType[*jsonc.Error](err); ok {
		return (*Error)(e)
	}
	return err
}

// parse returns the tree of a document; errors are of type *Error.
func parse(name string, data []byte) (*jsonc.Node, error) {
	n, err := jsonc.Parse(name, data)
	return n, asError(err)
}
