package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/edge/httpapi"
)

// desk is where backups are asked for.
type desk struct {
	asked  []string
	err    error
	status httpapi.BackupStatus
}

func (d *desk) Begin(to string, recipients []string) error {
	d.asked = append(d.asked, to+" "+strings.Join(recipients, ","))
	return d.err
}

func (d *desk) Status() httpapi.BackupStatus { return d.status }

func TestBackup(t *testing.T) {
	d := &desk{status: httpapi.BackupStatus{Running: true, File: "/srv/b"}}
	o := optionsFor(newFake(0))
	o.Backups, o.ID = d, "house"
	s := serve(t, o)
	if r := s.get("/healthz"); !strings.Contains(r.body, `"building": "house"`) {
		t.Error(r.body)
	}
	for _, c := range []struct {
		query  string
		err    error
		status int
		code   string
		asked  bool
	}{
		{"?to=/srv/b&recipient=x&recipient=y", nil, 202, "", true},
		{"?to=/srv/b&recipient=x", httpapi.ErrBackupRuns, 409, "backup_runs", true},
		{"?to=b", fmt.Errorf("%w: no", httpapi.ErrBadBackup), 400, "bad_backup", true},
		{"?to=b", errors.New(strings.Repeat("x", 1e5)), 503, "backup_refused", true},
		{"?to=b&to=c", nil, 400, "bad_backup", false},
		{"?file=b", nil, 400, "bad_backup", false},
		{"?to=%zz", nil, 400, "bad_backup", false},
	} {
		d.asked, d.err = nil, c.err
		r := s.post("/api/backup" + c.query)
		if r.status != c.status || c.code != "" && r.code(t) != c.code || (len(d.asked) > 0) != c.asked || len(r.body) > 1000 {
			t.Errorf("%s: %d %s, asked for %v", c.query, r.status, r.body, d.asked)
		}
		if c.status == 202 {
			same(t, []string{"/srv/b x,y"}, d.asked)
		}
	}
	d.asked = nil
	if r := s.do(http.MethodPost, "/api/backup?to=/srv/b"); r.status != 401 || len(d.asked) > 0 {
		t.Errorf("without a token: %d", r.status)
	}
	same(t, "{\n  \"running\": true,\n  \"file\": \"/srv/b\"\n}\n", s.get("/api/backup").body)
	none := serve(t, optionsFor(newFake(0)))
	same(t, []int{404, 404}, []int{none.get("/api/backup").status, none.post("/api/backup").status})
}
