package incident

import (
	"context"
	"net"
	"net/http"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/bench/incident/published"
)

// The traffic of duty 2, in real time.
const (
	authRate    = 100 // a second
	authLimit   = 500 * time.Millisecond
	backendTime = 2 * time.Second
	burstSize   = 600
)

// slowBackend answers after wait, or when the context ends.
type slowBackend struct{ wait time.Duration }

// Verify says yes, late.
func (b slowBackend) Verify(ctx context.Context, _ string) bool {
	return !wait(ctx.Done(), b.wait)
}

// slowStore is a disk that takes as long as the backend did.
type slowStore struct {
	actors.Store
	wait time.Duration
}

// SaveDoors is slow.
func (s slowStore) SaveDoors(changes []access.DoorMemory) error {
	pause(s.wait)
	return s.Store.SaveDoors(changes)
}

func runAuth(s *stage) error {
	a, target, err := startAuth(s)
	if err != nil {
		return err
	}
	s.ready(a)
	load := target
	load.What, load.Rate = "load", authRate*factorAuth
	load.Seconds = float64(s.pick(3000, 1000)) / 1000
	var half Sample
	for i := range 2 { // memory is compared between the halves: the first is for what a server needs once
		if err := s.traffic(load); err != nil {
			return err
		}
		if i == 0 {
			half = s.settled()
		}
	}
	_, lately := s.top()
	s.res.Facts["goroutines_in_load"] = float64(lately.Goroutines)
	s.res.Facts["half_anon_growth_bytes"] = float64(s.settled().Anon) - float64(half.Anon)
	s.count()
	if err := s.burst(target); err != nil {
		return err
	}
	s.finish(a)
	return nil
}

// burst has many connections opened, each with a request that lacks its last
// bytes, and sends those in one moment.
func (s *stage) burst(target ask) error {
	s.forget()
	target.Burst = burstSize
	target.What = "burst-open"
	if _, err := s.ask(target); err != nil {
		return err
	}
	limit := 10 * time.Second // to take them all, where nothing bounds how many
	if s.spec.Column == House {
		limit = time.Second
	}
	until(limit, func() bool { return s.look().Goroutines >= burstSize })
	target.What = "burst-send"
	_, err := s.ask(target)
	_, lately := s.top()
	s.res.Facts["goroutines_in_burst"], s.res.Facts["burst"] = float64(lately.Goroutines), burstSize
	return err
}

// traffic has somebody else send requests, and notes how they fared.
func (s *stage) traffic(load ask) error {
	r, err := s.ask(load)
	if err != nil {
		return err
	}
	s.res.Requests, s.res.Failed = s.res.Requests+r.Count, s.res.Failed+r.Bad
	s.res.P50, s.res.P99, s.res.PerSecond = r.P50, r.P99, float64(r.Count)/load.Seconds
	return nil
}

func startAuth(s *stage) (*act, ask, error) {
	backend := slowBackend{squeeze(backendTime, factorAuth)}
	limit := squeeze(authLimit, factorAuth)
	switch {
	case s.spec.Variant:
		return s.serve(&naive.AuthHandlerUnbuffered{Backend: backend, Limit: limit})
	case s.spec.Column == Naive:
		return s.serve(&naive.AuthHandler{Backend: backend, Limit: limit})
	case s.spec.Column == Published:
		return s.serve(&published.AuthHandler{Backend: backend, Limit: limit})
	}
	h, a, err := s.enter(house.Options{
		Store:    func(real actors.Store) actors.Store { return slowStore{real, backend.wait} },
		Deadline: limit,
	}, 0)
	if err != nil {
		return nil, ask{}, err
	}
	door := h.Addr + "/api/doors/door-1/" // each request is a change, so that it needs the disk
	return a, ask{Addr: door + "lockdown", Other: door + "normal", Method: http.MethodPost, Token: h.Token}, nil
}

// serve is a plain server, as it was.
func (s *stage) serve(h http.Handler) (*act, ask, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, ask{}, err
	}
	srv := &http.Server{Handler: h} //nolint:gosec // no time-outs: as it was
	done := make(chan struct{})
	spawn(func() { defer close(done); _ = srv.Serve(l) }) // it ends by Close
	stop := func() { _ = srv.Close(); <-done }
	return &act{stop: stop}, ask{Addr: "http://" + l.Addr().String() + "/auth?card=4711", Method: http.MethodGet}, nil
}
