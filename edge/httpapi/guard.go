package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxBody bounds what a change may bring along; none but an import needs anything.
const maxBody = 4 << 10

// guarded lets through what names us by a name of ours and does not come from
// another origin's page.
func guarded(hosts []string, next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		switch {
		case !ours(r, hosts):
			turnAway(w, r, http.StatusMisdirectedRequest, problem{
				Code:    "unknown_host",
				Message: "This server is not " + strconv.Quote(clip(r.Host)) + ".",
				Hint:    "Use localhost or a loopback address with the port, or add the name to http.hosts in the site file.",
			})
		case origins.Check(asChange(r)) != nil:
			turnAway(w, r, http.StatusForbidden, problem{
				Code:    "cross_origin",
				Message: "A page of another origin may not use this server.",
				Hint:    "Open the address in a tab of its own, or use a program such as curl.",
			})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// turnAway refuses a request whose body nobody reads. The connection ends with it:
// net/http would wait for such a body before it sends the answer.
func turnAway(w http.ResponseWriter, r *http.Request, status int, p problem) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
	fail(w, status, p)
}

func harden(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// asChange has a GET checked as strictly as a POST: another site's page could
// not read the answer, but it could take up all the streams.
func asChange(r *http.Request) *http.Request {
	change := *r
	change.Method = http.MethodPost
	return &change
}

// ours reports whether the request's Host is a name of this server. An IP
// address cannot be rebound, and behind a configured name there may be a proxy
// with a port of its own.
func ours(r *http.Request, hosts []string) bool {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
	}
	host = strings.ToLower(host)
	if slices.Contains(hosts, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.Unmap().IsLoopback()
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return loopback && ok && port == strconv.Itoa(local.Port)
}

// authorized lets a change through only with the token.
func authorized(token string, next http.Handler) http.Handler {
	change := permitted(token, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		change.ServeHTTP(w, r)
	})
}

// permitted lets through only what bears the token.
func permitted(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := bearer(r)
		got := sha256.Sum256([]byte(given))
		same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
		switch {
		case token == "":
			turnAway(w, r, http.StatusServiceUnavailable, problem{
				Code:    "no_token",
				Message: "No change is possible here: the token's file could not be used when the daemon started.",
				Hint:    "The daemon's log says why; remove the file and restart, and a new one is made.",
			})
		case !ok:
			unauthorized(w, r, "token_missing", "A change needs a token, and the request has none.")
		case !same:
			unauthorized(w, r, "token_wrong", "The request's token is not the one of this building.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// bearer is the token that the request bears.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

func unauthorized(w http.ResponseWriter, r *http.Request, code, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	turnAway(w, r, http.StatusUnauthorized, problem{
		Code: code, Message: message,
		Hint: "Send the header Authorization: Bearer TOKEN, with the token in the file " + TokenFile + " of the data directory.",
	})
}

// bodyless lets through what has no body, or a small one that nobody needs, and an
// import's.
func bodyless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Path == importPath {
			next.ServeHTTP(w, r)
			return
		}
		discardBody(w, r, next)
	})
}

// discardBody reads the body to its end before the change is made, so that a
// request that is refused for its size changes nothing.
func discardBody(w http.ResponseWriter, r *http.Request, next http.Handler) {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		turnAway(w, r, http.StatusRequestEntityTooLarge, problem{
			Code:    "body_too_large",
			Message: "The request's body has more than " + strconv.Itoa(maxBody) + " bytes.",
			Hint:    "Send none: what to do is in the path.",
		})
	case err != nil:
		turnAway(w, r, http.StatusBadRequest, problem{
			Code: "body_unreadable", Message: "The request's body did not arrive: " + err.Error() + ".",
			Hint: "Send none: what to do is in the path.",
		})
	default:
		next.ServeHTTP(w, r)
	}
}
