package incident

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// JSON is the report with all samples.
func (r *Report) JSON() ([]byte, error) { return json.Marshal(r) }

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "The incident, side by side\n%s, %s, commit %s; %s; took %.0f s%s\n", r.Machine, r.Go, r.Commit, r.Redis, r.Took, map[bool]string{true: " (short)"}[r.Short])
	for _, d := range duties() {
		if columns := r.columns(d.Number); len(columns) > 0 {
			textDuty(&b, d, columns)
		}
	}
	b.WriteString("\nWhat was published, and what became of it\n")
	for _, c := range r.Claims {
		fmt.Fprintf(&b, "  %d  %s: %s. Here: %s\n     %s; %s\n", c.Duty, c.What, c.Said, c.Found, strings.ToUpper(string(c.Mark)), c.Why)
	}
	fmt.Fprintf(&b, "\nGates: %d of %d hold\n", len(r.Gates)-len(r.Broken()), len(r.Gates))
	for _, g := range r.Gates {
		fmt.Fprintf(&b, "  %-6s %d  %s: %s\n", map[bool]string{true: "ok", false: "BROKEN"}[g.OK], g.Duty, g.What, g.Seen)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func textDuty(b *strings.Builder, d Duty, columns []named) {
	fmt.Fprintf(b, "\n%d %s: %s; time %s\n", d.Number, d.Name, d.Load, pressed(d))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  ")
	for _, c := range columns {
		fmt.Fprintf(t, "\t%s", c.Name)
	}
	fmt.Fprintln(t)
	for _, m := range measures(d) {
		fmt.Fprintf(t, "  %s", m.Name)
		for _, c := range columns {
			fmt.Fprintf(t, "\t%s", m.Text(c.Result))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // into memory
}

// pressed says how far time is compressed.
func pressed(d Duty) string {
	if d.Factor == 1 {
		return "as it is"
	}
	return count(int(d.Factor)) + " times as fast"
}
