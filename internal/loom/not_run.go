package loom

// NotRunError says that a command was not run, for a reason that is not its own.
type NotRunError struct{ Err error }

// Error is the reason.
func (e *NotRunError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (*NotRunError) NextStep() string {
	return "" // that of the reason counts
}

// Unwrap gives the reason.
func (e *NotRunError) Unwrap() error { return e.Err }
