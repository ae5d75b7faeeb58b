package httpapi

import (
	"net/http"
	"net/http/pprof"
)

// PprofHandler answers with profiles of the process, at /debug/pprof/. It is for
// a listener of its own, off unless configured. Hosts are as in Options. It
// changes nothing and needs no token, but a profile shows what is in memory.
func PprofHandler(hosts []string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return guarded(hosts, mux)
}
