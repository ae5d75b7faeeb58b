package incident

import (
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/bench/incident/published"
	"gatehouse/supervisor"
)

// The traffic of duty 3. The limit was not published; it is what people take.
const (
	pushPeriod = 5 * time.Second
	pushLimit  = 10 * time.Second
)

func runPush(s *stage) error {
	where, err := s.ask(ask{What: "silent"})
	if err != nil {
		return err
	}
	a, err := startPush(s, []string{"http://" + where.Text, "https://" + where.Text})
	if err != nil {
		return err
	}
	s.ready(a)
	s.run(15*time.Second, 3*time.Second)
	heard, err := s.ask(ask{What: "silent-count"})
	if err != nil {
		return err
	}
	s.res.Requests, s.res.Failed = heard.Count, heard.Count // nobody was ever answered
	s.res.P50, s.res.P99 = heard.P50, heard.P99
	s.finish(a)
	return nil
}

func startPush(s *stage, addrs []string) (*act, error) {
	period, limit := squeeze(pushPeriod, factorPush), squeeze(pushLimit, factorPush)
	conf := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // no server there ever shows a certificate
	switch s.spec.Column {
	case Naive:
		p := &naive.Pusher{Addrs: addrs, Interval: period}
		p.Start(conf)
		return &act{stop: p.Stop}, nil
	case Published:
		p := &published.Pusher{Addrs: addrs, Interval: period, Limit: limit}
		p.Start(conf)
		return &act{stop: p.Stop}, nil
	}
	var o house.Options
	for i, addr := range addrs {
		link, err := s.link([]string{"plain", "tls"}[i], addr, period, limit)
		if err != nil {
			return nil, err
		}
		o.Links = append(o.Links, link)
	}
	_, a, err := s.enter(o, len(addrs))
	return a, err
}

// link is the heartbeat of this house to an address.
func (s *stage) link(id, addr string, period, limit time.Duration) (supervisor.ChildSpec, error) {
	to, err := url.Parse(addr)
	if err != nil {
		return supervisor.ChildSpec{}, err
	}
	return house.Beat(id, to, period, limit, now, func(error) { s.done.Add(1) }), nil
}

// Duty 5 is here because it is the same link with a server that answers.

const beatPeriod = 5 * time.Second

func runHeartbeat(s *stage) error {
	where, err := s.ask(ask{What: "centre"})
	if err != nil {
		return err
	}
	a, err := startHeartbeat(s, where.Text)
	if err != nil {
		return err
	}
	s.ready(a)
	s.run(15*time.Second, 3*time.Second)
	beats, err := s.ask(ask{What: "centre-count"})
	if err != nil {
		return err
	}
	s.res.Requests, s.res.P50, s.res.P99 = beats.Count, beats.P50, beats.P99
	bare := a.stop
	a.stop = func() {
		bare()
		beats, err = s.ask(ask{What: "centre-count"})
	}
	s.finish(a)
	if err != nil {
		return err
	}
	after, err := s.ask(ask{What: "centre-count"})
	s.res.Facts["beats_after_stop"] = float64(after.Count - beats.Count)
	return err
}

func startHeartbeat(s *stage, addr string) (*act, error) {
	period := squeeze(beatPeriod, factorHeartbeat)
	switch s.spec.Column {
	case Naive:
		h := &naive.Heartbeat{URL: addr, Interval: period}
		h.Start()
		return &act{stop: h.Stop}, nil
	case Published:
		h := &published.Heartbeat{URL: addr, Interval: period}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		spawn(func() { defer close(done); h.Run(ctx) })
		return &act{stop: func() { cancel(); <-done; h.Close() }}, nil
	}
	link, err := s.link("heartbeat", addr, period, squeeze(pushLimit, factorHeartbeat))
	if err != nil {
		return nil, err
	}
	_, a, err := s.enter(house.Options{Links: []supervisor.ChildSpec{link}}, 1)
	return a, err
}
