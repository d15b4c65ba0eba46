package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy lets a page use only what comes from this server, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard keeps other web sites from using the server through a visitor's browser:
// requests from pages of another origin are refused, and so are those for a host
// name that is not the server's (DNS rebinding), which counts most while the
// server trusts whoever reaches it.
func guard(next http.Handler, loopback bool, hosts []string) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, "a page of another site may not call this server: call it from a program, or from its own page")
	}))
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !knownHost(r.Host, loopback, hosts) {
			refuse(w, "this server does not go by that name: use its address, or add the name to http-hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knownHost tells whether a request's host is one of the server's. Beyond
// loopback, without a list, every name is.
func knownHost(host string, loopback bool, hosts []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(strings.ToLower(name), "[]")
	if slices.Contains(hosts, name) {
		return true
	}
	if !loopback {
		return len(hosts) == 0
	}
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

func refuse(w http.ResponseWriter, why string) { http.Error(w, why, http.StatusForbidden) }
