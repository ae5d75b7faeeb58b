package diag

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"gatehouse/actors"
)

// The stacks of all goroutines are taken in this much memory at most, in bytes.
const (
	firstStacks = 1 << 20
	mostStacks  = 16 << 20
)

// waiting is a group of goroutines that one function started and that wait for the
// same, with the stack of one of them.
type waiting struct {
	creator, reason string
	count           int
	stack           string
}

// writeGoroutines writes how many there are of each group.
func writeGoroutines(w io.Writer) error {
	text, whole := allStacks()
	groups := groupStacks(text)
	total := 0
	for _, g := range groups {
		total += g.count
	}
	fmt.Fprintf(w, "%d goroutines in %d groups, by who started them and what they wait for\n", total, len(groups))
	if !whole {
		fmt.Fprintf(w, "there are more: the stacks of all take more than %d MiB\n", mostStacks>>20)
	}
	for _, g := range groups {
		if _, err := fmt.Fprintf(w, "\n%d  %s  created by %s\n%s", g.count, g.reason, g.creator, g.stack); err != nil {
			return err
		}
	}
	return nil
}

func allStacks() (text string, whole bool) {
	for size := firstStacks; ; size *= 2 {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		if n < size || size >= mostStacks {
			return string(buf[:n]), n < size
		}
	}
}

// header begins the stack of a goroutine: its number and, in brackets, what it waits
// for and for how long.
var header = regexp.MustCompile(`^goroutine [0-9]+[^\[]*\[([^\],]*)`)

func groupStacks(text string) []*waiting {
	type key struct{ creator, reason string }
	byKey := map[key]*waiting{}
	var list []*waiting
	for one := range strings.SplitSeq(text, "\n\n") {
		first, stack, _ := strings.Cut(one, "\n")
		m := header.FindStringSubmatch(first)
		if m == nil {
			continue
		}
		stack = actors.WithoutValues(stack)
		k := key{creatorOf(stack), m[1]}
		if byKey[k] == nil {
			byKey[k] = &waiting{creator: k.creator, reason: k.reason, stack: stack}
			list = append(list, byKey[k])
		}
		byKey[k].count++
	}
	slices.SortStableFunc(list, func(a, b *waiting) int { return cmp.Compare(b.count, a.count) })
	return list
}

func creatorOf(stack string) string {
	_, after, found := strings.Cut(stack, "created by ")
	if !found {
		return "the runtime"
	}
	name, _, _ := strings.Cut(after, "\n")
	return name
}
