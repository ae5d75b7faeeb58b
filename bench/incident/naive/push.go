package naive

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"time"
)

// Pusher sends the building's state to other systems.
type Pusher struct {
	Addrs    []string
	Interval time.Duration // 5 s

	client *http.Client
	done   chan struct{}
}

// Start begins to push.
func (p *Pusher) Start(conf *tls.Config) {
	p.done = make(chan struct{})
	p.client = &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     conf,
			MaxIdleConns:        100,
			MaxIdleConnsPerHost: 100,
			IdleConnTimeout:     30 * time.Second,
		},
	}
	ticker := time.NewTicker(p.Interval)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				for _, addr := range p.Addrs {
					go p.push(addr)
				}
			case <-p.done:
				return
			}
		}
	}()
}

func (p *Pusher) push(addr string) {
	resp, err := p.client.Post(addr, "application/json", bytes.NewReader([]byte(`{"doors":8,"ok":true}`)))
	if err != nil {
		log.Printf("push: %v", err)
		return
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}

// Stop ends it as well as one could.
func (p *Pusher) Stop() {
	close(p.done)
	p.client.CloseIdleConnections()
}
