// Package httpapi is the building over HTTP, for people, scripts and
// monitoring: JSON, a stream of events and metrics.
//
//	GET  /healthz                  200 while the process lives, and which building it is
//	GET  /readyz                   200 when everything works, else 503 and what does not
//	GET  /metrics                  Prometheus
//	GET  /api/doors                the status of every door
//	GET  /api/doors/{id}           of one door
//	POST /api/doors/{id}/{action}  unlock, lock, lockdown, normal, fire-reset
//	POST /api/lockdown             all doors, in one transaction
//	POST /api/normal               the same, back to normal
//	GET  /api/events               a page, by number, door, cardholder, kind, reason and time
//	GET  /api/events/stream        server-sent events: Last-Event-ID or after, and filters
//	GET  /api/tree                 the tree of actors; as text with Accept: text/plain
//	GET  /api/health               every device and link, and what its last check or use came to
//	POST /api/backup               begins a backup to a file of this machine
//	GET  /api/backup               what it came to
//
// docs/API.md has every parameter and field.
//
// /api/events with Accept: text/event-stream is the stream, too. A stream that
// is told neither Last-Event-ID nor after begins with the next event.
//
// A change answers 200 when it is on disk and 202 when it is in force but not
// saved yet; 409 when precedence refuses it, 503 when the door is down, 504 when
// it was not confirmed in time. With several doors the worst of them decides;
// results tells of each. All errors are {"code", "message", "hint"}.
//
// Security. Every change needs "Authorization: Bearer TOKEN" (see EnsureToken).
// Whoever has the token is the operator "api" in the events. Every request must
// name a host that is ours, which a page that had its DNS name rebound does not,
// and none may come from another origin's page, not even a GET; so a link on
// another site does not open either. Reading needs no token: we listen on
// loopback only.
//
// Server is any handler on a listener with every limit set. This package starts
// no goroutine; net/http starts one for a connection inside the worker that
// called Serve.
//
// It must not know actors beyond the facade, nor devices, files (except the
// token's) or rules; it decides nothing about doors.
package httpapi
