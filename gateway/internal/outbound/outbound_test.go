package outbound_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/facestudio/facestudio/gateway/internal/outbound"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "64:ff9b::5db8:d70e": true, "::ffff:93.184.215.14": true,
		"0.0.0.0": false, "10.1.2.3": false, "100.100.100.200": false, "127.0.0.1": false, "127.8.8.8": false, "168.63.129.16": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "172.32.0.1": true, "192.0.0.192": false,
		"192.168.1.1": false, "198.18.0.1": false, "203.0.113.9": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "fc00::1": false, "ff02::1": false,
		"2001::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "3fff::1": false, "fec0::1": false, "::127.0.0.1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false,
	} {
		if got := outbound.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
	if outbound.Public(netip.Addr{}) {
		t.Error("no address is a public one")
	}
}

func TestCheckURL(t *testing.T) {
	tests := []struct {
		url           string
		public, local bool
	}{
		{"https://example.com/hook?x=1", true, true},
		{"https://example.com:8443", true, true},
		{"https://[2606:2800:21f::1]/", true, true},
		{"http://example.com/", false, true},
		{"http://127.0.0.1:8080/", false, true},
		{"https://[::1]/", false, true},
		{"https://localhost/", false, true},
		{"https://LOCALHOST./", false, true},
		{"https://10.0.0.1/", false, false},
		{"https://[::ffff:10.0.0.1]/", false, false},
		{"https://[fe80::1%25eth0]/", false, false},
		{"https://ada:secret@example.com/", false, false},
		{"ftp://example.com/", false, false},
		{"//example.com/", false, false},
		{"https:///path", false, false},
		{"https://:443/", false, false},
		{"example.com", false, false},
		{"https://example.com/" + strings.Repeat("x", 2000), false, false},
		{"", false, false},
	}
	for _, test := range tests {
		for _, local := range []bool{false, true} {
			want := test.public && !local || test.local && local
			if err := (outbound.Settings{Local: local}).CheckURL(test.url); (err == nil) != want || err != nil && !errors.Is(err, outbound.ErrURL) {
				t.Errorf("%.60s with local %v: %v", test.url, local, err)
			}
		}
	}
}

// server answers on loopback and counts who comes.
func server(t *testing.T, handle http.HandlerFunc) (port string, visits *atomic.Int64) {
	t.Helper()
	visits = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, visits
}

func get(t *testing.T, s outbound.Settings, url string) (status int, err error) {
	t.Helper()
	client := s.Client(30 * time.Second)
	t.Cleanup(client.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// names is a resolver whose one name has another address at each look-up.
func names(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		next, buffer := 0, make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: addresses[min(next, len(addresses)-1)]},
				}}
				next++
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: localOnly(conn.LocalAddr().String())}
}

func TestOnlyPublicAddressesAreConnectedTo(t *testing.T) {
	port, visits := server(t, func(http.ResponseWriter, *http.Request) {})
	for name, url := range map[string]string{
		"loopback": "http://127.0.0.1:", "mapped": "http://[::ffff:127.0.0.1]:", "its name": "http://localhost:", "any": "http://0.0.0.0:",
	} {
		if _, err := get(t, outbound.Settings{}, url+port); !errors.Is(err, outbound.ErrAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if visits.Load() != 0 {
		t.Errorf("%d came through", visits.Load())
	}
	if _, err := get(t, outbound.Settings{Local: true}, "http://127.0.0.1:"+port); err != nil || visits.Load() != 1 {
		t.Errorf("in development: %v", err)
	}
}

// A name that was harmless when it was checked leads to loopback when it is
// connected to.
func TestANameThatIsBoundAnewIsRefused(t *testing.T) {
	port, visits := server(t, func(http.ResponseWriter, *http.Request) {})
	resolver := names(t, [4]byte{93, 184, 215, 14}, [4]byte{127, 0, 0, 1})
	first, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example.com")
	if err != nil || len(first) != 1 || !outbound.Public(first[0]) {
		t.Fatalf("first it is %v, %v", first, err)
	}
	if _, err := get(t, outbound.Settings{Resolver: resolver}, "http://rebind.example.com:"+port); !errors.Is(err, outbound.ErrAddress) || visits.Load() != 0 {
		t.Errorf("then: %v, and %d came through", err, visits.Load())
	}
	if _, err := get(t, outbound.Settings{Resolver: names(t, [4]byte{10, 0, 0, 1}), Local: true}, "http://inside.example.com:"+port); !errors.Is(err, outbound.ErrAddress) {
		t.Errorf("a private address in development: %v", err)
	}
}

func TestRedirectionsAreNotFollowed(t *testing.T) {
	target, visits := server(t, func(http.ResponseWriter, *http.Request) {})
	port, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+target, http.StatusFound)
	})
	status, err := get(t, outbound.Settings{Local: true}, "http://127.0.0.1:"+port)
	if err != nil || status != http.StatusFound || visits.Load() != 0 {
		t.Errorf("got %d, %v, and the target was visited %d times", status, err, visits.Load())
	}
}
