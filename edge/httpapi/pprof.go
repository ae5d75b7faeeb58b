package httpapi

import "net/http"

// PprofHandler answers with profiles of the process, at /debug/pprof/. It is for
// a listener of its own, off unless configured. Hosts are as in Options. It
// changes nothing and needs no token, but a profile shows what is in memory.
func PprofHandler(hosts []string) http.Handler { return guarded(hosts, pprofMux()) }
