package incident

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"class":   class,
	"pressed": pressed,
	"mark": func(m Mark) string {
		return map[Mark]string{Reproduced: "yes", ReproducedVariant: "variant", NotReproducible: "no"}[m]
	},
	"list": func(text ...string) []string { return text },
}).Parse(pageText))

// pageDuty is a duty in the page.
type pageDuty struct {
	Duty
	Columns   []named
	Headlines []string // in the order of as it was, the fix, this house; "" for none
	Rows      []pageRow
	Charts    []chart
	Variant   string
}

type pageRow struct {
	Name  string
	Cells []string
}

// HTML is the report as one page that needs nothing else.
func (r *Report) HTML() ([]byte, error) {
	view := struct {
		*Report
		Duties []pageDuty
		Hold   int
		Date   string
	}{Report: r, Hold: len(r.Gates) - len(r.Broken()), Date: r.Made.UTC().Format("2 January 2006, 15:04 UTC")}
	for _, d := range duties() {
		if columns := r.columns(d.Number); len(columns) > 0 {
			view.Duties = append(view.Duties, r.pageDuty(d, columns))
		}
	}
	var b bytes.Buffer
	if err := page.Execute(&b, view); err != nil {
		return nil, err
	}
	return bytes.TrimLeft(b.Bytes(), "\n"), nil
}

func (r *Report) pageDuty(d Duty, columns []named) pageDuty {
	p := pageDuty{Duty: d, Columns: columns, Charts: r.charts(d)}
	for _, c := range []Column{Naive, Published, House} {
		text := "none was published"
		if x := r.Result(d.Number, c); x != nil {
			text = headline(d, x)
		}
		p.Headlines = append(p.Headlines, text)
	}
	if v := r.Variant(d.Number); v != nil {
		p.Variant = v.Variant
		p.Headlines[0] += "; variant: " + headline(d, v)
	}
	for _, m := range measures(d) {
		row := pageRow{Name: upper(m.Name)}
		for _, c := range columns {
			row.Cells = append(row.Cells, m.Text(c.Result))
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
