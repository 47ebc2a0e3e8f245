package output

// Widest is the width of a column of rows.
func Widest(rows [][]string, column int) int {
	n := 0
	for _, row := range rows {
		n = max(n, len([]rune(row[column])))
	}
	return n
}

// WidestOf is the width of the widest cell.
func WidestOf(cells []string) int {
	n := 0
	for _, cell := range cells {
		n = max(n, len([]rune(cell)))
	}
	return n
}

// CutEnd cuts a text to n columns, and shows that with … at its end.
func CutEnd(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:max(n-1, 0)]) + "…"
	}
	return s
}

// CutBeginning cuts a text to n columns, and shows that with … at its beginning.
func CutBeginning(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return "…" + string(r[len(r)-max(n-1, 0):])
	}
	return s
}

// OrDashes is the text, or two dashes for an empty one.
func OrDashes(s string) string {
	if s == "" {
		return "--"
	}
	return s
}
