package supervisor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/pprof"
	"strings"
)

// Stray is a group of goroutines that nobody owns, all with the same stack and
// started by the same function.
type Stray struct {
	Count   int
	Creator string // the function that started them; "" if they were gone when it was looked up
	BeganIn string // the function that they began in
	Labels  string
	Stack   string
}

// strays finds who started the goroutines of the groups. The profile that shows
// labels does not show creators and the other way round, so that both are taken
// and matched by their stacks. Where one stack runs under several labels, which
// creator belongs to which label is a guess.
func strays(groups []*group) (all []Stray) {
	if len(groups) == 0 {
		return nil
	}
	creators := creatorsByStack()
	at := map[Stray]int{} // index in all; groups may differ in what no frame shows
	for _, g := range groups {
		labels, _ := json.Marshal(g.labels) //nolint:errchkjson // a map of strings
		key := g.key()
		for range g.count {
			stray := Stray{BeganIn: g.root(), Labels: string(labels), Stack: g.stack}
			if left := creators[key]; len(left) > 0 {
				stray.Creator, creators[key] = left[0], left[1:]
			}
			i, seen := at[stray]
			if !seen {
				i = len(all)
				at[stray], all = i, append(all, stray)
			}
			all[i].Count++
		}
	}
	return all
}

// key is the stack without the runtime's own frames, which only one of the two
// profiles shows.
func (g *group) key() string {
	var b strings.Builder
	for line := range strings.Lines(g.stack) {
		if !strings.HasPrefix(line, "runtime.") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// creatorsByStack is the creators of all goroutines by the key of their stack.
func creatorsByStack() map[string][]string {
	var buf bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&buf, 2); err != nil {
		return nil
	}
	all := map[string][]string{}
	for text := range strings.SplitSeq(buf.String(), "\n\n") {
		if g, creator := parseStack(text); creator != "" {
			all[g.key()] = append(all[g.key()], creator)
		}
	}
	return all
}

// parseStack reads one goroutine of the full listing: a headline, then pairs of
// "function(arguments)" and "\tfile:line +0xoff", the last one after "created by".
func parseStack(text string) (g group, creator string) {
	function := ""
	for line := range strings.SplitSeq(text, "\n") {
		place, isPlace := strings.CutPrefix(line, "\t")
		by, isCreator := strings.CutPrefix(line, "created by ")
		switch {
		case isCreator:
			creator, _, _ = strings.Cut(by, " in goroutine ")
			return g, creator
		case isPlace && function != "":
			file, _, _ := strings.Cut(place, " +0x")
			g.stack += fmt.Sprintf("%s %s\n", function, file)
		case !isPlace:
			function = line[:max(strings.LastIndexByte(line, '('), 0)]
		}
	}
	return g, ""
}
