package httpapi_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/edge/httpapi"
)

// TestStreamResumesExactly: cut at any place, while events come in, a client that
// resumes with the last id it saw has every event once.
func TestStreamResumesExactly(t *testing.T) {
	const all = 1000
	f := newFake(50)
	s := serve(t, optionsFor(f))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range (all - 50) / 5 {
			f.add(5)
			s.get("/healthz") // spreads them over the test
		}
	}()
	id := "0"
	var want uint64
	for cut := 0; want < all; cut++ {
		l := s.listen("/api/events", "Last-Event-ID", id)
		for range min(1+cut*7, all-int(want)) {
			want++
			if got := l.next(); got != want {
				t.Fatalf("event %d instead of %d", got, want)
			}
		}
		id = l.id
		l.close()
	}
	<-done
	s.eventually("without a watcher", func() bool { return f.watching() == 0 })
}

// TestStreamBegins: after the newest event, or where it is told; a header is
// newer than the query of the first connection.
func TestStreamBegins(t *testing.T) {
	f := newFake(10)
	s := serve(t, optionsFor(f))
	live, at := s.listen("/api/events/stream"), s.listen("/api/events/stream?after=3")
	both := s.listen("/api/events/stream?after=3", "Last-Event-ID", "7")
	denied := s.listen("/api/events/stream?after=0&kind=denied&door=back")
	if _, _, ok := live.block(); !ok || live.id != "10" {
		t.Errorf("a live stream does not say where it begins: %s", live.id)
	}
	f.add(1)
	same(t, []uint64{11, 4, 8, 3, 6, 9}, []uint64{
		live.next(), at.next(), both.next(), denied.next(), denied.next(), denied.next(),
	})
}

// TestIdleStreamLives: beyond the server's time-outs, with signs of life.
func TestIdleStreamLives(t *testing.T) {
	o := optionsFor(newFake(0))
	o.Heartbeat = 50 * time.Millisecond
	server := httptest.NewUnstartedServer(httpapi.New(o))
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Second, time.Second
	server.Start()
	defer server.Close()
	l := client(t, server.Listener.Addr()).listen("/api/events/stream")
	defer l.close()
	for beats := 0; beats < 25; {
		_, comment, ok := l.block()
		if !ok {
			t.Fatalf("the stream ended after %d beats", beats)
		}
		if comment != "" {
			beats++
		}
	}
}

// TestStreamsAreBounded: one too many is told so, and can come later.
func TestStreamsAreBounded(t *testing.T) {
	o := optionsFor(newFake(1))
	o.Streams = 2
	s := serve(t, o)
	first := s.listen("/api/events/stream")
	s.listen("/api/events/stream")
	r := s.get("/api/events/stream")
	if r.status != 503 || r.code(t) != "too_many_streams" || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.do("HEAD", "/api/events/stream"); r.status != 200 {
		t.Errorf("HEAD takes a stream: %d", r.status)
	}
	if r := s.get("/api/events"); r.status != 200 {
		t.Errorf("pages: %d", r.status)
	}
	first.close()
	s.eventually("a free stream", func() bool {
		resp, err := s.client.Do(s.request(t.Context(), "GET", "/api/events/stream?after=0", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == 200
	})
}

// endless is a building with more events than any buffer holds.
type endless struct{ *fake }

func (endless) LastEvent() uint64 { return 1 << 40 }

func (endless) Events(after uint64, limit int) ([]access.Event, error) {
	detail := strings.Repeat("x", 4<<10)
	list := make([]access.Event, limit)
	for i := range list {
		list[i] = access.Event{Seq: after + uint64(i) + 1, Kind: access.KindGranted, Detail: detail}
	}
	return list, nil
}

// mute subscribes and never reads.
func mute(t testing.TB, port, path string) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", path, port)
}

// TestSlowStreamIsCutOff while another client goes on and sees no gap.
func TestSlowStreamIsCutOff(t *testing.T) {
	logged := waitFor("slow stream cut off")
	o := optionsFor(endless{newFake(0)})
	o.WriteLimit = time.Second // the good client may wait for a processor that long
	o.Log = zerolog.New(logged)
	s := serve(t, o)
	mute(t, s.port, "/api/events/stream?after=0")
	good := s.listen("/api/events/stream?after=0")
	stop := make(chan struct{})
	read := make(chan uint64)
	go func() {
		defer close(read)
		var want uint64
		for {
			if want++; good.next() != want {
				t.Errorf("not event %d", want)
				return
			}
			select {
			case <-stop:
				read <- want
				return
			default:
			}
		}
	}()
	logged.wait(t)
	close(stop)
	if n := <-read; n < 10 {
		t.Errorf("the good client read %d events", n)
	}
	body := s.get("/metrics").body
	if !strings.Contains(body, "gatehouse_http_streams_cut_total 1\n") || !strings.Contains(body, "gatehouse_http_streams 1\n") {
		t.Errorf("metrics: %s", body)
	}
}
