package devicetest

// CheckClause is Check for the clause of that name only.
func CheckClause(tb TB, h Harness, name string) {
	for _, c := range contract() {
		if c.name == name {
			h.hold(tb, c)
		}
	}
}
