package incident

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// What stands in for a Redis is lost, hangs and comes back as a real one does, in
// the eyes of the client that the columns use. The real one is put through the same
// where it is installed.
func TestServersAreLostHangAndComeBack(t *testing.T) {
	for name, open := range map[string]func() (server, error){
		"stand-in":           func() (server, error) { return newResp() },
		"newServer's choice": newServer,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			client := redis.NewClient(&redis.Options{Addr: s.addr(), ReadTimeout: 100 * time.Millisecond, MaxRetries: -1})
			defer client.Close()
			sub := client.Subscribe(t.Context(), "event:sync")
			defer sub.Close()
			messages := sub.Channel()
			hears := func(when string) {
				t.Helper()
				heard := until(30*time.Second, func() bool {
					if publish(s.addr()) != nil {
						return false
					}
					select {
					case m := <-messages:
						return m.Payload == "hello"
					case <-time.After(20 * time.Millisecond):
						return false
					}
				})
				if !heard {
					t.Fatalf("%s: the subscription hears nothing", when)
				}
			}
			hears("at first")
			if err := s.hang(); err != nil {
				t.Fatal(err)
			}
			if err := client.Ping(t.Context()).Err(); err == nil {
				t.Error("a server that hangs answers")
			}
			if err := s.back(); err != nil {
				t.Fatal(err)
			}
			hears("after it hung")
			if err := s.kill(); err != nil {
				t.Fatal(err)
			}
			if err := command(s.addr(), "PING"); err == nil {
				t.Error("a server that is gone answers")
			}
			if err := s.back(); err != nil {
				t.Fatal(err)
			}
			hears("after it was lost")
		})
	}
}
