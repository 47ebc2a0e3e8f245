package output

func Widest(rows [][]string, column int) int {
	n := 0
	for _, row := range rows {
		n = max(n, len([]rune(row[column])))
	}
	return n
}

func WidestOf(cells []string) int {
	n := 0
	for _, cell := range cells {
		n = max(n, len([]rune(cell)))
	}
	return n
}

func CutEnd(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:max(n-1, 0)]) + "…"
	}
	return s
}

func CutBeginning(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return "…" + string(r[len(r)-max(n-1, 0):])
	}
	return s
}

func OrDashes(s string) string {
	if s == "" {
		return "--"
	}
	return s
}
