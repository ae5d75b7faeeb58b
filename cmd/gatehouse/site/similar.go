package site

import (
	"slices"
	"strings"
)

const (
	maxSimilar    = 64   // longer words are no slip of the finger
	maxCandidates = 1000 // more are too many to compare for every mistake
)

func contains(words []string, word string) bool { return slices.Contains(words, word) }

// similar finds the known word that was likely meant, "" if none: at most one
// slip for every three letters of the known word.
func similar(word string, known []string) string {
	if len(word) > maxSimilar || len(known) > maxCandidates {
		return ""
	}
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	best, fewest := "", maxSimilar
	for _, k := range known {
		if d := slips(word, strings.ReplaceAll(k, "-", "_")); d <= max(1, len(k)/3) && d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// slips counts the letters to add, leave out, change or swap with a neighbour
// (optimal string alignment).
func slips(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
