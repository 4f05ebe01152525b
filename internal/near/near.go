// Package near finds the name that a misspelt one was meant to be.
package near

import "strings"

// Name is the known name that takes the fewest letters to make of name, at most
// that many; empty if there is none.
func Name(name string, known []string, most int) string {
	nearest, least := "", most+1
	for _, k := range known {
		if d := distance(name, k); d < least && d < len(k) {
			nearest, least = k, d
		}
	}
	return nearest
}

// distance is the number of letters to insert, remove, replace or swap that turn
// a into b (optimal string alignment). Behind what they have in common at the
// beginning, both are cut at 64 bytes.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
