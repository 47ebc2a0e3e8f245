package ports

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Offset returns the number that the loom named id wants added to every base port, as iloom does: its trailing digits
// (123, #123, ENG-324), otherwise a hash in 1..999. Digits too long for an int are hashed. 0 is a possible answer ("0",
// "v1.0"), and so is a number far above 65535. An id that is empty or only punctuation and space is an error.
func Offset(id string) (int, error) {
	if !strings.ContainsFunc(id, distinguishesIDs) {
		return 0, fmt.Errorf("id %q names nothing: give a number, a key or a branch", id)
	}
	digits := id[len(strings.TrimRight(id, "0123456789")):]
	if n, err := strconv.Atoi(digits); err == nil {
		return n, nil
	}
	sum := sha256.Sum256([]byte(id))
	return int(binary.BigEndian.Uint32(sum[:4])%999) + 1, nil
}

// distinguishesIDs reports whether r can tell one id from another for a reader; beyond ASCII a symbol can.
func distinguishesIDs(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || r > unicode.MaxASCII && unicode.IsSymbol(r)
}

// Shift returns the host port that base wants under an offset, by iloom's wrap rule: the sum, or where that is above
// 65535 ((base+offset − base − 1) mod (65535 − base)) + base + 1. For a base of 1024..65534 and an offset above 0 the
// answer lies in base+1..65535. 65535, for which iloom divides by zero, shifts as 1024 does. An offset of 0 or below
// gives base.
func Shift(base, offset int) int {
	if offset <= 0 {
		return base
	}
	if base >= Max {
		base = Min
	}
	// Compared before added: an offset is whatever number somebody typed, and the sum may not fit an int.
	if offset > Max-base {
		offset = (offset-1)%(Max-base) + 1
	}
	return base + offset
}

// Lift returns, for every base, the number that offsets are added to. A base below 1024 is lifted by 8000 (80→8080,
// 443→8443), or to the next number that is neither a base nor a lifted base of the project, lower bases first; others
// are themselves. spans has the number of ports of each base: every one must land on a free number.
func Lift(spans map[int]int) map[int]int {
	to := make(map[int]int, len(spans))
	var low []int
	var used [Max + 1]bool
	for b, n := range spans {
		to[b] = b
		if b < Min {
			low = append(low, b)
		}
		for p := max(b, 0); p < b+n && p <= Max; p++ {
			used[p] = true
		}
	}
	slices.Sort(low)
	for _, b := range low {
		n := spans[b]
		// Where no room is left the plain lift stands, and Allocate finds that it does not fit.
		to[b] = b + 8000
		for p, run := max(b+8000, Min), 0; p <= Max; p++ {
			if run++; used[p] {
				run = 0
			}
			if run == n {
				to[b] = p - n + 1
				break
			}
		}
		for p := max(to[b], 0); p < to[b]+n && p <= Max; p++ {
			used[p] = true
		}
	}
	return to
}
