package references

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxNodes is how many nodes a compose file may have once its aliases are written out.
const maxNodes = 1_000_000

// AliasError says that a compose file becomes too large with its aliases written out.
type AliasError struct{}

// Error says how large is too large.
func (*AliasError) Error() string {
	return fmt.Sprintf("its aliases stand for more than %d values", maxNodes)
}

// NextStep says what the user does next.
func (*AliasError) NextStep() string {
	return "write the compose file with fewer aliases within aliases"
}

// boundAliases refuses a text that Compose's loader would not come to the end of: it writes each alias out. What is
// damaged otherwise is left to the loader.
func boundAliases(text []byte) error {
	if !bytes.ContainsRune(text, '*') || !bytes.ContainsRune(text, '&') {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) || err != nil {
			return nil //nolint:nilerr // the loader says what is wrong
		}
		if size(&node, map[*yaml.Node]int{}) > maxNodes {
			return &AliasError{}
		}
	}
}

// size is how many nodes a node is with its aliases written out, and more than maxNodes for one that contains itself.
func size(n *yaml.Node, known map[*yaml.Node]int) int {
	if n.Alias != nil {
		n = n.Alias
	}
	if s, ok := known[n]; ok {
		return s
	}
	// Whoever comes here again from below it contains it.
	known[n] = maxNodes + 1
	sum := 1
	for _, child := range n.Content {
		sum = min(sum+size(child, known), maxNodes+1)
	}
	known[n] = sum
	return sum
}
