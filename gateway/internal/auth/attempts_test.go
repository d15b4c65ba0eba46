package auth_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/facestudio/facestudio/gateway/internal/auth"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// knows is a guard that knows one credential.
type knows struct {
	good  string
	asked int
}

func (k *knows) Admit(ctx context.Context, _ string) (context.Context, error) {
	k.asked++
	md, _ := metadata.FromIncomingContext(ctx)
	switch shown := md.Get(auth.Header); {
	case len(shown) == 0:
		return nil, fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_MISSING, "", "none")
	case shown[0] != "Bearer "+k.good:
		return nil, fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_INVALID, "", "wrong")
	}
	return ctx, nil
}

func (*knows) Hold(context.Context, string) error { return nil }

// from is the context of a call from an address, which came by way of others,
// unless forwarded is empty.
func from(t *testing.T, address, forwarded, credential string) context.Context {
	t.Helper()
	ctx := t.Context()
	if address != "" {
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 9))})
	}
	md := metadata.MD{}
	if credential != "" {
		md.Set(auth.Header, "Bearer "+credential)
	}
	if forwarded != "" {
		md.Set("x-forwarded-for", forwarded)
	}
	return metadata.NewIncomingContext(ctx, md)
}

func bound(t *testing.T, next rpc.Guard, now *time.Time, proxies ...string) rpc.Guard {
	t.Helper()
	trusted, bad, ok := auth.ParseProxies(proxies)
	if !ok {
		t.Fatalf("%q is no proxy", bad)
	}
	guard, err := auth.BoundAttempts(next, auth.AttemptSettings{PerMinute: 3, Proxies: trusted, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

func TestWrongKeysAreNotTriedWithoutEnd(t *testing.T) {
	next, now := &knows{good: "right"}, time.Unix(1_000_000, 0)
	guard := bound(t, next, &now)
	admit := func(ctx context.Context) error {
		_, err := guard.Admit(ctx, "m")
		return err
	}
	if err := admit(from(t, "203.0.113.7", "", "right")); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := admit(from(t, "203.0.113.7", "", fmt.Sprint("guess ", i))); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	asked := next.asked
	f := fault.From(admit(from(t, "203.0.113.7", "", "guess 3")))
	if f.Kind != fault.Exhausted || f.Reason != faultv1.Reason_REASON_RATE_LIMITED || !f.Retryable || f.RetryAfter != 20*time.Second ||
		f.Limit == nil || *f.Limit != (fault.Limit{Name: "auth-failures", Value: 3}) {
		t.Errorf("the fourth: %+v", f)
	}
	if err := admit(from(t, "203.0.113.7", "", "")); !fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED) {
		t.Errorf("without a key: %v", err)
	}
	if next.asked != asked {
		t.Error("what it showed was looked at")
	}
	if err := admit(from(t, "203.0.113.7", "", "right")); err != nil {
		t.Errorf("who was let in before is not any more: %v", err)
	}
	if err := admit(from(t, "203.0.113.8", "", "guess")); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
		t.Errorf("another address: %v", err)
	}
	now = now.Add(20 * time.Second)
	if err := admit(from(t, "203.0.113.7", "", "guess 4")); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
		t.Errorf("after a while: %v", err)
	}
	next.good = "another" // the key was revoked
	for range 2 {
		_ = admit(from(t, "203.0.113.7", "", "right"))
	}
	if err := admit(from(t, "203.0.113.7", "", "right")); !fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED) {
		t.Errorf("a key that was good once: %v", err)
	}
}

func TestWhereACallComesFrom(t *testing.T) {
	tests := []struct {
		name, address, forwarded string
		// same is the address of a connection that counts as the same place.
		same    string
		proxies []string
	}{
		{name: "a forwarded address of nobody who is trusted", address: "203.0.113.7", forwarded: "198.51.100.1", same: "203.0.113.7"},
		{name: "a trusted proxy", address: "10.0.0.1", forwarded: "198.51.100.1", same: "198.51.100.1", proxies: []string{"10.0.0.1"}},
		{name: "a trusted network", address: "10.1.2.3", forwarded: "198.51.100.1", same: "198.51.100.1", proxies: []string{"10.0.0.0/8"}},
		{name: "two proxies", address: "10.0.0.1", forwarded: "198.51.100.1, 10.0.0.2", same: "198.51.100.1", proxies: []string{"10.0.0.0/8"}},
		{name: "what a caller says itself", address: "10.0.0.1", forwarded: "192.0.2.1, 198.51.100.1", same: "198.51.100.1", proxies: []string{"10.0.0.1"}},
		{name: "no address", address: "10.0.0.1", forwarded: "unknown", same: "10.0.0.1", proxies: []string{"10.0.0.1"}},
		{name: "within the process", address: "", forwarded: "192.0.2.1, 198.51.100.1", same: "198.51.100.1"},
		{name: "within the process, by a proxy", address: "", forwarded: "198.51.100.1,10.0.0.1", same: "198.51.100.1", proxies: []string{"10.0.0.1"}},
		{name: "IPv6 of one site", address: "2001:db8:1:2::3", same: "2001:db8:1:2:aaaa::"},
		{name: "IPv4 in IPv6", address: "::ffff:203.0.113.7", same: "203.0.113.7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Unix(1_000_000, 0)
			guard := bound(t, &knows{}, &now, test.proxies...)
			for range 3 {
				_, _ = guard.Admit(from(t, test.address, test.forwarded, "guess"), "m")
			}
			if _, err := guard.Admit(from(t, test.same, "", "guess"), "m"); !fault.Is(err, faultv1.Reason_REASON_RATE_LIMITED) {
				t.Errorf("%s: got %v", test.same, err)
			}
			if _, err := guard.Admit(from(t, "192.0.2.99", "", "guess"), "m"); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
				t.Errorf("somebody else: got %v", err)
			}
		})
	}
}

func TestManyAddressesCostLittle(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	guard := bound(t, &knows{}, &now)
	for i := range 20_000 {
		address := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		_, _ = guard.Admit(from(t, address.String(), "", "guess"), "m")
	}
	// The oldest are forgotten: memory is bounded.
	for range 3 {
		if _, err := guard.Admit(from(t, "198.51.0.0", "", "guess"), "m"); !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
			t.Errorf("got %v", err)
		}
	}
}
