package jsonc

import "strconv"

// Decoder turns nodes into values of Go. It keeps the first error; after it, nothing that was decoded counts. A nil
// node, a key that is not there, decodes to the zero value.
type Decoder struct{ Err error }

// Fail keeps an error with the place of n, unless there is one.
func (d *Decoder) Fail(n *Node, format string, args ...any) {
	if d.Err == nil {
		d.Err = n.Errorf(format, args...)
	}
}

// Object returns the members of an object.
func (d *Decoder) Object(n *Node) []Member {
	if n == nil {
		return nil
	}
	if n.Kind != '{' {
		d.Fail(n, "%s is not an object", n.Show())
	}
	return n.Members
}

// Text returns a string.
func (d *Decoder) Text(n *Node) string {
	if n == nil {
		return ""
	}
	if n.Kind != '"' {
		d.Fail(n, "%s is not a string", n.Show())
	}
	return n.Text
}

// Boolean returns true or false, nil for a nil node.
func (d *Decoder) Boolean(n *Node) *bool {
	if n == nil {
		return nil
	}
	if n.Kind != 't' && n.Kind != 'f' {
		d.Fail(n, "%s is neither true nor false", n.Show())
	}
	b := n.Kind == 't'
	return &b
}

// Array returns the elements of an array; of names them in the error, as in "strings".
func (d *Decoder) Array(n *Node, of string) []*Node {
	if n == nil {
		return nil
	}
	if n.Kind != '[' {
		d.Fail(n, "%s is not an array of %s", n.Show(), of)
	}
	return n.Elements
}

// Texts returns an array of strings.
func (d *Decoder) Texts(n *Node) []string {
	var out []string
	for _, e := range d.Array(n, "strings") {
		out = append(out, d.Text(e))
	}
	return out
}

// Number returns a whole number from low to high; 3e3 and 3000.0 are whole. what names it in the error, as in "port".
func (d *Decoder) Number(n *Node, low, high int, what string) int {
	if n == nil {
		return 0
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if n.Kind != '0' || err != nil || f < float64(low) || f > float64(high) || f != float64(int(f)) {
		d.Fail(n, "%s is not a %s (%d–%d)", n.Show(), what, low, high)
		return 0
	}
	return int(f)
}
