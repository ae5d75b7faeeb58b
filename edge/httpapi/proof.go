package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
)

// Lengths of a challenge, in bytes.
const (
	minChallenge = 16
	maxChallenge = 128
)

// Proof shows that whoever answers at an address (IP:port) has the token, and says
// nothing of the token itself. A program asks for it at /healthz?challenge=TEXT, with
// a random text, before it sends the token: on the port of a daemon that is gone
// somebody else may listen. The address is in it, so that a stranger there cannot
// pass on what the daemon says elsewhere.
func Proof(token, address, challenge string) string {
	mac := hmac.New(sha256.New, []byte(token))
	fmt.Fprintf(mac, "gatehouse at %s\n%s", address, challenge)
	return hex.EncodeToString(mac.Sum(nil))
}

// proof answers a challenge; false: it answered that it cannot.
func (a *API) proof(w http.ResponseWriter, r *http.Request) (proof string, ok bool) {
	challenge := r.URL.Query().Get("challenge")
	if challenge == "" {
		return "", true
	}
	at, known := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if len(challenge) < minChallenge || len(challenge) > maxChallenge || a.o.Token == "" || !known {
		fail(w, http.StatusBadRequest, problem{
			Code: "bad_challenge", Message: "This challenge cannot be answered.",
			Hint: fmt.Sprintf("Send a random text of %d to %d bytes; without a token of its own the daemon proves nothing.", minChallenge, maxChallenge),
		})
		return "", false
	}
	return Proof(a.o.Token, at.String(), challenge), true
}
