// Package near finds the name that a misspelt one was meant to be.
package near

// Name is the known name that takes the fewest letters to make of name, at most
// that many; empty if there is none.
func Name(name string, known []string, most int) string {
	nearest, least := "", most+1
	for _, k := range known {
		if d := Distance(name, k); d < least && d < len(k) {
			nearest, least = k, d
		}
	}
	return nearest
}

// Distance is the number of letters to insert, remove, replace or swap with their
// neighbour that turn a into b (optimal string alignment); the case of ASCII letters
// does not count. Behind what they have in common at the beginning, both are cut at
// 64 bytes.
func Distance(a, b string) int {
	for a != "" && b != "" && lower(a[0]) == lower(b[0]) {
		a, b = a[1:], b[1:]
	}
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	// row is of a up to a letter, against b up to each of its own; before are those
	// of one and two letters less.
	var rows [3][65]int
	row, before, twoBefore := &rows[0], &rows[1], &rows[2]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		row, before, twoBefore = twoBefore, row, before
		row[0] = i + 1
		for j := range len(b) {
			least := before[j]
			if lower(a[i]) != lower(b[j]) {
				least++
			}
			least = min(least, before[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && lower(a[i]) == lower(b[j-1]) && lower(a[i-1]) == lower(b[j]) {
				least = min(least, twoBefore[j-1]+1)
			}
			row[j+1] = least
		}
	}
	return row[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
