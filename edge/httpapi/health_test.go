package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"gatehouse/actors"
)

// Everything is on the list, well or not, and the answer is 200 in either case.
func TestHealthTellsOfEverything(t *testing.T) {
	f := newFake(0)
	f.health = actors.Health{Degraded: []string{"device rig: no answer"}, Waiting: 3}
	s := serve(t, optionsFor(f))
	r := s.get("/api/health")
	var got struct {
		actors.Health
		Devices []actors.DeviceStatus
		Links   []actors.LinkStatus
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK {
		t.Fatalf("%d %v %s", r.status, err, r.body)
	}
	same(t, f.health, got.Health)
	same(t, f.Devices(), got.Devices)
	same(t, f.Links(), got.Links)
}
