// Package outbound makes HTTP requests to addresses that strangers name, so that
// they reach the public internet and nothing else: an address is checked when the
// connection to it is made, after every look-up of a name, so that neither a
// name that changes its mind nor another way of writing an address gets past it.
package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Errors of addresses; test with errors.Is.
var (
	// ErrURL says that a URL is not one that requests are sent to.
	ErrURL = errors.New("not an address for requests")
	// ErrAddress says that a name led to an address that is not public.
	ErrAddress = errors.New("not a public address")
)

// maxURL bounds a URL, characters.
const maxURL = 2000

const (
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	idleTime      = 30 * time.Second
	maxIdle       = 64
	maxIdlePerURL = 2
	maxHeader     = 64 << 10
)

// Settings say which addresses are reached.
type Settings struct {
	// Local also allows plain HTTP and loopback addresses, for development.
	Local bool
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
}

// CheckURL refuses with ErrURL what cannot be an address for requests, without
// looking anything up. The error says why, for people.
func (s Settings) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Errorf("%w: it has more than %d characters", ErrURL, maxURL)
	case err != nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%w: write https://host/path", ErrURL)
	case u.Scheme != "https" && (!s.Local || u.Scheme != "http"):
		return fmt.Errorf("%w: only https is spoken", ErrURL)
	case u.User != nil:
		return fmt.Errorf("%w: it has a user name or a password, which are not sent", ErrURL)
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil && !s.allowed(ip) || host == "localhost" && !s.Local {
		return fmt.Errorf("%w: its host is not a public one", ErrURL)
	}
	return nil
}

func (s Settings) allowed(ip netip.Addr) bool {
	return Public(ip) || s.Local && ip.Unmap().IsLoopback()
}

// control refuses a connection just before it is made. It sees the address that
// is connected to, whatever name or redirection led there.
func (s Settings) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !s.allowed(to.Addr()) {
		return ErrAddress
	}
	return nil
}

// Client returns a client whose requests end within a time, answers included, and
// which follows no redirection. Close its idle connections after use. It uses no
// proxy, which would make the connections in its place.
func (s Settings) Client(within time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: dialTime, Resolver: s.Resolver, Control: s.control}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    handshakeTime,
			IdleConnTimeout:        idleTime,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerURL,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       within,
	}
}
