package httpapi

// UnderWay is how many requests are, streams aside.
func (a *API) UnderWay() int { return a.gates.underWay() }
