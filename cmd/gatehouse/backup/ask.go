package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// NewClient is a client of a daemon's API.
func NewClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// healthOf is where a box at an address, host:port or a URL, says who it is.
func healthOf(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no address of a box; name one such as http://127.0.0.1:8480", address)
	}
	return u.Scheme + "://" + u.Host + "/healthz", nil
}

// buildingAt is the id of the building that answers there, "" if none does.
func buildingAt(ctx context.Context, at string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return ""
	}
	answer, err := NewClient().Do(r)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }() // only read
	var health struct{ Building string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&health) // another program's answer names none
	return health.Building
}
