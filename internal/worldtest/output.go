package worldtest

import (
	"bytes"
	"sync"
)

// Output is a buffer that several commands may write at once, as processes write to a terminal.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the buffer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// Take returns what was written since the last time.
func (o *Output) Take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}
